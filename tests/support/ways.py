"""The five ways to one parked guest's memory, one after the other, ending with the VMM killed."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boot
from support.cli import uniobs
from support.qemu import demo_elf

_numbers = itertools.count()


def boot_shared(machine: str, **options: Any) -> boot.Guest:
    """A guest whose RAM is a file in /dev/shm; close() removes it."""
    ram = Path(f"/dev/shm/uniobs-test-{os.getpid()}-{next(_numbers)}")
    return boot.boot(boot.Machine(machine, shared=ram, elf=demo_elf(), **options))


def ways(guest: boot.Guest, directory: Path) -> Iterator[tuple[str, str]]:
    """(what it is, how uniobs names it). The guest is parked, or has panicked: its memory stands still."""
    yield "process memory", str(guest.pid)
    yield "virtio-serial", f"serial://{guest.channel}"
    guest.qmp("stop")
    yield "process memory, stopped through QMP", str(guest.pid)
    core = directory / "qemu.core"
    guest.qmp("dump-guest-memory", paging=False, protocol=f"file:{core}")
    yield "QEMU's core", str(core)
    own = directory / "own.core"
    uniobs("core", "take", guest.pid, "-o", own)
    yield "uniobs core take", str(own)
    guest.kill()
    yield "RAM's file, VMM killed", str(guest.files[0])
