"""What changes between two reads: top's %CPU, vmstat's rates."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from support.fake_target import FakeTarget
from uniobs.model.guest import Heap, Interface, Thread
from uniobs_probes.views import top, vmstat

SECOND = 10**9


def thread(tid: int, cpu_ms: int | None, **more: Any) -> Thread:
    cpu = None if cpu_ms is None else cpu_ms * 10**6
    return Thread(tid, f"t{tid}", "running", cpu_time_ns=cpu, started_ns=0, **more)


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at the clock is a second later."""

    def clock() -> Iterator[int]:
        now = 0
        while True:
            yield now
            now += SECOND

    ticks = clock()
    monkeypatch.setattr(time, "monotonic_ns", lambda: next(ticks))


@pytest.mark.usefixtures("seconds")
def test_top_shows_the_share_between_two_reads() -> None:
    first = [thread(1, 5000), thread(2, 100), thread(3, None), thread(5, 900)]
    second = [thread(1, 5250), thread(2, 850), thread(3, None), thread(4, 10), thread(5, 100)]
    sample = top.view.sampler(FakeTarget({"threads": first}, {"threads": second}))
    rows = sample().rows
    assert [(row.tid, row.pcpu) for row in rows] == [(2, 75.0), (1, 25.0), (3, None), (4, None), (5, None)]
    assert [row.tid for row in sample(sort="+tid").rows] == [1, 2, 3, 4, 5]
    assert next(row for row in sample(sort="tid").rows).tid == 5


def test_top_of_what_stands_still_is_since_each_start() -> None:
    table = top.view.sampler(FakeTarget({"threads": [thread(1, 5)]}, live=False))()
    assert any("since each thread's start" in note for note in table.notes)
    assert table.rows[0].pcpu is None  # its clock isn't known


@pytest.mark.usefixtures("seconds")
def test_vmstat_gives_rates_after_the_first_line() -> None:
    def moment(switches: int, packets: int, idle_ms: int) -> dict[str, Any]:
        idle = thread(1, idle_ms, idle=True, switches=switches)
        return {
            "threads": [idle, Thread(2, state="blocked", switches=0)],
            "interfaces": [Interface(1, rx_packets=packets, tx_packets=2 * packets)],
            "heap": Heap(1000, 400, 500),
        }

    sample = vmstat.view.sampler(FakeTarget(moment(10, 100, 0), moment(60, 130, 700), moment(5, 131, 700)))
    (first,), (second,), (third,) = (sample().rows for _ in range(3))
    assert (first["switches_s"], first["idle"]) == (None, None)  # the guest's age isn't known
    assert (second["switches_s"], second["rx_s"], second["tx_s"], second["idle"]) == (50, 30, 60, 70)
    assert (second["heap_used"], second["heap_free"]) == (400, 600)
    assert third["switches_s"] is None  # a thread's row went away: the sum fell, so the rate isn't known
    assert (third["busy"], third["idle"]) == (100, 0)
