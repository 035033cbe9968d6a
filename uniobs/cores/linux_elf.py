"""A Linux process's core (hosted guests): PT_LOADs by virtual address, a note a thread, the mapped files.

Source: fs/binfmt_elf.c of Linux; gcore writes the same. Nanos writes one of its program, without the files
(src/unix/coredump.c). The first thread is the one that a signal ended, if one did.
"""

import struct

from uniobs.cores.core import Core, MappedFile, Process
from uniobs.cores.elf import NT_AUXV, NT_FILE, NT_PRPSINFO, NT_PRSTATUS, ElfCore, Note, prstatus
from uniobs.errors import BadFormat
from uniobs.model.guest import Registers

FILES_MAX = 1 << 16
THREADS_MAX = 1 << 16
NT_SIGINFO = 0x53494749
CURSIG = 12  # of an NT_PRSTATUS
PSINFO_PID, PSINFO_NAME, PSINFO_SIZE = 24, 40, 136
SIGINFO_SIZE = 24  # as far as it is read: signal, errno, code, address or the sender's pid
FAULTS = (4, 5, 7, 8, 11)  # SIGILL SIGTRAP SIGBUS SIGFPE SIGSEGV: with an address, when the code says so


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
    process = _process(notes)
    return Core(
        "linux-elf", elf.path, memory, (), threads, files, auxv, notices=elf.cut_notice(), process=process
    )


def _process(notes: list[Note]) -> Process:
    """What is garbled stays unknown."""
    mine = [note for note in notes if note.name == "CORE"]
    status = next((note.data for note in mine if note.type == NT_PRSTATUS), b"")
    info = next((note.data for note in mine if note.type == NT_PRPSINFO), b"")
    detail = next((note.data for note in mine if note.type == NT_SIGINFO), b"")
    pid = name = signal = code = address = sender = None
    if len(info) >= PSINFO_SIZE:
        (pid,) = struct.unpack_from("<i", info, PSINFO_PID)
        name = info[PSINFO_NAME : PSINFO_NAME + 16].split(b"\0", 1)[0].decode("utf-8", "replace").lstrip("/")
    found = prstatus(status)
    if found is not None:
        (cursig,) = struct.unpack_from("<h", status, CURSIG)
        signal = cursig if 0 < cursig < 65 else None
    if signal is not None and len(detail) >= SIGINFO_SIZE:
        number, _, code, at = struct.unpack_from("<iiixxxxQ", detail)
        code = code if number == signal else None
        address = at if code is not None and 0 < code < 0x80 and signal in FAULTS else None
        sender = at & 0xFFFFFFFF if code is not None and code <= 0 else None
    tid = None if found is None else found[0]
    return Process(pid if pid and pid > 0 else None, name or None, tid, signal, code, address, sender)


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
