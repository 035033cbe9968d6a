"""Real Nanos guests that somebody built, from the folder $UNIOBS_GUESTS: images/nanos/ with kernel.elf, disks
SCENARIO.img and the program on them (obsprog; obsprog-pie on deadlock-pie.img). The program prints where its
locks are, and does what its scenario says after three seconds: run, crash, assert, spin, deadlock or exit.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support import real_guests
from support.real_guests import Real, started, wait_until

SCENARIOS = ("run", "crash", "assert", "spin", "deadlock", "exit")
KERNEL = "kernel.elf"
needs_nanos = real_guests.needs("nanos", KERNEL)


def image(name: str) -> Path:
    return real_guests.image("nanos", name)


@contextmanager
def booted(disk: str, directory: Path, *, memory: int = 256) -> Iterator[Real]:
    """Boot a disk; until its program listens."""
    drive = f"if=none,id=hd0,format=raw,file={image(disk + '.img')},snapshot=on"
    words = (
        *("-machine", "q35", "-drive", drive, "-device", "virtio-scsi-pci,id=scsi0"),
        *("-device", "scsi-hd,bus=scsi0.0,drive=hd0"),
        *("-device", "virtio-rng-pci", "-device", "isa-debug-exit"),
    )
    scenario = disk.partition("-")[0]
    with started(
        scenario, directory, *words, name=f"nanos-{disk}", image=image(KERNEL), memory=memory
    ) as guest:
        wait_until(lambda: "listening on port" in guest.console, "it didn't come up")
        yield guest
