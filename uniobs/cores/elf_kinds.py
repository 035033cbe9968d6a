"""Whose ELF core it is, by its sections and notes. Only the module that reads it is imported."""

from uniobs.cores.core import Core
from uniobs.cores.elf import EM_AARCH64, NT_PRSTATUS, ElfCore
from uniobs.errors import BadFormat


def read(fd: int, path: str) -> Core:
    """Raises BadFormat (NoCore when it is an ELF file of another kind)."""
    elf = ElfCore(fd, path)
    kept = None
    if len(elf.segments) and (ours := [note for note in elf.notes() if note.name == "uniobs"]):
        from uniobs.cores import fixed

        kept = fixed.before(path, ours)
    return _of(elf if kept is None else ElfCore(fd, path, kept.header, kept.size))


def _of(elf: ElfCore) -> Core:
    path = elf.path
    if not len(elf.segments):
        from uniobs.cores import xen_elf

        if xen_elf.is_xen(elf):
            return xen_elf.read(elf)
        raise BadFormat(f"{path}: an ELF core without memory")
    notes = list(elf.notes())
    names = {(note.name, note.type) for note in notes}
    if any(name == "uniobs" for name, _ in names):
        from uniobs.cores import fixed

        return fixed.read(elf, notes)
    if elf.machine == EM_AARCH64:
        from uniobs.cores import qemu_aarch64

        return qemu_aarch64.read(elf, notes)
    if ("QEMU", 0) in names:
        from uniobs.cores import qemu_elf

        return qemu_elf.read(elf, notes)
    if any(name == "VBCORE" for name, _ in names):
        from uniobs.cores import virtualbox_elf

        return virtualbox_elf.read(elf, notes)
    if ("CORE", NT_PRSTATUS) not in names:
        raise BadFormat(f"{path}: an ELF core of nobody that uniobs knows (no notes of vCPUs or threads)")
    from uniobs.cores import linux_elf, solo5_elf

    return solo5_elf.read(elf, notes) if solo5_elf.is_solo5(elf, notes) else linux_elf.read(elf, notes)
