"""Tables of a million rows: arranged beside the screen, right, and never for long at a time."""

import asyncio
import random
from array import array
from collections.abc import Generator, Hashable, Sequence
from typing import Any

import pytest
from textual.pilot import Pilot

from support.tables import COLUMNS, Row, drive, names, source
from uniobs.model.view import Table
from uniobs_tui import numbersort
from uniobs_tui.arrange import Sort, TextTest, arrange, hits_of, shown
from uniobs_tui.order import Order
from uniobs_tui.search import Pattern, TooSlow
from uniobs_tui.sources import TableSource
from uniobs_tui.table import LineTable


class Numbers:
    """A log of numbers, of which rows ``base`` to ``stop`` are there."""

    headers = ("N", "TEXT")
    aligns = ("right", "left")

    def __init__(self, base: int, stop: int, log: object = "one", values: Sequence[Any] = ()) -> None:
        self.base, self.stop, self.log, self._values = base, stop, log, values

    def __len__(self) -> int:
        return self.stop - self.base

    def cells(self, start: int, stop: int) -> Sequence[Sequence[str]]:
        found = range(self.base + start, min(self.base + stop, self.stop))
        return [(str(n), f"row {n}") for n in found]

    def key(self, index: int) -> Hashable:
        return self.base + index

    def find(self, key: Hashable) -> int | None:
        return key - self.base if isinstance(key, int) and self.base <= key < self.stop else None

    def values(self, column: int, indexes: Sequence[int]) -> Sequence[Any]:
        return [self._values[i] for i in indexes] if self._values else [self.base + i for i in indexes]

    def style(self, index: int) -> str:
        return ""

    def widths(self) -> Sequence[int]:
        return (8, 12)


def run(job: Generator[Any, Any, Order | None]) -> Order | None:
    """To its end, as a screen does it."""
    sent = None
    try:
        while True:
            step = job.send(sent)
            sent = None if isinstance(step, float) else step()
    except StopIteration as done:
        order: Order | None = done.value
        return order


def places(order: Order | None) -> list[int]:
    assert order is not None
    return [order[i] for i in range(len(order))]


ODD: list[Any] = [None, 3, "b", 2.5, -1, "a", float("nan"), 1 << 70, 3, True]


