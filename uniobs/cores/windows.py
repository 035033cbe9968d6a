"""Windows crash dumps of x86-64 (PAGEDU64): complete ones, and those with a bitmap of pages.

Source: struct WinDumpHeader64 and WinContext64 in QEMU's include/qemu/win_dump_defs.h; the bitmap dump's
second header as volatility3's crash_common.json has it. Kernel-only and small dumps hold too little.
"""

import os
import struct
from collections.abc import Iterator
from itertools import islice

from uniobs.cores.core import Core
from uniobs.cores.pieces import cut_notice, pread, runs_of_bits, take, within
from uniobs.errors import BadFormat
from uniobs.memory.blocks import Block
from uniobs.memory.file import FileMemory
from uniobs.model.guest import Registers

KIND = "windows"
PAGE = 4096
HEADER_SIZE = 0x2000
AMD64 = 0x8664
CR3, MACHINE, RUNS, CONTEXT, DUMP_TYPE = 0x10, 0x30, 0x88, 0x348, 0xF98
FULL, BITMAP = 1, 5
RUNS_MAX = (0x348 - 0x88 - 16) // 16
BITMAP_RUNS_MAX = 1 << 16
BITS_MAX = 1 << 30  # pages: 4 TiB
SUMMARY = struct.Struct("<4s4s24xQQQ")  # signature, "DUMP", where pages begin, pages, bits
CHUNK = 1 << 16
FLAGS, SEGMENTS, GENERAL = 0x30, 0x38, 0x78
AMD64_CONTEXT = 0x100000
CONTROL_SEGMENTS_INTEGER = AMD64_CONTEXT | 1 | 2
CONTEXT_SIZE = 0x100
_GENERAL = "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15 rip"
GENERAL_NAMES = _GENERAL.split()


def read(fd: int, path: str) -> Core:
    """Raises BadFormat."""
    header = take(fd, 0, HEADER_SIZE, path, "its header")
    if header[:8] != b"PAGEDU64":
        raise BadFormat(f"{path}: a crash dump of a 32-bit Windows: only those of x86-64 are read")
    (machine,) = struct.unpack_from("<I", header, MACHINE)
    if machine != AMD64:
        raise BadFormat(f"{path}: a crash dump of machine {machine:#x}: only those of x86-64 are read")
    (kind,) = struct.unpack_from("<I", header, DUMP_TYPE)
    if kind == FULL:
        blocks = _runs(header, path)
    elif kind == BITMAP:
        blocks = _mapped(fd, path)
    else:
        raise BadFormat(
            f"{path}: a crash dump of type {kind}, which holds a part of memory only; take a complete one"
        )
    blocks, missing = within(blocks, os.fstat(fd).st_size)
    known = context(header[CONTEXT : CONTEXT + CONTEXT_SIZE])
    (cr3,) = struct.unpack_from("<Q", header, CR3)
    registers = (Registers({**known, "cr3": cr3}, "crash dump header"),) if known else ()
    return Core(KIND, path, FileMemory(fd, blocks), registers, notices=cut_notice(path, missing))


def context(data: bytes) -> dict[str, int]:
    """A CONTEXT of x86-64: nothing of it unless it says that it holds control and integer registers."""
    if len(data) < CONTEXT_SIZE:
        return {}
    flags, _, *segments = struct.unpack_from("<II6H", data, FLAGS)
    if flags & CONTROL_SEGMENTS_INTEGER != CONTROL_SEGMENTS_INTEGER:
        return {}
    values = dict(zip(("cs", "ds", "es", "fs", "gs", "ss"), segments, strict=True))
    (values["rflags"],) = struct.unpack_from("<I", data, SEGMENTS + 12)
    values.update(zip(GENERAL_NAMES, struct.unpack_from("<17Q", data, GENERAL), strict=True))
    return values


def _runs(header: bytes, path: str) -> list[Block]:
    count, _, pages = struct.unpack_from("<IIQ", header, RUNS)
    if not 0 < count <= RUNS_MAX:
        raise BadFormat(f"{path}: a garbled crash dump: {count} runs of memory")
    blocks = []
    at = HEADER_SIZE
    for base, length in struct.iter_unpack("<QQ", header[RUNS + 16 : RUNS + 16 + 16 * count]):
        if not 0 < length <= pages or base + length > 1 << 40:
            raise BadFormat(f"{path}: a garbled crash dump: a run of {length} pages from {base:#x}")
        blocks.append(Block(base * PAGE, length * PAGE, at))
        at += length * PAGE
    if sum(block.size for block in blocks) != pages * PAGE:
        raise BadFormat(f"{path}: a garbled crash dump: its runs are not {pages} pages")
    return blocks


def _mapped(fd: int, path: str) -> list[Block]:
    data = take(fd, HEADER_SIZE, SUMMARY.size, path, "its second header")
    signature, valid, begin, pages, bits = SUMMARY.unpack(data)
    end, size = HEADER_SIZE + SUMMARY.size + (bits + 7) // 8, os.fstat(fd).st_size
    if signature not in (b"SDMP", b"FDMP") or valid != b"DUMP" or bits > BITS_MAX or not end <= begin <= size:
        raise BadFormat(f"{path}: a garbled crash dump: its second header can't be one")
    runs = runs_of_bits(_parts(fd, HEADER_SIZE + SUMMARY.size, bits), bits)
    blocks = []
    at = begin
    for run in islice(runs, BITMAP_RUNS_MAX + 1):
        blocks.append(Block(run.start * PAGE, len(run) * PAGE, at))
        at += len(run) * PAGE
    if len(blocks) > BITMAP_RUNS_MAX or at - begin != pages * PAGE:
        raise BadFormat(f"{path}: a garbled crash dump: its bitmap isn't one of {pages} pages")
    return blocks


def _parts(fd: int, at: int, bits: int) -> Iterator[tuple[int, bytes]]:
    for first in range(0, bits, CHUNK * 8):
        yield first, pread(fd, min(CHUNK, (bits - first + 7) // 8), at + first // 8)
