"""Tags of one group of a VMware state."""

import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

from uniobs.cores.pieces import pread, take
from uniobs.errors import BadFormat

TAGS_MAX = 1 << 16
WINDOW = 1 << 12  # bytes read ahead
INDICES_MAX = 3
LONG, LONG_PACKED = 63, 62
BLOCK = struct.Struct("<QQH")  # bytes in the file, bytes in memory, padding before them
DATA_MAX = 256  # bytes of a block that are kept
HEAD_MAX = 2 + 255 + 4 * INDICES_MAX + 61


class Tag(NamedTuple):
    name: str
    indices: tuple[int, ...]
    size: int
    number: int | None  # a value of up to 8 bytes
    block: bool = False
    packed: bool = False
    where: int = 0  # of a block: offset in the file
    data: bytes = b""  # a small block's bytes


class _Window:
    """Reads ahead: tags are many and small."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.start = 0
        self.data = b""

    def read(self, at: int, size: int) -> bytes:
        """What there is of it."""
        if not self.start <= at or at + size > self.start + len(self.data):
            self.start, self.data = at, pread(self.fd, WINDOW, at)
        return self.data[at - self.start : at - self.start + size]


def tags(fd: int, path: str, at: int) -> Iterator[Tag]:
    """Tags up to the empty one. Raises BadFormat when they are cut short or endless."""
    window = _Window(fd)
    size = os.fstat(fd).st_size
    for _ in range(TAGS_MAX):
        head = window.read(at, HEAD_MAX)
        if len(head) < 2:
            raise BadFormat(f"{path}: cut short or garbled: its tags end at {at:#x} without an end")
        if head[:2] == b"\0\0":
            return
        count, value = head[0] >> 6, head[0] & 63
        begin = 2 + head[1] + 4 * count
        if len(head) < begin or not head[1]:
            raise BadFormat(f"{path}: cut short or garbled: a tag at {at:#x}")
        name = head[2 : 2 + head[1]].decode("ascii", "replace")
        indices = struct.unpack_from(f"<{count}I", head, 2 + head[1])
        if value in (LONG, LONG_PACKED):
            stored, in_memory, padding = BLOCK.unpack(take(fd, at + begin, BLOCK.size, path, "a tag's size"))
            where = at + begin + BLOCK.size + padding
            if stored >= 1 << 62 or in_memory >= 1 << 62:
                raise BadFormat(f"{path}: garbled: a tag of {stored} bytes at {at:#x}")
            data = window.read(where, stored) if stored <= DATA_MAX and not padding else b""
            yield Tag(name, indices, stored, None, True, value == LONG_PACKED, where, data)
            at = where + stored
            if at > size:
                return  # cut within this block: what follows is missing
        else:
            data = head[begin : begin + value]
            if len(data) != value:
                raise BadFormat(f"{path}: cut short or garbled: a tag at {at:#x}")
            yield Tag(name, indices, value, int.from_bytes(data, "little") if value <= 8 else None)
            at += begin + value
    raise BadFormat(f"{path}: more than {TAGS_MAX} tags: garbled")
