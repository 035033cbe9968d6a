"""Real Nanos guests that somebody built, from the folder $UNIOBS_GUESTS: images/nanos/ with kernel.elf, disks
SCENARIO.img and the program on them (obsprog; obsprog-pie on deadlock-pie.img). The program prints where its
locks are, and does what its scenario says after three seconds: run, crash, assert, spin, deadlock or exit.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.unikraft import QEMU, VARIABLE, Real, free_port, wait_until

SCENARIOS = ("run", "crash", "assert", "spin", "deadlock", "exit")


def folder() -> Path | None:
    """None when there is no such folder."""
    base = os.environ.get(VARIABLE)
    found = Path(base) / "images" / "nanos" if base else None
    return found if found is not None and (found / "kernel.elf").is_file() else None


needs_nanos = pytest.mark.skipif(
    folder() is None or not shutil.which(QEMU),
    reason=f"needs QEMU, and images/nanos in the folder ${VARIABLE}",
)


def image(name: str) -> Path:
    base = folder()
    assert base is not None
    if not (base / name).is_file():
        pytest.skip(f"${VARIABLE} has no images/nanos/{name}")
    return base / name


@contextmanager
def booted(disk: str, directory: Path, *, memory: int = 256) -> Iterator[Real]:
    """Boot a disk; until its program listens."""
    port = free_port()
    drive = f"if=none,id=hd0,format=raw,file={image(disk + '.img')},snapshot=on"
    process = subprocess.Popen(
        [QEMU, "-machine", "q35", "-accel", "tcg", "-cpu", "max", "-m", str(memory), "-display", "none",
         "-vga", "none", "-no-reboot", "-no-shutdown", "-name", f"nanos-{disk}", "-drive", drive,
         "-device", "virtio-scsi-pci,id=scsi0", "-device", "scsi-hd,bus=scsi0.0,drive=hd0",
         "-device", "virtio-rng-pci", "-device", "isa-debug-exit",
         "-serial", f"file:{directory / 'console'}", "-qmp", f"unix:{directory / 'qmp'},server=on,wait=off",
         "-netdev", f"user,id=n0,hostfwd=tcp:127.0.0.1:{port}-:8080", "-device", "virtio-net-pci,netdev=n0"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0,
    )  # fmt: skip
    guest = Real(process.pid, image("kernel.elf"), directory, port, disk.partition("-")[0])
    try:
        wait_until(lambda: "listening on port" in guest.console, "it didn't come up")
        yield guest
    finally:
        process.kill()
        process.wait()
