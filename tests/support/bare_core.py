"""A QEMU core of 1 MiB with a region in it, and one thread on the CPU."""

from pathlib import Path

from support.bare_guest import region_blob
from support.corewriters import elf, sparse

MIB = 1 << 20
REGION = 0x40000
STACK = 0x9000
CPU = {"rip": 0x1000, "rsp": STACK - 64, "cr0": 0x11, "rax": 7, "rcx": 8, "r8": 9, "rbp": STACK}


def core_of(path: Path) -> Path:
    """Write it."""
    region = region_blob(REGION, stack=(STACK - 4096, STACK))
    return elf.write_qemu(path, sparse([(0, MIB)], [(REGION, region)], [CPU]))
