"""QEMU's dump-guest-memory of an aarch64 guest, paging:false: physical memory, an NT_PRSTATUS a vCPU.

Source: dump/dump.c and target/arm/arch_dump.c of QEMU. There is no note with the system registers, so
that page tables aren't known.
"""

from typing import Final

from uniobs.cores.core import Core
from uniobs.cores.elf import NT_AUXV, NT_PRPSINFO, NT_PRSTATUS, USER_REGS_AARCH64, ElfCore, Note, prstatus
from uniobs.cores.qemu_elf import CPUS_MAX, check_flat
from uniobs.errors import BadFormat
from uniobs.model.guest import Registers

KIND: Final = "qemu-elf"
MACHINE: Final = "aarch64"


def read(elf: ElfCore, notes: list[Note]) -> Core:
    """Raises BadFormat, for cores of aarch64 processes among others."""
    if any(note.type in (NT_PRPSINFO, NT_AUXV) for note in notes):
        raise BadFormat(f"{elf.path}: a core of an aarch64 process: only those of x86-64 are read")
    statuses = [note.data for note in notes if note.name == "CORE" and note.type == NT_PRSTATUS]
    if not statuses or len(statuses) > CPUS_MAX:
        raise BadFormat(f"{elf.path}: an aarch64 core with {len(statuses)} vCPUs")
    check_flat(elf, statuses)
    registers = []
    for cpu, status in enumerate(statuses):
        found = prstatus(status, USER_REGS_AARCH64)
        if found is None or found[0] != cpu + 1:
            raise BadFormat(f"{elf.path}: not QEMU's, or garbled: its note of vCPU {cpu} is another's")
        registers.append(Registers(found[1], "core note", cpu))
    memory = elf.memory(physical=True)
    return Core(KIND, elf.path, memory, tuple(registers), notices=elf.cut_notice(), machine=MACHINE)
