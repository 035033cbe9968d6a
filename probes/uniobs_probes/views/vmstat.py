"""vmstat: one line an interval; the first is since boot."""

from collections.abc import Callable
from typing import Any

from uniobs.model.guest import Thread
from uniobs.model.row import frozen
from uniobs.model.text import UNKNOWN
from uniobs.model.view import Column, Table
from uniobs_probes.views._facts import Facts, ask, heap_of, live_header
from uniobs_probes.views.top import shares


def _kib(key: str) -> Callable[[Any], str]:
    def text(row: Any) -> str:
        value = row[key]
        return UNKNOWN if value is None else str(value // 1024)

    return text


COLUMNS = (
    Column("running", "r", "right", "running or ready, without the idle thread", width=2),
    Column("blocked", "b", "right", "on a mutex", width=2),
    Column("heap_used", "used", "right", "heap, KiB", _kib("heap_used"), width=7),
    Column("heap_free", "free", "right", "heap, KiB", _kib("heap_free"), width=7),
    Column("heap_peak", "peak", "right", "heap, KiB", _kib("heap_peak"), width=7),
    Column("ticks_s", "in", "right", "timer interrupts a second", width=5),
    Column("switches_s", "cs", "right", "context switches a second", width=6),
    Column("rx_s", "rx", "right", "packets received a second", width=6),
    Column("tx_s", "tx", "right", "packets sent a second", width=6),
    Column("busy", "us", "right", "per cent of the CPU", width=3),
    Column("idle", "id", "right", "per cent of the CPU", width=3),
)
CAPTION = "procs -------heap (KiB)------- --system--- ---packets--- --cpu--"


@frozen
class Sample:
    """Totals at one moment; ``at_ns`` is a clock of the host's, or the guest's age for totals since boot."""

    at_ns: int | None
    threads: dict[int, Thread]
    ticks: int | None
    switches: int | None
    rx: int | None
    tx: int | None


def _total(values: list[int | None]) -> int | None:
    return sum(v for v in values if v is not None) if values and all(v is not None for v in values) else None


def take(facts: Facts, at_ns: int | None) -> Sample:
    target = facts.target
    live = live_header(target)
    interfaces = [row for row in ask(target, "interfaces") if not row.torn]
    return Sample(
        at_ns=at_ns,
        threads={thread.tid: thread for thread in facts.threads},
        ticks=live.tick_count if live is not None else None,
        switches=_total([thread.switches for thread in facts.threads if not thread.torn]),
        rx=_total([row.rx_packets for row in interfaces]),
        tx=_total([row.tx_packets for row in interfaces]),
    )


class Vmstat:
    name = "vmstat"
    title = "Activity"
    columns = COLUMNS
    default = tuple(column.key for column in COLUMNS)
    needs = frozenset({"threads"})

    def rows(self, target: Any, **_: Any) -> Table:
        return self.sampler(target)()

    def sampler(self, target: Any) -> Callable[[], Table]:
        """A function whose first call gives rates since boot, each further one since the call before."""
        state: dict[str, Sample | None] = {"last": None}

        def sample() -> Table:
            last = state["last"]
            if last is not None:
                target.refresh()
            facts = Facts(target)
            now = take(facts, target.clock_ns())
            state["last"] = now
            if last is None:
                boot = Sample(0, {}, 0, 0, 0, 0)
                totals = Sample(facts.now_ns, now.threads, now.ticks, now.switches, now.rx, now.tx)
                return Table(COLUMNS, [_row(facts, boot, totals)], caption=CAPTION)
            return Table(COLUMNS, [_row(facts, last, now)], caption=CAPTION)

        return sample


def _row(facts: Facts, old: Sample, new: Sample) -> dict[str, Any]:
    elapsed = new.at_ns - old.at_ns if new.at_ns is not None and old.at_ns is not None else None

    def rate(key: str) -> int | None:
        a, b = getattr(old, key), getattr(new, key)
        return (
            round((b - a) * 1e9 / elapsed) if elapsed and a is not None and b is not None and b >= a else None
        )

    heap = heap_of(facts.target)
    used, total = (heap.used, heap.total) if heap is not None else (None, None)
    idle = _idle(old, new, elapsed)
    return {
        "running": sum(1 for t in facts.threads if t.state in ("running", "ready") and not t.idle),
        "blocked": sum(
            1 for t in facts.threads if t.state == "blocked" and t.wait and t.wait.kind == "mutex"
        ),
        "heap_used": used,
        "heap_free": total - used if total is not None and used is not None else None,
        "heap_peak": heap.peak if heap is not None else None,
        "ticks_s": rate("ticks"),
        "switches_s": rate("switches"),
        "rx_s": rate("rx"),
        "tx_s": rate("tx"),
        "busy": None if idle is None else 100 - idle,
        "idle": idle,
    }


def _idle(old: Sample, new: Sample, elapsed: int | None) -> int | None:
    """Per cent that the idle threads had; None when the guest names none."""
    quiet = [thread for thread in new.threads.values() if thread.idle]
    if not quiet or not elapsed:
        return None
    if not old.threads:
        known = [t.cpu_time_ns for t in quiet if t.cpu_time_ns is not None]
        return (
            round(min(100.0, 100 * sum(known) / elapsed / len(quiet))) if len(known) == len(quiet) else None
        )
    cpu = shares(old.threads, tuple(quiet), elapsed)
    return round(sum(cpu.values()) / len(quiet)) if len(cpu) == len(quiet) else None


view = Vmstat()
