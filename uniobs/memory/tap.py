"""Tap: another memory, and which lines of 64 bytes of it were read."""

from collections.abc import Sequence

from uniobs.errors import UnknownMemory
from uniobs.memory.base import Memory, Range
from uniobs.memory.mirror import LINE


class Tap:
    """Reads through to ``memory``, in whole lines where they're there; what was read is kept until take()."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.live = memory.live
        self._read: dict[int, bytes] = {}

    def read(self, address: int, size: int) -> bytes:
        if size <= 0:
            return b""
        start, end = address & -LINE, -(-(address + size) // LINE) * LINE
        try:
            data = self.memory.read(start, end - start)
        except UnknownMemory:
            start, data = address, self.memory.read(address, size)
        kept = self._read.get(start)
        if kept is None or len(kept) <= len(data):
            self._read[start] = data
        return data[address - start : address - start + size]

    def ranges(self) -> Sequence[Range]:
        return self.memory.ranges()

    def take(self) -> list[tuple[int, bytes]]:
        """(address, bytes) of what was read since the last take(), oldest first."""
        found, self._read = self._read, {}
        return list(found.items())

    def close(self) -> None:
        self.memory.close()
