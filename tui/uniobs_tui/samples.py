"""Samples: a few numbers of each look at a guest, each with its moment, so that graphs and rates have a past.

No Textual here. They belong to the worker's thread.
"""

import time
from bisect import bisect_right
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from uniobs.errors import UniobsError
from uniobs.model.guest import Thread
from uniobs.target.recorded import RecordedGuest

if TYPE_CHECKING:
    from uniobs_tui.session import Session

KEPT: Final = 1200  # looks: twenty minutes at one a second
DETAILED: Final = 90  # looks that threads and counters are kept of, when there are more than
FEW: Final = 256
MANY: Final = 4096  # of more than these, of the last two looks only
SPAN_NS: Final = 600_000_000_000  # of a recording, that is looked through before a moment
GAP_NS: Final = 5_000_000_000  # looks further apart say nothing about the time between
BUDGET_S: Final = 0.05  # of one ask, for looking through a recording


class Sample(NamedTuple):
    """Totals at a moment (ns since the epoch). None is unknown."""

    at: int
    now_ns: int | None  # by the guest's own clock, since boot
    heap_used: int | None
    heap_total: int | None
    received: int | None  # packets
    sent: int | None
    events: int | None  # that trace rings took
    idle_ns: int | None  # CPU time of idle threads
    idle_threads: int
    threads: dict[int, tuple[int | None, int | None]] | None  # tid -> (CPU time, started)
    counters: dict[str, int] | None


class Rates(NamedTuple):
    """Between two looks. Shares in per cent of one CPU, the others a second."""

    at: int
    busy: float | None
    heap: float | None  # used, bytes
    packets: float | None
    events: float | None


class Samples:
    def __init__(self) -> None:
        self._rows: list[Sample] = []
        self._times: list[int] = []
        self._replay: RecordedGuest | None = None
        self._from = 0  # the moment that it began at

    # --- taking them ----------------------------------------------------------------------------------

    def take(self, target: Any, at: int) -> None:
        """Keep what the guest is like now."""
        if self._times and at <= self._times[-1]:
            return
        self._put(sample(target, at))

    def _put(self, row: Sample) -> None:
        self._rows.append(row)
        self._times.append(row.at)
        if len(self._rows) > KEPT:
            del self._rows[0], self._times[0]
        size = len(row.threads or ()) + len(row.counters or ())
        old = len(self._rows) - 1 - (KEPT if size <= FEW else DETAILED if size <= MANY else 2)
        if old >= 0:
            self._rows[old] = self._rows[old]._replace(threads=None, counters=None)

    def fill(self, session: "Session", at: int) -> bool:
        """Look through a recording before ``at``, a little at a time; True: there's more to look at."""
        guest = session.guest
        if not isinstance(guest, RecordedGuest):
            return False
        first = max(guest.playback.file.first or 0, at - SPAN_NS)
        replay = self._replay
        if replay is None or first < self._from or at - replay.playback.now > SPAN_NS:
            self._rows, self._times = [], []
            self._replay = replay = guest.at(first)
            self._from = replay.playback.now
            self._put(sample(replay, self._from))
        begun = time.monotonic()
        while replay.playback.now < at and time.monotonic() - begun < BUDGET_S:
            if not replay.step():
                return False
            if replay.playback.now - self.last_at >= SPAN_NS // KEPT:
                self._put(sample(replay, replay.playback.now))
        return replay.playback.now < at

    # --- asking ---------------------------------------------------------------------------------------

    @property
    def last_at(self) -> int:
        return self._times[-1] if self._times else 0

    def until(self, at: int | None) -> list[Sample]:
        """Those up to a moment; None: all."""
        return self._rows if at is None else self._rows[: bisect_right(self._times, at)]

    def rates(self, at: int | None, count: int) -> list[Rates]:
        """The last ``count`` up to a moment, oldest first."""
        rows = self.until(at)[-count - 1 :]
        return [rate(a, b) for a, b in pairwise(rows)]

    def before(self, at: int | None) -> tuple[Sample, Sample] | None:
        """The looks at a moment and before it, when they're close enough to tell a rate."""
        rows = self.until(at)
        if len(rows) < 2 or rows[-1].at - rows[-2].at > GAP_NS:
            return None
        if at is not None and at - rows[-1].at > GAP_NS:
            return None
        return rows[-2], rows[-1]

    def shares(self, at: int | None) -> dict[int, float]:
        """tid -> per cent of one CPU between the last two looks."""
        pair = self.before(at)
        if pair is None or pair[0].threads is None or pair[1].threads is None:
            return {}
        span = _span(*pair)
        if span <= 0:
            return {}
        found = {}
        for tid, (used, started) in pair[1].threads.items():
            was = pair[0].threads.get(tid)
            if was is None or was[0] is None or used is None or was[1] != started or used < was[0]:
                continue
            found[tid] = min(100.0, 100.0 * (used - was[0]) / span)
        return found

    def counter_rates(self, at: int | None) -> dict[str, float]:
        """Name -> how much it grew a second between the last two looks."""
        pair = self.before(at)
        if pair is None or pair[0].counters is None or pair[1].counters is None:
            return {}
        old, new = pair[0].counters, pair[1].counters
        seconds = (pair[1].at - pair[0].at) / 1e9
        return {
            name: (value - old[name]) / seconds
            for name, value in new.items()
            if name in old and value >= old[name]
        }