@pytest.mark.parametrize("falling", [False, True])
@pytest.mark.parametrize("kind", ["whole", "fractions", "large", "text", "some unknown", "anything"])
@pytest.mark.parametrize("count", [0, 1, 700, 45_000])
def test_sorting_is_stable_and_right(kind: str, count: int, falling: bool) -> None:
    rng = random.Random(count)
    pick = {
        "whole": lambda: rng.randrange(50),
        "fractions": lambda: rng.random(),
        "large": lambda: (1 << 64) - rng.randrange(1000),
        "text": lambda: f"name-{rng.randrange(500)}",
        "some unknown": lambda: rng.choice([None, rng.randrange(1 << 60)]),
        "anything": lambda: rng.choice(ODD),
    }[kind]
    values = [pick() for _ in range(count)]

    def rank(i: int) -> Any:
        return (isinstance(values[i], str), values[i])

    known = [i for i, value in enumerate(values) if value is not None and value == value]
    unknown = [i for i, value in enumerate(values) if value is None or value != value]
    wanted = sorted(known, key=rank, reverse=falling) + unknown
    order = run(arrange(Numbers(0, count, values=values), None, Sort(0, falling)))
    assert places(order) == wanted
    for place in range(0, count, max(count // 20, 1)):
        assert order is not None and order.where(wanted[place]) == place


def test_a_filter_builds_on_what_it_found() -> None:
    tests = (TextTest("7$"),)
    first = Numbers(0, 10_000)
    hits = hits_of(first, tests, None)
    assert places(run(arrange(first, hits, None))) == list(range(7, 10_000, 10))
    later = Numbers(3_000, 12_000)  # the same log: older ones were dropped, others came
    again = hits_of(later, tests, hits)
    assert again is hits
    steps = list(arrange(later, again, None))
    assert len(steps) == 8, "only what came since is looked at"
    order = shown(later, again)
    assert order is not None and [later.base + n for n in places(order)] == list(range(3_007, 12_000, 10))
    back = Numbers(3_000, 5_000)  # a moment before
    order = shown(back, hits_of(back, tests, again))
    assert order is not None and len(order) == 200 and order.where(7) == 0 and order.where(8) is None
    assert hits_of(Numbers(0, 5, log="other"), tests, again) is not again
    assert hits_of(back, (TextTest("8$"),), again) is not again


def test_filtered_then_sorted() -> None:
    values = [n * 7919 % 1000 for n in range(30_000)]
    here = Numbers(0, 30_000, values=values)
    hits = hits_of(here, (TextTest("3$"),), None)
    order = run(arrange(here, hits, Sort(0, True)))
    assert places(order) == sorted(range(3, 30_000, 10), key=lambda n: values[n], reverse=True)


def test_orders() -> None:
    order = Order(array("Q", [10, 20, 30, 40]), base=10, lo=1, hi=3, ascending=True)
    assert [order[i] for i in range(len(order))] == [10, 20]
    assert [order.where(i) for i in (0, 10, 15, 20, 30)] == [None, 0, None, 1, None]
    assert order.after(11) == 1 and order.after(99) == 2


async def _until(table: LineTable, done: Any) -> None:
    """While the table works, its screen goes on."""
    for _ in range(4000):
        if done():
            return
        await asyncio.sleep(0.005)
    raise AssertionError(table.note())


@pytest.mark.timeout(60)
def test_a_million_rows_are_filtered_sorted_and_searched() -> None:
    count = 200_000

    async def script(pilot: Pilot[None], table: LineTable) -> None:
        table.set_filter("99[0-9]$")
        assert "filtering" in table.note(), "it goes on beside the screen"
        await pilot.press("down", "down")
        assert table.cursor == 2, "which answers meanwhile"
        await _until(table, lambda: "filtering" not in table.note())
        assert table.count == count // 100 and f"2,000 of {count:,}" in table.note()
        table.sort_by(0)
        await _until(table, lambda: "sorting" not in table.note())
        assert table.row_at(0) == count - 1
        table.set_filter("")
        await _until(table, lambda: table.count == count and "sorting" not in table.note())
        assert table.row_at(0) == count - 1
        table.sort_by(None)
        table.action_edge(-1)
        table.search("row 199999$")
        assert "searching" in table.note()
        await _until(table, lambda: "searching" not in table.note())
        assert table.key == count - 1

    drive(Numbers(0, count), script)


def test_another_filter_replaces_the_one_under_way() -> None:
    async def script(pilot: Pilot[None], table: LineTable) -> None:
        table.set_filter("99[0-9]$")
        table.set_filter("row 5$")
        await _until(table, lambda: "filtering" not in table.note())
        assert table.count == 1
        table.set_filter("99[0-9]$")
        table.show(Numbers(0, 100_000))  # more came meanwhile
        table.set_filter("")
        assert table.count == 100_000

    drive(Numbers(0, 90_000), script)


def test_rows_that_come_while_it_filters() -> None:
    async def script(pilot: Pilot[None], table: LineTable) -> None:
        table.set_filter("7$")
        for stop in (90_100, 90_200, 90_300):
            table.show(Numbers(0, stop))
        await _until(table, lambda: table.count == 9_030)

    drive(Numbers(0, 90_000), script)


def test_the_widget_ends_while_it_works() -> None:
    async def script(pilot: Pilot[None], table: LineTable) -> None:
        table.set_filter("99[0-9]$")
        await table.remove()

    drive(Numbers(0, 90_000), script)


def test_threads_by_the_hundred_thousand() -> None:
    rows = [Row(n, f"thread-{n % 977}", n % 100 / 2) for n in range(100_000)]

    async def script(pilot: Pilot[None], table: LineTable) -> None:
        table.go(77_777)
        table.show(TableSource(Table(COLUMNS, rows), "tid"))
        assert table.key == 77_777
        table.sort_by(1, falling=False)
        await _until(table, lambda: "sorting" not in table.note())
        assert table.key == 77_777 and names(table)[:2] == ["thread-0", "thread-0"]

    drive(source(*rows), script)


def test_patterns() -> None:
    assert Pattern("recv(").found("x recv(7") and Pattern("[[").found("a[[b")
    assert Pattern("get").found("GET /") and not Pattern("Get").found("GET /")
    assert Pattern("b*").spans("abba") == [(1, 3)]
    assert Pattern("x").spans("x" * 10_000) == [(n, n + 1) for n in range(64)]
    with pytest.raises(TooSlow):
        Pattern("(a+)+$").hits(["a" * 50 + "b"] * 3)
    assert Pattern("(a+)+$").spans("a" * 50 + "b") == []
    assert Pattern("a{99999999999}").found("a{99999999999}"), "what is no pattern stands for itself"


@pytest.mark.parametrize("falling", [False, True])
def test_little_memory_is_needed_to_sort(falling: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    monkeypatch.setattr(numbersort, "LEAN", 1000)
    monkeypatch.setattr(numbersort, "SLICE", 777)
    rng = np.random.default_rng(5)
    for column in (
        rng.integers(-(1 << 63), (1 << 63) - 1, 20_000),
        rng.integers(0, 3, 20_000).astype(np.int16),
        rng.normal(size=20_000),
        np.zeros(2_000, np.int64),
        np.where(rng.random(20_000) < 0.9, 7, rng.integers(0, 1 << 40, 20_000)),
    ):
        values = column.tolist()
        wanted = sorted(range(len(values)), key=values.__getitem__, reverse=falling)
        assert numbersort.argsort(column, falling).tolist() == wanted
    some = np.array([np.nan, 1.0, np.nan, 2.0] * 1000)
    order = numbersort.argsort(some, falling).tolist()
    assert order[0] == (3 if falling else 1) and order[2000:] == list(range(0, 4000, 2))
