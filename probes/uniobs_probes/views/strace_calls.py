"""Entries and exits paired into calls."""

from collections.abc import Iterator, Sequence
from typing import Final, Literal

from uniobs.model.guest import Arg, Event
from uniobs.model.row import frozen

CREATES: Final = 0o100 | 0o20000000  # O_CREAT, O_TMPFILE
MAX_OPEN: Final = 4096  # calls whose exit was lost must not pile up


@frozen
class Call:
    """One system call. ``enter`` or ``exit`` is None when that half was lost or hasn't come."""

    name: str
    tid: int
    pair: int
    enter_tsc: int
    enter: Event | None = None
    exit: Event | None = None

    @property
    def result(self) -> int | None:
        """What it returned, negative errno for an error; None when that isn't known."""
        if self.exit is None:
            return None
        value = next((arg.value for arg in self.exit.args if arg.kind == "ret"), None)
        return value if isinstance(value, int) else None

    @property
    def ticks(self) -> int | None:
        """How long it took, in TSC ticks."""
        if self.exit is None or self.exit.time_tsc < self.enter_tsc:
            return None
        return self.exit.time_tsc - self.enter_tsc

    @property
    def failed(self) -> bool:
        result = self.result
        return result is not None and -4095 <= result < 0

    @property
    def inputs(self) -> list[Arg]:
        """Arguments carried by the entry, by position. A mode means something only where a file is made."""
        if self.enter is None:
            return []
        args = self.enter.args
        flags = next((arg.value for arg in args if arg.kind == "open_flags"), CREATES)
        makes = isinstance(flags, int) and flags & CREATES
        return sorted((a for a in args if makes or a.kind != "mode"), key=lambda arg: arg.pos)

    @property
    def outputs(self) -> list[Arg]:
        """Arguments that the call filled in, by position."""
        if self.exit is None:
            return []
        found = [arg for arg in self.exit.args if arg.kind not in ("ret", "enter_time")]
        return sorted(found, key=lambda arg: arg.pos)


Step = tuple[Literal["enter", "exit"], Call]


class Pairing:
    """Feeds on events in order; gives the steps of calls. Other events are passed over."""

    def __init__(self) -> None:
        self._open: dict[tuple[int, int, int], Call] = {}

    def feed(self, events: Sequence[Event]) -> Iterator[Step]:
        for event in events:
            if event.category != "syscall" or event.name is None:
                continue
            if event.phase == "enter":
                call = Call(event.name, event.tid, event.pair, event.time_tsc, enter=event)
                if len(self._open) >= MAX_OPEN:
                    self._open.pop(next(iter(self._open)))
                self._open[event.tid, event.pair, event.time_tsc] = call
                yield "enter", call
            elif event.phase == "exit":
                stamp = next((a.value for a in event.args if a.kind == "enter_time"), None)
                if not isinstance(stamp, int):
                    continue
                entry = self._open.pop((event.tid, event.pair, stamp), None)
                enter = entry.enter if entry is not None else None
                yield "exit", Call(event.name, event.tid, event.pair, stamp, enter, event)

    @property
    def unfinished(self) -> list[Call]:
        """Calls that were entered and not left, oldest first."""
        return sorted(self._open.values(), key=lambda call: call.enter_tsc)


def pair(events: Sequence[Event]) -> list[Call]:
    """Whole calls in order of their exits, then the unfinished ones."""
    pairing = Pairing()
    done = [call for step, call in pairing.feed(events) if step == "exit"]
    return done + pairing.unfinished
