"""Who waits for whom: circles, those behind them, and what is no wait."""

from typing import Any

from uniobs.cli.report.html.graph import circle
from uniobs.cli.report.html.markup import Html
from uniobs.cli.report.locks import waits
from uniobs.model.guest import Lock, Thread, Wait


def thread(tid: int, lock: int | None = None, **wait: Any) -> Thread:
    what = Wait("mutex", lock, **wait) if lock is not None else None
    return Thread(tid, f"t{tid}", "blocked" if what else "running", what)


def mutex(address: int, owner: int | None) -> Lock:
    return Lock(address, "mutex", f"m{address}", owner)


def found(threads: list[Thread], locks: list[Lock]) -> list[tuple[int, str, int, int | None]]:
    names = {one.tid: one.name for one in threads if one.name}
    return [(e.tid, e.what, e.owner, e.cycle) for e in waits(tuple(threads), locks, names)]


def test_a_circle_of_three_and_one_behind_it() -> None:
    threads = [thread(9, 1), thread(1, 2), thread(2, 3), thread(3, 1)]
    locks = [mutex(1, 1), mutex(2, 2), mutex(3, 3)]
    assert found(threads, locks) == [
        (1, "m2", 2, 0), (2, "m3", 3, 0), (3, "m1", 1, 0), (9, "m1", 1, None),
    ]  # fmt: skip


def test_two_circles_and_a_thread_that_waits_for_itself() -> None:
    threads = [thread(n, n + 1 if n % 2 else n - 1) for n in (1, 2, 3, 4)] + [thread(5, 5)]
    locks = [mutex(n, n) for n in range(1, 6)]
    assert [(tid, cycle) for tid, _, _, cycle in found(threads, locks)] == [
        (1, 0),
        (2, 0),
        (3, 1),
        (4, 1),
        (5, 2),
    ]


def test_a_join_is_a_wait_for_a_thread() -> None:
    joins = Thread(1, "a", "blocked", Wait("join", 2))
    assert found([joins, thread(2, 7)], [mutex(7, 1)]) == [(1, "its end", 2, 0), (2, "m7", 1, 0)]


def test_what_isn_t_known_is_no_edge() -> None:
    threads = [thread(1, 1), thread(2, 2), Thread(3, torn=True), Thread(4, "d", "sleeping", Wait("mutex", 1))]
    assert found(threads, [mutex(1, None), mutex(2, 0)]) == []
    assert found([thread(1, 8, name="lock_b", owner_tid=4)], []) == [(1, "lock_b", 4, None)]
    torn = Lock(1, "mutex", torn=True)
    assert found([thread(1, 1)], [torn]) == []


def test_circles_up_to_eight_are_drawn() -> None:
    for size in (1, 2, 3, 8, 9):
        threads = [thread(n + 1, (n + 1) % size + 1) for n in range(size)]
        edges = waits(tuple(threads), [mutex(n + 1, n + 1) for n in range(size)], {})
        assert len(edges) == size and {edge.cycle for edge in edges} == {0}
        drawn = circle(edges, 0)
        assert (drawn is None) == (size == 9)
        assert drawn is None or (isinstance(drawn, Html) and drawn.count("<rect") == 2 * size)