def rate(old: Sample, new: Sample) -> Rates:
    span = new.at - old.at
    near = 0 < span <= GAP_NS

    def per_second(a: int | None, b: int | None) -> float | None:
        return (b - a) * 1e9 / span if near and a is not None and b is not None and b >= a else None

    busy = None
    quiet, clock = _minus(new.idle_ns, old.idle_ns), _span(old, new)
    if near and quiet is not None and clock > 0 and 0 < new.idle_threads == old.idle_threads:
        busy = min(100.0, max(0.0, 100.0 - 100.0 * quiet / clock / new.idle_threads))
    heap = None if new.heap_used is None else float(new.heap_used)
    packets = per_second(_sum(old.received, old.sent), _sum(new.received, new.sent))
    return Rates(new.at, busy, heap, packets, per_second(old.events, new.events))


def _minus(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None or a < b else a - b


def _span(old: Sample, new: Sample) -> int:
    """By the guest's clock, which its CPU times are told in; else by ours."""
    if old.now_ns is None or new.now_ns is None:
        return new.at - old.at
    return new.now_ns - old.now_ns


def _sum(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else a + b


def sample(target: Any, at: int) -> Sample:
    """What isn't offered, or can't be read just now, is None."""
    threads = _rows(target, "threads")
    interfaces = [row for row in _rows(target, "interfaces") or () if not row.torn]
    counters = _rows(target, "counters")
    used, total = _heap(target)
    idle, quiet = _idle(threads)
    cpu = None if threads is None else {t.tid: (t.cpu_time_ns, t.started_ns) for t in threads if not t.torn}
    counts = None
    if counters is not None:
        counts = {row.name: row.value for row in counters if row.name and row.value is not None}
    received = _total([row.rx_packets for row in interfaces])
    sent = _total([row.tx_packets for row in interfaces])
    events = _events(target)
    return Sample(
        at, _now(target), used, total, received, sent, events, idle, quiet, threads=cpu, counters=counts
    )


def _now(target: Any) -> int | None:
    from uniobs_probes.views._facts import guest_now

    with suppress(UniobsError):
        return guest_now(target)
    return None


def _rows(target: Any, question: str) -> tuple[Any, ...] | None:
    with suppress(UniobsError):
        return tuple(getattr(target.walker(question), question)())
    return None


def _total(values: list[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def _heap(target: Any) -> tuple[int | None, int | None]:
    with suppress(UniobsError):
        heap = target.walker("heap").heap()
        if not heap.torn:
            return heap.used, heap.total
    return None, None


def _idle(threads: tuple[Thread, ...] | None) -> tuple[int | None, int]:
    """(CPU time of the idle threads, how many they are)."""
    quiet = [thread for thread in threads or () if thread.idle]
    return _total([thread.cpu_time_ns for thread in quiet]), len(quiet)


def _events(target: Any) -> int | None:
    """How many events the trace rings took since boot, of guests with a region."""
    from uniobs.region import _abi

    with suppress(UniobsError):
        region = target.region
        if region is None:
            return None
        rings = region.sections_of(_abi.SECTION_TRACE)
        counts = [
            int.from_bytes(region.read(ring.offset + _abi.RING_OFFSETS["events"], 8), "little")
            for ring in rings
        ]
        return sum(counts) if counts else None
    return None
