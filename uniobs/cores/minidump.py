"""Minidumps of x86-64 processes: a hosted guest, or a library OS in a picoprocess.

Source: minidumpapiset.h of the Windows SDK; Breakpad's minidump_format.h for what it writes on Linux (the
same, with lists that may be padded to 8 bytes).
"""

import os
import struct
from typing import NamedTuple

from uniobs.cores.core import Core, MappedFile
from uniobs.cores.pieces import cut_notice, pread, take, within
from uniobs.cores.windows import CONTEXT_SIZE, context
from uniobs.errors import BadFormat
from uniobs.memory.blocks import Block
from uniobs.memory.file import FileMemory
from uniobs.model.guest import Registers

KIND = "minidump"
HEADER = struct.Struct("<4sIII")  # MDMP, version, streams, where their list is
STREAM = struct.Struct("<III")  # type, size, offset
THREADS, MODULES, MEMORY, EXCEPTION, SYSTEM, MEMORY64 = 3, 4, 5, 6, 7, 9
THREAD = struct.Struct("<I36xII")  # id, ..., size and offset of its context
MODULE = struct.Struct("<QI8xI84x")  # base, size, offset of its name
RANGE = struct.Struct("<QII")
RANGE64 = struct.Struct("<QQ")
EXCEPTION_CONTEXT = struct.Struct("<I156xII")  # thread, ..., size and offset of its context
AMD64 = 9
STREAMS_MAX = 1 << 10
ROWS_MAX = 1 << 16
NAME_MAX = 1 << 12


class Stream(NamedTuple):
    size: int
    at: int


def read(fd: int, path: str) -> Core:
    """Raises BadFormat."""
    streams = _streams(fd, path)
    if SYSTEM in streams:
        (machine,) = struct.unpack("<H", take(fd, streams[SYSTEM].at, 2, path, "its system information"))
        if machine != AMD64:
            raise BadFormat(f"{path}: a minidump of another machine than x86-64 ({machine})")
    blocks = _memory(fd, path, streams)
    if not blocks:
        raise BadFormat(f"{path}: a minidump without memory")
    blocks, missing = within(blocks, os.fstat(fd).st_size)
    threads = _threads(fd, path, streams)
    files = _modules(fd, path, streams)
    memory = FileMemory(fd, _disjoint(blocks))
    return Core(KIND, path, memory, (), threads, files, notices=cut_notice(path, missing))


def _streams(fd: int, path: str) -> dict[int, Stream]:
    _, version, count, at = HEADER.unpack(take(fd, 0, HEADER.size, path, "its header"))
    if version & 0xFFFF != 0xA793 or not 0 < count <= STREAMS_MAX:
        raise BadFormat(f"{path}: a garbled minidump (version {version:#x}, {count} streams)")
    table = take(fd, at, count * STREAM.size, path, "its list of streams")
    found: dict[int, Stream] = {}
    for kind, size, where in STREAM.iter_unpack(table):
        found.setdefault(kind, Stream(size, where))
    return found


def _rows(fd: int, path: str, stream: Stream | None, row: struct.Struct, what: str) -> list[tuple[int, ...]]:
    """Rows behind a count of 4 bytes, which some pad to 8."""
    if stream is None:
        return []
    (count,) = struct.unpack("<I", take(fd, stream.at, 4, path, what))
    begin = stream.size - count * row.size
    if count > ROWS_MAX or begin not in (4, 8):
        raise BadFormat(f"{path}: garbled: {what}: {count} in {stream.size} bytes")
    return list(row.iter_unpack(take(fd, stream.at + begin, count * row.size, path, what)))


def _memory(fd: int, path: str, streams: dict[int, Stream]) -> list[Block]:
    full = streams.get(MEMORY64)
    if full is None:
        rows = _rows(fd, path, streams.get(MEMORY), RANGE, "its list of memory")
        return [_block(path, start, size, at) for start, size, at in rows]
    count, at = struct.unpack("<QQ", take(fd, full.at, 16, path, "its list of memory"))
    if count > ROWS_MAX or full.size != 16 + count * RANGE64.size:
        raise BadFormat(f"{path}: garbled: its list of memory: {count} ranges in {full.size} bytes")
    table = take(fd, full.at + 16, count * RANGE64.size, path, "its list of memory")
    blocks = []
    for start, size in RANGE64.iter_unpack(table):
        blocks.append(_block(path, start, size, at))
        at += size
    return blocks


def _block(path: str, start: int, size: int, at: int) -> Block:
    if start + size > 1 << 64 or at + size >= 1 << 63:
        raise BadFormat(f"{path}: garbled: {size} bytes of memory at {start:#x}")
    return Block(start, size, at)


def _disjoint(blocks: list[Block]) -> list[Block]:
    """Stacks may be listed twice: once is enough."""
    found: list[Block] = []
    for block in sorted(blocks):
        known = max(found[-1].end - block.start, 0) if found else 0
        if block.size > known:
            found.append(Block(block.start + known, block.size - known, block.where + known))
    return found


def _threads(fd: int, path: str, streams: dict[int, Stream]) -> dict[int, Registers]:
    """The thread that raised an exception stands where it raised it."""
    rows = _rows(fd, path, streams.get(THREADS), THREAD, "its list of threads")
    if EXCEPTION in streams:
        data = take(fd, streams[EXCEPTION].at, EXCEPTION_CONTEXT.size, path, "its exception")
        rows.insert(0, EXCEPTION_CONTEXT.unpack(data))
    found: dict[int, Registers] = {}
    for thread, size, at in rows:
        known = context(pread(fd, CONTEXT_SIZE, at)) if size >= CONTEXT_SIZE else {}
        if known:
            found.setdefault(thread, Registers(known, "minidump"))
    return found


def _modules(fd: int, path: str, streams: dict[int, Stream]) -> tuple[MappedFile, ...]:
    rows = _rows(fd, path, streams.get(MODULES), MODULE, "its list of modules")
    files = [MappedFile(base, base + size, 0, _name(fd, at)) for base, size, at in rows]
    return tuple(file for file in files if file.path)


def _name(fd: int, at: int) -> str:
    """Bytes as UTF-16, behind their number; empty when it isn't there."""
    size = int.from_bytes(pread(fd, 4, at), "little")
    data = pread(fd, size, at + 4) if size <= NAME_MAX else b""
    return data.decode("utf-16-le", "replace").split("\0", 1)[0]
