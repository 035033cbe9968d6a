"""Boots the kernel of tests/guest/unikraft: structures as Unikraft documents them, in code of our own."""

import functools
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCES = Path(__file__).resolve().parents[1] / "guest" / "unikraft"
QEMU = "qemu-system-x86_64"
SAYS = {"crash": "it crashed", "assert": "it crashed", "exit": "it ended"}
FLAGS = (
    "-std=c11 -ffreestanding -fno-pic -no-pie -mno-red-zone -mgeneral-regs-only -fno-stack-protector"
    " -fcf-protection=none -fno-asynchronous-unwind-tables -O2 -g3 -Wall -Wextra -Werror -nostdlib -static"
    " -Wl,--build-id=none -Wl,-Ttext-segment=0x100000 -Wl,-e,_start -Wl,-z,noexecstack"
).split()

needs_qemu = pytest.mark.skipif(
    not shutil.which(QEMU) or not shutil.which("gcc"), reason="needs QEMU and gcc"
)


@functools.cache
def _folder() -> Path:
    """Kept as long as the tests run, so that a build is made once."""
    import atexit

    folder = tempfile.mkdtemp(prefix="uniobs-shapes-")
    atexit.register(shutil.rmtree, folder, True)
    return Path(folder)


@functools.cache
def built(scenario: str, *defines: str) -> Path:
    """NAME (stripped) and NAME.dbg of one scenario; the stripped one."""
    boot = _folder() / f"{scenario}{len(list(_folder().iterdir()))}"
    whole = boot.with_name(boot.name + ".dbg")
    sources = [SOURCES / "boot.S", SOURCES / "kernel.c"]
    options = [f'-DSCENARIO="{scenario}"', *(f"-D{define}" for define in defines)]
    subprocess.run(["gcc", *FLAGS, *options, "-o", whole, *sources], check=True, capture_output=True)
    subprocess.run(["strip", "-s", "-o", boot, whole], check=True, capture_output=True)
    return boot


@dataclass(frozen=True)
class Shaped:
    pid: int
    image: Path
    directory: Path
    qmp: Path

    @property
    def console(self) -> str:
        return (self.directory / "console").read_text("utf-8", "replace")

    def core(self) -> Path:
        from uniobs.target import qmp

        path = self.directory / "guest.core"
        with qmp.opened(str(self.qmp)) as monitor:
            monitor.dump(str(path))
        return path


@contextmanager
def booted(
    scenario: str, directory: Path, *, control: bool = True, image: Path | None = None, memory: int = 32
) -> Iterator[Shaped]:
    """Until it says that it runs, or how it ended; then a little, so that its threads get where they go."""
    image = image or built(scenario)
    console, qmp = directory / "console", directory / "qmp"
    monitor = ("-qmp", f"unix:{qmp},server=on,wait=off") if control else ()
    process = subprocess.Popen(
        [QEMU, "-accel", "tcg", "-cpu", "max", "-M", "microvm", "-m", f"{memory}M", "-kernel", image,
         "-name", f"shaped-{scenario}", "-nodefaults", "-no-user-config", "-display", "none",
         "-serial", f"file:{console}", *monitor],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, process_group=0,
    )  # fmt: skip
    try:
        end = time.monotonic() + 20
        wanted = SAYS.get(scenario, "it runs")
        while time.monotonic() < end and not (console.exists() and wanted in console.read_text()):
            assert process.poll() is None, "QEMU ended"
            time.sleep(0.05)
        guest = Shaped(process.pid, image, directory, qmp)
        assert wanted in guest.console, guest.console
        time.sleep(0.2)
        yield guest
    finally:
        process.kill()
        process.communicate()
