"""A bare aarch64 guest with a region, built and booted at test time (tests/guest/aarch64)."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from support.bare_guest import Booted
from uniobs.errors import TargetError
from uniobs.target import qmp

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "tests" / "guest" / "aarch64"
STUBS = ROOT / "guest-stubs"
QEMU = "qemu-system-aarch64"
LD = "aarch64-linux-gnu-ld"
FLAGS = """
--target=aarch64-linux-gnu -march=armv8-a -std=c11 -O2 -g -ffreestanding -fno-pic -mstrict-align
-mgeneral-regs-only -fno-omit-frame-pointer -mno-outline-atomics -Wall -Wextra -Werror -c
""".split()
MARK = 0x1122334455667788  # in x19 once it waits

needs_aarch64 = pytest.mark.skipif(
    not all(shutil.which(tool) for tool in (QEMU, LD, "clang")),
    reason=f"needs {QEMU}, clang and {LD} (Debian: qemu-system-arm, clang, binutils-aarch64-linux-gnu)",
)


def build(directory: Path, *defines: str) -> Path:
    """The guest's ELF."""
    sources = [*sorted(STUBS.glob("src/*.c")), SOURCES / "kernel.c", SOURCES / "start.S"]
    objects = []
    for source in sources:
        objects.append(directory / f"{source.name}.o")
        flags = (*FLAGS, *(f"-D{name}" for name in defines), f"-I{STUBS}/include", f"-I{SOURCES}")
        run("clang", *flags, "-o", objects[-1], source)
    elf = directory / "arm.elf"
    options = ("-nostdlib", "-static", "--build-id", "-z", "noexecstack", "--no-warn-rwx-segments")
    run(LD, *options, "-T", SOURCES / "kernel.ld", "-o", elf, *objects)
    return elf


def run(*words: object) -> None:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@contextmanager
def boot(directory: Path, *defines: str) -> Iterator[Booted]:
    """Boot it with two vCPUs, of which the second stays off, and wait until the first one waits."""
    elf, socket = build(directory, *defines), str(directory / "qmp.sock")
    process = subprocess.Popen(
        [QEMU, "-accel", "tcg", "-M", "virt", "-cpu", "cortex-a57", "-smp", "2", "-m", "64M",
         "-kernel", elf, "-nodefaults", "-no-user-config", "-display", "none",
         "-serial", f"file:{directory}/console", "-qmp", f"unix:{socket},server=on,wait=off"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0,
    )  # fmt: skip
    try:
        _wait(directory / "console", socket)
        yield Booted(process.pid, "arm", socket, elf, process)
    finally:
        process.kill()
        process.wait()


def _wait(console: Path, socket: str) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with suppress(OSError, TargetError):
            if "ready" in console.read_text() and f"X19={MARK:016x}" in monitor(socket, "info registers"):
                return
        time.sleep(0.05)
    raise AssertionError("the aarch64 guest didn't come up")


def monitor(socket: str, line: str) -> str:
    """What QEMU's human monitor answers."""
    with qmp.opened(socket) as connection:
        return str(connection.call("human-monitor-command", arguments={"command-line": line}))
