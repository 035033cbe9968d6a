"""Order: which rows of a source a table shows, and in which order."""

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any


class Order:
    """Rows ``lo`` to ``hi`` of ``rows``, which are numbers of a log whose ``base`` is the source's row 0.

    ``rows`` may be shared: a filter's hits grow while older orders stand. ``ascending``: found by halving.
    """

    def __init__(
        self, rows: Any, *, base: int = 0, lo: int = 0, hi: int | None = None, ascending: bool = False
    ) -> None:
        self._rows = rows
        self._base, self._lo = base, lo
        self._count = (len(rows) if hi is None else hi) - lo
        self._ascending = ascending

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, place: int) -> int:
        """The source's row at a place of the table."""
        return int(self._rows[self._lo + place]) - self._base

    def where(self, index: int) -> int | None:
        """At which place the source's row ``index`` is; None: it isn't shown."""
        wanted, stop = index + self._base, self._lo + self._count
        if self._ascending:
            at = bisect_left(self._rows, wanted, self._lo, stop)
        elif isinstance(self._rows, array | list):
            try:
                at = self._rows.index(wanted, self._lo, stop)
            except ValueError:
                return None
        else:
            hits = (self._rows == wanted).nonzero()[0]
            at = int(hits[0]) if len(hits) else stop
        return at - self._lo if at < stop and self._rows[at] == wanted else None

    def after(self, index: int) -> int:
        """Of an ascending order: the place of the first row at or after the source's row ``index``."""
        return bisect_left(self._rows, index + self._base, self._lo, self._lo + self._count) - self._lo


class Hits:
    """What a filter let through of a log, as far as it was asked: rows ``start`` to ``stop``."""

    def __init__(self, log: Any, tests: tuple[Any, ...], start: int) -> None:
        self.log = log
        self.tests = tests
        self.start = self.stop = start
        self.rows = array("Q")

    def fits(self, log: Any, tests: tuple[Any, ...], base: int) -> bool:
        return self.log is log and self.tests == tests and self.start <= base

    def add(self, found: Sequence[int], stop: int) -> None:
        self.rows.extend(found)
        self.stop = stop

    def order(self, base: int, count: int) -> Order:
        """Those among the ``count`` rows from ``base`` on."""
        lo = bisect_left(self.rows, base)
        return Order(
            self.rows, base=base, lo=lo, hi=bisect_left(self.rows, base + count, lo), ascending=True
        )
