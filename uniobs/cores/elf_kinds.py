"""Whose ELF core it is, by its notes and sections."""

from uniobs.cores import linux_elf, qemu_elf, solo5_elf
from uniobs.cores.core import Core
from uniobs.cores.elf import NT_PRSTATUS, ElfCore
from uniobs.errors import BadFormat


def read(fd: int, path: str) -> Core:
    """Raises BadFormat (NoCore when it is an ELF file of another kind)."""
    elf = ElfCore(fd, path)
    notes = list(elf.notes())
    if qemu_elf.is_qemu(notes):
        return qemu_elf.read(elf, notes)
    if solo5_elf.is_solo5(elf, notes):
        return solo5_elf.read(elf, notes)
    if any(note.name == "CORE" and note.type == NT_PRSTATUS for note in notes):
        return linux_elf.read(elf, notes)
    raise BadFormat(f"{path}: an ELF core of nobody that uniobs knows (no QEMU or thread notes)")
