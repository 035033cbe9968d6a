"""LiME: ranges of physical memory, each behind a header of its own.

Source: doc/ of LiME, lime.h (lime_mem_range_header): magic, version, first and last address, reserved.
"""

import os
import struct

from uniobs.cores.core import Core
from uniobs.cores.pieces import cut_notice, take
from uniobs.errors import BadFormat
from uniobs.memory.blocks import Block
from uniobs.memory.file import FileMemory

KIND = "lime"
MAGIC = b"EMiL"
HEADER = struct.Struct("<4sIQQQ")
RANGES_MAX = 1 << 16


def read(fd: int, path: str) -> Core:
    """Raises BadFormat."""
    size = os.fstat(fd).st_size
    blocks: list[Block] = []
    at = missing = 0
    while at < size:
        magic, version, first, last, _ = HEADER.unpack(take(fd, at, HEADER.size, path, "a range's header"))
        if magic != MAGIC or version != 1 or not first <= last < 1 << 63:
            raise BadFormat(f"{path}: a garbled LiME header at {at:#x} (version {version})")
        if len(blocks) == RANGES_MAX:
            raise BadFormat(f"{path}: more than {RANGES_MAX} ranges of memory")
        at += HEADER.size
        there = min(last + 1 - first, size - at)
        missing += last + 1 - first - there
        blocks.append(Block(first, there, at))
        at += last + 1 - first
    return Core(KIND, path, FileMemory(fd, blocks), notices=cut_notice(path, missing))
