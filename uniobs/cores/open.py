"""open_core: which format a file has, by its content."""

import os

from uniobs.cores import linux_elf, qemu_elf, raw, solo5_elf
from uniobs.cores.core import Core
from uniobs.cores.elf import NT_PRSTATUS, ElfCore
from uniobs.errors import BadFormat
from uniobs.memory.file import open_file

OTHERS = {
    b"KDUMP   ": "a kdump-compressed core",
    b"makedumpfile": "a flattened kdump core",
    b"EMiL": "a LiME image",
    b"PAGEDU64": "a Windows crash dump",
    b"MDMP": "a minidump",
}


def open_core(path: str, raw_only: bool = False) -> Core:
    """The core; its memory owns the file. ``raw_only`` takes the file as RAM, whatever its content.

    Raises NoSuchTarget, AccessDenied or BadFormat in one line.
    """
    fd = open_file(path)
    try:
        head = _head(fd, path)
        for magic, what in OTHERS.items():
            if head.startswith(magic) and not raw_only:
                raise BadFormat(f"{path}: {what}, which uniobs doesn't read; take one with dump-guest-memory")
        if raw_only or not head.startswith(b"\x7fELF"):
            return raw.read(fd, path)
        elf = ElfCore(fd, path)
        notes = list(elf.notes())
        if qemu_elf.is_qemu(notes):
            return qemu_elf.read(elf, notes)
        if solo5_elf.is_solo5(elf, notes):
            return solo5_elf.read(elf, notes)
        if any(note.name == "CORE" and note.type == NT_PRSTATUS for note in notes):
            return linux_elf.read(elf, notes)
        raise BadFormat(f"{path}: an ELF core of nobody that uniobs knows (no QEMU or thread notes)")
    except BaseException:
        os.close(fd)
        raise


def _head(fd: int, path: str) -> bytes:
    try:
        return os.pread(fd, 16, 0)
    except OSError as error:
        raise BadFormat(f"{path}: {error.strerror}") from None
