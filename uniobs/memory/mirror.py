"""Mirror: guest memory as it was last seen, written over in place; what wasn't seen is unknown."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence

from uniobs.errors import UnknownMemory
from uniobs.memory.base import Range

PAGE = 4096
LINE = 64  # the unit in which changes are told


class _Page:
    """4 KiB, and which parts of it are known: ascending, disjoint, not touching [start, end) offsets."""

    __slots__ = ("data", "known")

    def __init__(self) -> None:
        self.data = bytearray(PAGE)
        self.known: list[tuple[int, int]] = []

    def put(self, offset: int, data: bytes | memoryview) -> None:
        end = offset + len(data)
        self.data[offset:end] = data
        known = self.known
        if len(known) == 1 and known[0][0] <= offset and end <= known[0][1]:
            return
        first = bisect_left(known, offset, key=lambda part: part[1])
        last = bisect_right(known, end, key=lambda part: part[0])
        if first < last:
            offset, end = min(offset, known[first][0]), max(end, known[last - 1][1])
        known[first:last] = [(offset, end)]

    def differing(self, offset: int, piece: bytes) -> list[tuple[int, int]]:
        """[start, end) of the lines that differ from ``piece`` at ``offset``; neighbours joined."""
        runs: list[tuple[int, int]] = []
        low, end = offset, offset + len(piece)
        while low < end:
            high = min((low | LINE - 1) + 1, end)
            if self.data[low:high] != piece[low - offset : high - offset]:
                if runs and runs[-1][1] == low:
                    runs[-1] = (runs[-1][0], high)
                else:
                    runs.append((low, high))
            low = high
        return runs

    def forget(self, start: int, end: int) -> None:
        known = self.known
        first = bisect_right(known, start, key=lambda part: part[1])
        last = bisect_left(known, end, key=lambda part: part[0])
        if first < last:
            low, high = known[first][0], known[last - 1][1]
            ends = ((low, start), (end, high))
            known[first:last] = [part for part in ends if part[0] < part[1]]

    def holds(self, start: int, end: int) -> bool:
        return any(low <= start and end <= high for low, high in self.known)


class Mirror:
    """Memory by 4 KiB pages. ``live`` says how its readers take it: True while what it mirrors ran on."""

    def __init__(self, live: bool = False) -> None:
        self.live = live
        self._pages: dict[int, _Page] = {}
        self._order: list[int] = []

    def store(self, address: int, data: bytes | memoryview) -> None:
        """``data`` is what lies at ``address`` from now on."""
        at, size = 0, len(data)
        while at < size:
            number, offset = divmod(address + at, PAGE)
            length = min(size - at, PAGE - offset)
            page = self._pages.get(number)
            if page is None:
                page = self._pages[number] = _Page()
                insort(self._order, number)
            page.put(offset, data[at : at + length])
            at += length

    def update(self, address: int, data: bytes) -> list[tuple[int, bytes]]:
        """store(), and what of it is new: (address, bytes), ascending, in whole lines of 64 bytes as far as
        ``data`` reaches."""
        changed: list[tuple[int, bytes]] = []
        at, size = 0, len(data)
        while at < size:
            number, offset = divmod(address + at, PAGE)
            length = min(size - at, PAGE - offset)
            page = self._pages.get(number)
            piece = data[at : at + length]
            if page is None or not page.holds(offset, offset + length):
                changed.append((address + at, piece))
                self.store(address + at, piece)
            elif page.data[offset : offset + length] != piece:
                changed += ((number * PAGE + low, piece[low - offset : high - offset])
                            for low, high in page.differing(offset, piece))
                page.data[offset : offset + length] = piece
            at += length
        return changed

    def forget(self, address: int, size: int) -> None:
        """A range isn't known any more."""
        end = address + size
        if size <= 0:
            return
        first = bisect_left(self._order, address // PAGE)
        last = bisect_right(self._order, (end - 1) // PAGE)
        empty = []
        for number in self._order[first:last]:
            page = self._pages[number]
            page.forget(max(address - number * PAGE, 0), min(end - number * PAGE, PAGE))
            if not page.known:
                empty.append(number)
                del self._pages[number]
        if empty:
            gone = set(empty)
            self._order[first:last] = [n for n in self._order[first:last] if n not in gone]

    def read(self, address: int, size: int) -> bytes:
        if size <= 0:
            return b""
        parts, at, end = [], address, address + size
        while at < end:
            number, offset = divmod(at, PAGE)
            length = min(end - at, PAGE - offset)
            page = self._pages.get(number)
            if page is None or not page.holds(offset, offset + length):
                raise UnknownMemory(address, size, "wasn't recorded")
            parts.append(bytes(page.data[offset : offset + length]))
            at += length
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def ranges(self) -> Sequence[Range]:
        held: list[Range] = []
        for number in self._order:
            for low, high in self._pages[number].known:
                start = number * PAGE + low
                if held and held[-1].end == start:
                    held[-1] = Range(held[-1].start, held[-1].size + high - low)
                else:
                    held.append(Range(start, high - low))
        return held

    @property
    def pages(self) -> int:
        """How many of 4 KiB are held, whole or in part."""
        return len(self._pages)

    def clear(self) -> None:
        self._pages.clear()
        self._order.clear()

    def close(self) -> None:
        self.clear()
