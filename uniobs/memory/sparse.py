"""A mirror of guest memory, filled piece by piece: by a channel, or from a recording."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from uniobs.errors import UnknownMemory
from uniobs.memory.base import Range


class Extent(NamedTuple):
    start: int
    data: bytes
    time: int  # guest TSC at which the bytes were taken

    @property
    def end(self) -> int:
        return self.start + len(self.data)


class SparseMemory:
    """Extents of bytes by guest-physical address; what wasn't carried is UnknownMemory."""

    def __init__(self, live: bool = False) -> None:
        self.live = live
        self._starts: list[int] = []
        self._extents: list[Extent] = []

    def store(self, address: int, data: bytes, time: int = 0) -> None:
        """Put bytes in; they replace what was known of that range."""
        if not data:
            return
        new = Extent(address, bytes(data), time)
        first = max(bisect_right(self._starts, new.start) - 1, 0)
        last = bisect_left(self._starts, new.end)
        kept: list[Extent] = []
        for old in self._extents[first:last]:
            if old.start < new.start:
                kept.append(Extent(old.start, old.data[: new.start - old.start], old.time))
            if old.end > new.end:
                kept.append(Extent(new.end, old.data[new.end - old.start :], old.time))
        at = sum(1 for old in kept if old.start < new.start)
        kept.insert(at, new)
        self._extents[first:last] = kept
        self._starts[first:last] = [extent.start for extent in kept]

    def read(self, address: int, size: int) -> bytes:
        if size <= 0:
            return b""
        parts, at, end = [], address, address + size
        while at < end:
            extent = self._at(at)
            if extent is None:
                raise UnknownMemory(address, size, "not carried")
            part = extent.data[at - extent.start : end - extent.start]
            parts.append(part)
            at += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def missing(self, address: int, size: int) -> list[Range]:
        """The parts of a range that aren't held, ascending."""
        gaps: list[Range] = []
        at, end = address, address + size
        while at < end:
            extent = self._at(at)
            if extent is not None:
                at = extent.end
                continue
            index = bisect_right(self._starts, at)
            stop = min(end, self._starts[index]) if index < len(self._starts) else end
            gaps.append(Range(at, stop - at))
            at = stop
        return gaps

    def time_of(self, address: int) -> int | None:
        """When the byte at ``address`` was taken (guest TSC), or None when it isn't held."""
        extent = self._at(address)
        return None if extent is None else extent.time

    def ranges(self) -> Sequence[Range]:
        held: list[Range] = []
        for extent in self._extents:
            if held and held[-1].end == extent.start:
                held[-1] = Range(held[-1].start, held[-1].size + len(extent.data))
            else:
                held.append(Range(extent.start, len(extent.data)))
        return held

    def clear(self) -> None:
        self._starts.clear()
        self._extents.clear()

    def close(self) -> None:
        self.clear()

    def _at(self, address: int) -> Extent | None:
        index = bisect_right(self._starts, address) - 1
        if index < 0 or self._extents[index].end <= address:
            return None
        return self._extents[index]
