"""``strace -c``: the table of calls."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from uniobs.region.clock import Clock
from uniobs_probes.views.strace_calls import Call

RULE: Final = "------ ----------- ----------- --------- --------- ----------------"
HEAD: Final = "% time     seconds  usecs/call     calls    errors syscall"


@dataclass(slots=True)
class Tally:
    """``ns`` is the time between entry and exit (as strace -w: a unikernel's calls have no system time)."""

    name: str
    calls: int = 0
    errors: int = 0
    ns: int = 0
    timed: int = 0


class Summary:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tallies: dict[str, Tally] = {}

    def add(self, call: Call) -> None:
        tally = self._tallies.setdefault(call.name, Tally(call.name))
        tally.calls += 1
        tally.errors += call.failed
        ns = None if call.ticks is None else self._clock.span_ns(call.ticks)
        if ns is not None:
            tally.ns += ns
            tally.timed += 1

    @property
    def tallies(self) -> list[Tally]:
        """Most time first, as strace sorts."""
        return sorted(self._tallies.values(), key=lambda t: (-t.ns, -t.calls, t.name))

    def lines(self) -> list[str]:
        found = self.tallies
        total = sum(tally.ns for tally in found)
        body = [_line(100 * t.ns / total if total else 0.0, t) for t in found]
        whole = Tally(
            "total",
            sum(t.calls for t in found),
            sum(t.errors for t in found),
            total,
            sum(t.timed for t in found),
        )
        return [HEAD, RULE, *body, RULE, _line(100.0, whole)]


def _line(percent: float, tally: Tally) -> str:
    seconds, each = f"{tally.ns / 1e9:.6f}", str(tally.ns // 1000 // tally.timed if tally.timed else 0)
    if not tally.timed and tally.calls:
        seconds = each = "-"  # no exit of it was seen, or the guest's clock isn't calibrated
    errors = tally.errors or ""
    return f"{percent:6.2f} {seconds:>11} {each:>11} {tally.calls:>9} {errors:>9} {tally.name}"


def summarise(calls: Iterable[Call], clock: Clock) -> list[str]:
    summary = Summary(clock)
    for call in calls:
        summary.add(call)
    return summary.lines()
