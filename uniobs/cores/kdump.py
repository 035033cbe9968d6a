"""kdump-compressed cores (makedumpfile, QEMU's dump-guest-memory), plain and flattened.

Source: diskdump_mod.h of makedumpfile, dump/dump.c of QEMU. Block 0 is the header, block 1 the sub-header,
then two bitmaps (which pages the machine has; which are in the file), one descriptor for each page that is in
the file, and their bytes. A page is unpacked when it is read.
"""

import os
import struct
from typing import NamedTuple

from uniobs.cores.core import Core
from uniobs.cores.elf import NT_PRSTATUS, Note, notes_of, prstatus
from uniobs.cores.flattened import MAGIC as FLATTENED
from uniobs.cores.flattened import Flattened, Plain, Source
from uniobs.cores.kdump_pages import Pages
from uniobs.cores.qemu_elf import is_qemu, vcpus
from uniobs.errors import BadFormat
from uniobs.memory.pages import PagedMemory
from uniobs.model.guest import Registers

KIND = "kdump"
HEADER = struct.Struct("<8si390s6x16xIIIII")  # ... status, block_size, sub_hdr_size, bitmap_blocks, max_mapnr
SUB = struct.Struct("<QIIQQQQQQQQQQQ")
MACHINE = slice(4 * 65, 5 * 65)  # in the six names of struct new_utsname
VERSIONS = range(1, 7)
BLOCKS = (1 << 12, 1 << 13, 1 << 14, 1 << 16)
PAGES_MAX = 1 << 30  # 4 TiB
NOTES_MAX = 1 << 24
INCOMPLETE = 8
ZEROS_ONLY = 1  # the dump level at which nothing but pages of zeros is left out


class Header(NamedTuple):
    version: int
    status: int
    block: int
    sub_blocks: int
    bitmap_blocks: int
    pages: int
    level: int
    notes_at: int
    notes_size: int


def read(fd: int, path: str) -> Core:
    """Raises BadFormat; NotOffered when what unpacks its pages isn't installed."""
    flat = os.pread(fd, len(FLATTENED), 0) == FLATTENED
    source: Source = Flattened(fd, path) if flat else Plain(fd)
    header = _header(source, path)
    pages = Pages(
        source,
        path,
        page_size=header.block,
        count=header.pages,
        bitmap_at=(1 + header.sub_blocks) * header.block,
        bitmap_size=header.bitmap_blocks * header.block // 2,
        # where space ran out, what isn't there may as well be a page that wasn't zero
        zeros_left_out=header.level == ZEROS_ONLY and not header.status & INCOMPLETE,
    )
    registers, doubts = _registers(source, header, path)
    made = (pages.page, pages.runs, pages.heads, lambda: os.close(fd))
    memory = PagedMemory(header.block, header.pages, *made)
    notices = list(doubts)
    if header.status & INCOMPLETE:
        notices.append(f"{path}: whoever wrote it ran out of space: pages are missing")
    elif source.cut or pages.cut():
        notices.append(f"{path} is cut short: pages are missing")
    return Core(KIND, path, memory, registers, notices=tuple(notices))


def _header(source: Source, path: str) -> Header:
    data = source.read(0, HEADER.size)
    if len(data) < HEADER.size:
        raise BadFormat(f"{path}: cut short: a kdump core without its header")
    magic, version, names, status, block, sub_blocks, bitmap_blocks, pages = HEADER.unpack(data)
    if magic != b"KDUMP   ":
        raise BadFormat(f"{path}: no kdump core in it")
    machine = names[MACHINE].split(b"\0", 1)[0].decode("ascii", "replace")
    if machine not in ("", "x86_64"):
        raise BadFormat(f"{path}: a kdump core of {machine}: only those of x86-64 are read")
    if version not in VERSIONS or block not in BLOCKS or not sub_blocks or not bitmap_blocks:
        raise BadFormat(
            f"{path}: a garbled kdump core (version {version}, blocks of {block} bytes, "
            f"{sub_blocks} of sub-header, {bitmap_blocks} of bitmaps)"
        )
    sub = source.read(block, SUB.size)
    if len(sub) < SUB.size:
        raise BadFormat(f"{path}: cut short: a kdump core without its sub-header")
    _, level, split, _, _, _, _, notes_at, notes_size, _, _, _, _, pages_64 = SUB.unpack(sub)
    if version >= 2 and split:
        raise BadFormat(f"{path}: one part of a split dump: makedumpfile --reassemble puts them together")
    if version >= 6:
        pages = pages_64
    if not 0 < pages <= min(PAGES_MAX, bitmap_blocks * block * 4):
        raise BadFormat(f"{path}: a garbled kdump core: {pages} pages, {bitmap_blocks} blocks of bitmaps")
    if version < 4:
        notes_at = notes_size = 0
    return Header(version, status, block, sub_blocks, bitmap_blocks, pages, level, notes_at, notes_size)


def _registers(source: Source, header: Header, path: str) -> tuple[tuple[Registers, ...], list[str]]:
    """QEMU's notes tell all; a Linux kernel's only the general ones."""
    if not header.notes_size:
        return (), []
    if header.notes_size > NOTES_MAX:
        raise BadFormat(f"{path}: {header.notes_size} bytes of notes")
    data = source.read(header.notes_at, header.notes_size)
    if len(data) != header.notes_size:
        raise BadFormat(f"{path}: cut short or garbled: its notes lie beyond its end")
    notes = list(notes_of(data, path))
    if is_qemu(notes):
        return vcpus(path, notes)
    return _general(notes), []


def _general(notes: list[Note]) -> tuple[Registers, ...]:
    found = [prstatus(note.data) for note in notes if (note.name, note.type) == ("CORE", NT_PRSTATUS)]
    return tuple(
        Registers(parsed[1], "core note", cpu) for cpu, parsed in enumerate(found) if parsed is not None
    )
