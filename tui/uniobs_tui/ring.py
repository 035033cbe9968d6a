"""Ring: the rows of a stream in columns of bytes, the oldest dropped when they take too much room.

One thread appends; others may read what was there when they looked: pages only grow, and a view keeps its.
"""

from array import array
from collections.abc import Sequence
from typing import Final, NamedTuple

PAGE: Final = 64
BYTES_MAX: Final = 16 << 20
OVERHEAD: Final = 48  # bytes a row takes beside its text
SEPARATOR: Final = "\x1f"  # no safe text holds it
TEXT_MAX: Final = 4096
DATA_MAX: Final = 1 << 16
UNKNOWN: Final = -(1 << 63)
LOOKS: Final = ("", "bad", "warn", "good", "dim", "bold", "lost")


class Row(NamedTuple):
    """``stamp`` never falls from row to row: a time or position; ``number``: what the row is sorted by in the
    stream's numeric column, or UNKNOWN; ``cells`` are safe texts; ``data``: bytes that belong to it."""

    stamp: int
    cells: tuple[str, ...]
    look: str = ""
    tid: int = 0
    number: int = UNKNOWN
    data: bytes = b""


class Page:
    """At most PAGE rows."""

    def __init__(self) -> None:
        self.stamps = array("Q")
        self.tids = array("Q")
        self.numbers = array("q")
        self.looks = bytearray()
        self.text_ends = array("I")
        self.data_ends = array("I")
        self.text = bytearray()
        self.data = bytearray()

    def append(self, row: Row) -> None:
        self.text += SEPARATOR.join(row.cells).encode("utf-8", "replace")[:TEXT_MAX]
        self.data += row.data[:DATA_MAX]
        self.tids.append(row.tid & (1 << 64) - 1)
        self.numbers.append(row.number if -(1 << 63) <= row.number < 1 << 63 else UNKNOWN)
        self.looks.append(LOOKS.index(row.look))
        self.text_ends.append(len(self.text))
        self.data_ends.append(len(self.data))
        self.stamps.append(row.stamp & (1 << 64) - 1)

    @property
    def size(self) -> int:
        return len(self.text) + len(self.data) + OVERHEAD * len(self.stamps)

    def cells(self, at: int) -> tuple[str, ...]:
        start = self.text_ends[at - 1] if at else 0
        return tuple(self.text[start : self.text_ends[at]].decode("utf-8", "replace").split(SEPARATOR))

    def payload(self, at: int) -> bytes:
        return bytes(self.data[self.data_ends[at - 1] if at else 0 : self.data_ends[at]])


class Ring:
    """Rows are numbered from 0 on; those from ``first`` to ``stop`` are still there."""

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._pages: list[Page] = []
        self._dropped = 0  # pages
        self._full = 0  # bytes of pages that don't grow any more
        self.stop = 0

    @property
    def first(self) -> int:
        return self._dropped * PAGE

    @property
    def size(self) -> int:
        return self._full + (self._pages[-1].size if self._pages else 0)

    def append(self, row: Row) -> None:
        if not self.stop % PAGE:
            self._full += self._pages[-1].size if self._pages else 0
            self._pages.append(Page())
            self._drop()
        self._pages[-1].append(row)
        self.stop += 1

    def _drop(self) -> None:
        while self._full > self._bytes_max and len(self._pages) > 2:
            self._full -= self._pages[0].size
            self._pages = self._pages[1:]  # views keep the list that they have
            self._dropped += 1

    def rows(self) -> "Rows":
        """What is there now."""
        return Rows(self._pages, self._dropped, self.stop)

    def after(self, stamp: int, start: int = 0) -> int:
        """The number of the first row from ``start`` on with a larger stamp."""
        rows = self.rows()
        low, high = max(start, rows.first), rows.stop
        while low < high:
            middle = (low + high) // 2
            if rows.stamp(middle) <= stamp:
                low = middle + 1
            else:
                high = middle
        return low


class Rows:
    """A ring as it was; rows by their numbers."""

    def __init__(self, pages: Sequence[Page], dropped: int, stop: int) -> None:
        self._pages, self._dropped = pages, dropped
        self.first, self.stop = dropped * PAGE, stop

    def _page(self, number: int) -> Page:
        return self._pages[number // PAGE - self._dropped]

    def cells(self, number: int) -> tuple[str, ...]:
        return self._page(number).cells(number % PAGE)

    def look(self, number: int) -> str:
        return LOOKS[self._page(number).looks[number % PAGE]]

    def tid(self, number: int) -> int:
        return self._page(number).tids[number % PAGE]

    def stamp(self, number: int) -> int:
        return self._page(number).stamps[number % PAGE]

    def number(self, number: int) -> int | None:
        found = self._page(number).numbers[number % PAGE]
        return None if found == UNKNOWN else found

    def data(self, number: int) -> bytes:
        return self._page(number).payload(number % PAGE)
