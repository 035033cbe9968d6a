"""A Linux process's core (hosted guests): PT_LOADs by virtual address, a note a thread, the mapped files.

Source: fs/binfmt_elf.c of Linux; gcore writes the same.
"""

import struct

from uniobs.cores.core import Core, MappedFile
from uniobs.cores.elf import NT_AUXV, NT_FILE, NT_PRSTATUS, ElfCore, Note, prstatus
from uniobs.errors import BadFormat
from uniobs.model.guest import Registers

FILES_MAX = 1 << 16
THREADS_MAX = 1 << 16


def read(elf: ElfCore, notes: list[Note]) -> Core:
    threads: dict[int, Registers] = {}
    files: tuple[MappedFile, ...] = ()
    auxv: dict[int, int] = {}
    for note in notes:
        if note.name == "CORE" and note.type == NT_PRSTATUS:
            found = prstatus(note.data)
            if found is None or found[0] <= 0:
                raise BadFormat(f"{elf.path}: a garbled thread note")
            threads.setdefault(found[0], Registers(found[1], "core note"))
        elif note.name == "CORE" and note.type == NT_FILE:
            files = _files(elf.path, note.data)
        elif note.name == "CORE" and note.type == NT_AUXV:
            pairs = struct.iter_unpack("<QQ", note.data[: len(note.data) & ~15])
            auxv = {int(key): int(value) for key, value in pairs}
    if len(threads) > THREADS_MAX:
        raise BadFormat(f"{elf.path}: {len(threads)} threads")
    memory = elf.memory()
    return Core("linux-elf", elf.path, memory, (), threads, files, auxv, notices=elf.cut_notice())


def _files(path: str, data: bytes) -> tuple[MappedFile, ...]:
    """NT_FILE: count, page size, count x {start, end, offset in pages}, count NUL-terminated names."""
    if len(data) < 16:
        raise BadFormat(f"{path}: a garbled list of mapped files")
    count, page = struct.unpack_from("<QQ", data)
    if count > FILES_MAX or 16 + 24 * count > len(data) or page not in (1, 4096):
        raise BadFormat(f"{path}: a garbled list of mapped files")
    names = data[16 + 24 * count :].split(b"\0")
    if len(names) <= count:
        raise BadFormat(f"{path}: a list of mapped files without their names")
    rows = struct.iter_unpack("<QQQ", data[16 : 16 + 24 * count])
    return tuple(
        MappedFile(start, end, offset * page, name.decode("utf-8", "surrogateescape"))
        for (start, end, offset), name in zip(rows, names, strict=False)
    )
