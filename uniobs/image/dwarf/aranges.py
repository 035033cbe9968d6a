"""Which unit covers an address: .debug_aranges, and the units' own ranges where it is silent."""

import struct
from bisect import bisect_right
from collections.abc import Iterator

from uniobs.image.dwarf.reader import unsigned


class Intervals:
    """Sorted [start, end) intervals with a number each; overlapping ones are allowed."""

    def __init__(self, rows: list[tuple[int, int, int]]) -> None:
        rows.sort()
        self._rows = rows
        self._starts = [row[0] for row in rows]
        self._reach: list[int] = []  # the furthest end so far: where a backward search may stop
        furthest = 0
        for row in rows:
            furthest = max(furthest, row[1])
            self._reach.append(furthest)

    def find(self, address: int) -> list[int]:
        """The numbers of the intervals that hold ``address``, narrowest start first (at most 8)."""
        found: list[int] = []
        index = bisect_right(self._starts, address) - 1
        while index >= 0 and self._reach[index] > address and len(found) < 8:
            if self._rows[index][1] > address:
                found.append(self._rows[index][2])
            index -= 1
        return found


def read(data: memoryview) -> Iterator[tuple[int, int, int]]:
    """(start, end, unit offset) rows of .debug_aranges."""
    at = 0
    while at + 4 <= len(data):
        start = at
        length, at, width = unsigned(data, at, 4), at + 4, 4
        if length == 0xFFFFFFFF:
            length, at, width = unsigned(data, at, 8), at + 8, 8
        end = at + length
        if end > len(data):
            raise ValueError("an address table reaches past the section's end")
        unit = unsigned(data, at + 2, width)
        address_size, segment_size = data[at + 2 + width], data[at + 3 + width]
        if address_size != 8 or segment_size:
            raise ValueError(f"addresses of {address_size} bytes, segments of {segment_size}")
        at += 4 + width
        at = start + ((at - start + 15) & ~15)
        body = data[at:end]
        for low, size in struct.iter_unpack("<QQ", body[: len(body) // 16 * 16]):
            if size:
                yield low, low + size, unit
        at = end
