"""What happened just before: the last calls and the last log lines of a guest."""

from collections.abc import Collection
from typing import Any

from uniobs.cli.output import Output
from uniobs.errors import NotOffered, UniobsError
from uniobs.model import registry
from uniobs.model.guest import LogLine
from uniobs.model.row import frozen

CALLS = 5
LINES = 3
PERIODIC = "trace=!nanosleep,clock_nanosleep,sleep"  # what tickers do all the time tells nothing
EVENTS = 4096  # of the newest events, as many are looked through


@frozen
class History:
    """``calls`` are strace lines, oldest first."""

    calls: tuple[str, ...]
    log: tuple[LogLine, ...]
    of_threads: bool  # the calls are those of the verdict's threads

    def show(self, out: Output) -> None:
        if self.calls:
            out.line()
            out.line("  Last calls" + (" of these threads" if self.of_threads else "") + ":")
            for line in self.calls:
                out.line(f"    {line}")
        if self.log:
            out.line()
            out.line("  Last log lines:")
            for entry in self.log:
                out.line(f"    {log_text(entry)}")

    def json(self) -> dict[str, Any]:
        return {"last_calls": list(self.calls), "last_log": list(self.log)}


def log_text(entry: LogLine) -> str:
    """[    0.079169] the text, as dmesg prints it."""
    stamp = f"{entry.time_ns / 1e9:12.6f}" if entry.time_ns is not None else f"{'?':>12}"
    return f"[{stamp}] {entry.text.rstrip()}" + (" [cut]" if entry.truncated else "")


def last(target: Any, tids: Collection[int], unknown: list[str], calls: int = CALLS) -> History:
    """The verdict's threads' last calls, or everybody's when they made none that is still recorded."""
    lines: list[str] = []
    of_threads = False
    try:
        follow = target.walker("trace").trace()
        events = [*follow.poll(), *follow.flush()][-EVENTS:]
        lines = _calls(target, events, tids) if tids else []
        of_threads = bool(lines)
        lines = lines or _calls(target, events, ())
        if not lines:
            unknown.append("what happened just before (no call is recorded)")
    except NotOffered:
        unknown.append("what happened just before (this guest carries no trace ring)")
    except UniobsError as error:
        unknown.append(f"what happened just before ({error})")
    return History(tuple(lines[-calls:]), _log(target, unknown), of_threads)


def _calls(target: Any, events: list[Any], tids: Collection[int]) -> list[str]:
    only = () if tids else (PERIODIC,)
    stream = registry.load(registry.STREAMS, "strace")(target, durations=True, tids=tuple(tids), only=only)
    lines: list[str] = [*stream.feed(events), *stream.close()]
    return lines


def _log(target: Any, unknown: list[str]) -> tuple[LogLine, ...]:
    try:
        follow = target.walker("log").log()
        return tuple([*follow.poll(), *follow.flush()][-LINES:])
    except NotOffered:
        return ()
    except UniobsError as error:
        unknown.append(f"its log ({error})")
        return ()
