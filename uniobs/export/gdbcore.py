"""The bytes that make a core readable for gdb and drgn: notes and program headers (System V gABI, elf.h).

NT_PRSTATUS and NT_PRPSINFO are Linux' for x86-64 (struct elf_prstatus, struct elf_prpsinfo).
"""

import struct
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from uniobs.cores.elf import (
    EHDR,
    EM_X86_64,
    ET_CORE,
    NOTE,
    NT_PRPSINFO,
    NT_PRSTATUS,
    PHDR,
    PN_XNUM,
    PT_LOAD,
    PT_NOTE,
    SHDR,
    USER_REGS,
)

PRSTATUS_SIZE, PRPSINFO_SIZE = 336, 136
SIGNAL_AT, CURSIG_AT, PID_AT, REGS_AT = 0, 12, 32, 112
FNAME_AT, FNAME_SIZE, PSARGS_AT, PSARGS_SIZE = 40, 16, 56, 80
# What stands for a value that nobody knows: it can't be told, and 0 would pass for one. As an address it is
# none (not canonical), as text it says what it is.
UNKNOWN: Final = int.from_bytes(b"unknown\0", "little")
UNTOLD: Final = frozenset({"rflags", "cs", "ss", "ds", "es", "fs", "gs"})  # 0 misleads nobody here
ORIG_RAX: Final = (1 << 64) - 1  # not in a system call
PF_X, PF_W, PF_R = 1, 2, 4


class ThreadState(NamedTuple):
    """A guest thread as gdb's thread ``pid``. Registers that ``values`` doesn't name are UNKNOWN."""

    pid: int
    values: dict[str, int]
    signal: int = 0


class Load(NamedTuple):
    """``size`` bytes at ``virtual``, of physical address ``physical``, lie in the file at ``offset``."""

    virtual: int
    physical: int
    size: int
    offset: int
    flags: int


def note(name: str, kind: int, data: bytes) -> bytes:
    owner = name.encode() + b"\0"
    return NOTE.pack(len(owner), len(data), kind) + _padded(owner) + _padded(data)


def prstatus(thread: ThreadState) -> bytes:
    data = bytearray(PRSTATUS_SIZE)
    struct.pack_into("<I", data, SIGNAL_AT, thread.signal)
    struct.pack_into("<H", data, CURSIG_AT, thread.signal)
    struct.pack_into("<i", data, PID_AT, thread.pid)
    values = {"orig_rax": ORIG_RAX, **thread.values}
    words = (values.get(name, 0 if name in UNTOLD else UNKNOWN) & (1 << 64) - 1 for name in USER_REGS)
    struct.pack_into(f"<{len(USER_REGS)}Q", data, REGS_AT, *words)
    return bytes(data)


def prpsinfo(name: str, pid: int) -> bytes:
    """``name``: as gdb compares it with the image's file name."""
    data = bytearray(PRPSINFO_SIZE)
    data[1:2] = b"R"
    struct.pack_into("<i", data, 24, pid)
    text = name.encode("utf-8", "replace")
    data[FNAME_AT : FNAME_AT + FNAME_SIZE] = text[:FNAME_SIZE].ljust(FNAME_SIZE, b"\0")
    data[PSARGS_AT : PSARGS_AT + PSARGS_SIZE - 1] = text[: PSARGS_SIZE - 1].ljust(PSARGS_SIZE - 1, b"\0")
    return bytes(data)


def auxv(pairs: Iterable[tuple[int, int]]) -> bytes:
    return b"".join(struct.pack("<QQ", *pair) for pair in (*pairs, (0, 0)))


def notes(threads: Sequence[ThreadState], name: str, kept: bytes, extra: Sequence[bytes] = ()) -> bytes:
    """Of all of them: gdb selects the first thread. ``kept`` and ``extra`` are whole notes.

    A program's name that doesn't fit is left out: gdb would say that core and image don't belong together.
    """
    made = [note("CORE", NT_PRSTATUS, prstatus(thread)) for thread in threads]
    if len(name.encode("utf-8", "replace")) <= FNAME_SIZE:
        made.insert(1, note("CORE", NT_PRPSINFO, prpsinfo(name, threads[0].pid if threads else 1)))
    return b"".join([*made[:1], *extra, *made[1:], kept])


def header(phoff: int, phnum: int, shoff: int = 0) -> bytes:
    """The ELF header; ``shoff``: of the section header that holds a count too great for this one."""
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    return EHDR.pack(
        ident, ET_CORE, EM_X86_64, 1, 0, phoff, shoff if phnum >= PN_XNUM else 0, 0,
        EHDR.size, PHDR.size, min(phnum, PN_XNUM), SHDR.size, 1 if phnum >= PN_XNUM else 0, 0,
    )  # fmt: skip


def tail(at: int, noted: bytes, loads: Sequence[Load]) -> tuple[bytes, bytes]:
    """(what goes to offset ``at`` of the file: notes, then program headers; the ELF header for it)."""
    phoff = at + len(noted) + -len(noted) % 8
    phnum = 1 + len(loads)
    table = [PHDR.pack(PT_NOTE, 0, at, 0, 0, len(noted), 0, 4)]
    table += [
        PHDR.pack(PT_LOAD, load.flags, load.offset, load.virtual, load.physical, load.size, load.size, 1)
        for load in loads
    ]
    shoff = phoff + PHDR.size * phnum
    if phnum >= PN_XNUM:
        table.append(SHDR.pack(0, 0, 0, 0, 0, 0, 0, phnum, 0, 0))
    data = noted.ljust(phoff - at, b"\0") + b"".join(table)
    return data, header(phoff, phnum, shoff)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
