"""Filtering and sorting in small steps, so that a screen goes on while ten million rows are looked at."""

import heapq
import math
from array import array
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, Final, NamedTuple, Protocol

from uniobs_tui import numbersort
from uniobs_tui.order import Hits, Order
from uniobs_tui.search import Pattern
from uniobs_tui.sources import Source, values

CHUNK: Final = 256
AT_ONCE: Final = 20_000  # rows that are sorted in one go: some ten milliseconds


class Test(Protocol):
    """Which rows are shown. Tests that are equal let the same rows through."""

    def passing(self, source: Any, indexes: Sequence[int]) -> Sequence[int]:
        """Those of the rows that pass. Raises TooSlow."""


class TextTest:
    """Rows whose cells, a space between them, match a pattern."""

    def __init__(self, text: str) -> None:
        self.pattern = Pattern(text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TextTest) and other.pattern.text == self.pattern.text

    def __hash__(self) -> int:
        return hash(self.pattern.text)

    def passing(self, source: Source, indexes: Sequence[int]) -> Sequence[int]:
        return [indexes[n] for n in self.pattern.hits(lines(source, indexes))]


def lines(source: Source, indexes: Sequence[int]) -> list[str]:
    """Rows as the text that patterns look at."""
    if isinstance(indexes, range) and indexes.step == 1:
        return [" ".join(row) for row in source.cells(indexes.start, indexes.stop)]
    return [" ".join(source.cells(i, i + 1)[0]) for i in indexes]


class Sort(NamedTuple):
    column: int
    falling: bool


Heavy = Callable[[], Any]  # long, but without Python's lock: for another thread; its result is sent back
Job = Generator["float | Heavy", Any, Order | None]


def hits_of(source: Source, tests: tuple[Test, ...], before: Hits | None) -> Hits | None:
    """What the tests let through so far: ``before`` when it's of the same log and tests."""
    if not tests:
        return None
    base, log = getattr(source, "base", 0), getattr(source, "log", source)
    return before if before is not None and before.fits(log, tests, base) else Hits(log, tests, base)


def shown(source: Source, hits: Hits | None) -> Order | None:
    """The rows that are known to pass."""
    return None if hits is None else hits.order(getattr(source, "base", 0), len(source))


def arrange(source: Source, hits: Hits | None, sort: Sort | None) -> Job:
    """Yields how far it is (0 to 1), or Heavy; returns what to show, None for the source as it is.

    ``hits`` are extended by what wasn't tested yet. Raises TooSlow.
    """
    if hits is not None:
        yield from _filter(source, hits)
    order = shown(source, hits)
    if sort is not None and sort.column < len(source.headers):
        order = Order((yield from _sort(source, sort, order)))
    return order


def _filter(source: Source, hits: Hits) -> Iterator[float]:
    base, count = getattr(source, "base", 0), len(source)
    for at in range(max(hits.stop - base, 0), count, CHUNK):
        stop = min(at + CHUNK, count)
        passed: Sequence[int] = range(at, stop)
        for test in hits.tests:
            if passed:
                passed = test.passing(source, passed)
        hits.add([base + index for index in passed], base + stop)
        yield stop / count


def _sort(source: Source, sort: Sort, order: Order | None) -> Generator["float | Heavy", Any, Any]:
    """The source's rows in their new order."""
    count = len(source) if order is None else len(order)
    rows: Sequence[int] = range(count) if order is None else array("Q")
    whole = getattr(source, "column", None)
    if order is None and whole is not None and (column := whole(sort.column)) is not None:
        return (yield lambda: numbersort.argsort(column, sort.falling))
    keys = _Keys()
    for at in range(0, count, CHUNK):
        some: Sequence[int] = range(at, min(at + CHUNK, count))
        if order is not None:
            some = [order[place] for place in some]
            rows.extend(some)  # type: ignore[attr-defined]
        keys.add(values(source, sort.column, some))
        yield at / count / 2
    places = yield from keys.sorted(sort.falling)
    if order is None:
        return places
    found = array("Q")
    for at in range(0, count, CHUNK):
        found.extend(rows[int(place)] for place in places[at : at + CHUNK])
        yield 1.0
    return found


class _Keys:
    """What is sorted by: whole numbers, fractions, or anything. Unknown ones come last both ways."""

    def __init__(self) -> None:
        self._keys: array[Any] | list[Any] = array("q")
        self._unknown: list[int] = []
        self._kinds: set[bool] = set()  # whether they are text
        self._count = 0

    def add(self, some: Sequence[Any]) -> None:
        filled = []
        for value in some:
            if value is None or (isinstance(value, float) and math.isnan(value)):
                self._unknown.append(self._count)
                value = None
            else:
                self._kinds.add(isinstance(value, str))
            filled.append(value)
            self._count += 1
        if not isinstance(self._keys, list):
            kept = len(self._keys)
            try:
                if self._keys.typecode == "q" and any(isinstance(value, float) for value in filled):
                    self._keys = array("d", self._keys)
                self._keys.extend(0 if value is None else value for value in filled)
                return
            except (TypeError, OverflowError):  # text, or numbers that are too large
                unknown = set(self._unknown)
                self._keys = [None if i in unknown else self._keys[i] for i in range(kept)]
        self._keys.extend(filled)

    def sorted(self, falling: bool) -> Generator["float | Heavy", Any, Any]:
        keys, unknown = self._keys, set(self._unknown)
        known: Any = range(len(keys))
        if unknown:
            known = array("Q")
            for at in range(0, len(keys), CHUNK):
                known.extend(i for i in range(at, min(at + CHUNK, len(keys))) if i not in unknown)
                yield 0.5
        if isinstance(keys, list):
            rank = _rank(len(self._kinds) > 1)
            if len(known) > AT_ONCE:
                found = yield from _merged(known, keys, rank, falling)
            else:
                found = sorted(known, key=lambda i: rank(keys[i]), reverse=falling)
        elif len(known) > AT_ONCE:
            found = yield lambda: numbersort.argsort_array(keys, known, falling)
        else:
            found = sorted(known, key=keys.__getitem__, reverse=falling)
        if not unknown:
            return found
        if hasattr(found, "dtype"):
            return (yield lambda: numbersort.joined(found, self._unknown))
        return [*found, *self._unknown]


def _rank(mixed: bool) -> Callable[[Any], Any]:
    """Numbers before text where both come."""
    return (lambda value: (isinstance(value, str), value)) if mixed else (lambda value: value)


def _merged(
    known: Sequence[int], keys: Sequence[Any], rank: Callable[[Any], Any], falling: bool
) -> Generator["float | Heavy", Any, Any]:
    """Sorted pieces, merged: no step of it is long."""
    runs = []
    for at in range(0, len(known), AT_ONCE // 4):
        piece = known[at : at + AT_ONCE // 4]
        runs.append(sorted(piece, key=lambda i: rank(keys[i]), reverse=falling))
        yield 0.5 + at / len(known) / 4
    merged: Iterator[int] = heapq.merge(*runs, key=lambda i: rank(keys[i]), reverse=falling)
    found = array("Q")
    for number, index in enumerate(merged):
        found.append(index)
        if not number % CHUNK:
            yield 0.75 + number / len(known) / 4
    return found
