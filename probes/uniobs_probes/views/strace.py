"""Calls as strace's lines."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, Literal

from uniobs.model.guest import Arg, Event, Loss, Socket
from uniobs.model.row import field, frozen
from uniobs.region.clock import Clock
from uniobs_probes.views import strace_args
from uniobs_probes.views.strace_calls import Call, Pairing
from uniobs_probes.views.strace_filter import CallFilter
from uniobs_probes.views.strace_summary import Summary

COLUMN: Final = 39  # strace -a 40: results begin in the column after it
Stamp = Literal["", "t", "tt", "ttt", "r"]


@frozen
class StraceOptions:
    """strace's options. ``names`` gives threads' names for the prefix of -f; without one it's ``[tid 3]``."""

    clock: Clock
    threads: bool = False  # -f: a prefix that says which thread
    durations: bool = False  # -T
    stamp: Stamp = ""  # -t, -tt, -ttt, -r
    descriptors: bool = False  # -y
    strings: int = 32  # -s
    only: CallFilter = field(default_factory=CallFilter)  # -e trace=
    tids: frozenset[int] = frozenset()  # -p; empty: all
    outcome: Literal["any", "ok", "failed"] = "any"  # -z, -Z
    lines: bool = True  # False for -c
    summary: bool = False  # -c, -C
    names: Mapping[int, str] = field(default_factory=dict)
    arities: Mapping[int, int] = field(default_factory=dict)  # by Event.pair: TraceFollow.arities()


class StraceFormatter:
    """Events in, lines out. ``sockets`` (for -y) are the rows as of now; set them before each feed()."""

    def __init__(self, options: StraceOptions) -> None:
        self.options = options
        self.sockets: Sequence[Socket] = ()
        self.names: Mapping[int, str] = options.names
        self.summary = Summary(options.clock)
        self.arities = dict(options.arities)
        self.shown = 0
        self._pairing = Pairing()
        self._partial: Call | None = None  # entered, and its line not ended yet
        self._last_ns: int | None = None

    def feed(self, events: Sequence[Event]) -> list[str]:
        """Lines that these events complete. A call whose exit is the next event shown makes one line."""
        out: list[str] = []
        for step, call in self._pairing.feed(events):
            if not self._wanted(call):
                continue
            if step == "exit":
                self.summary.add(call)
            if not self.options.lines:
                self.shown += step == "exit"
                continue
            if self.options.outcome != "any":
                out += self._whole_only(step, call)
            elif step == "enter":
                out += self._cut_partial()
                self._partial = call
            else:
                out += self._left(call)
        return out

    def close(self) -> list[str]:
        """Calls that are still open: ``recv(7,  <unfinished ...>``."""
        if not self.options.lines or self.options.outcome != "any":
            return []
        return list(self._cut_partial())

    def whole(self, call: Call) -> str:
        """A call as one text, without its thread and times: ``recv(7, "GET /"..., 2048, 0) = 118``."""
        if call.exit is None:
            return self._entry(call) + " <unfinished ...>"
        head = self._entry(call) if call.enter is not None else f"<... {call.name} resumed>"
        result = call.result
        returned = strace_args.returned(result) if result is not None else "?"
        return f"{head}{self._rest(call)} = {returned}"

    def table(self) -> list[str]:
        """-c: the summary."""
        return self.summary.lines()

    def closing(self, loss: Loss) -> str:
        """``3 events shown, 0 lost, 0 torn``. Loss is counted in slots: a call takes two or more."""
        unit = " slots" if loss.lost or loss.torn else ""
        text = f"{self.shown} events shown, {loss.lost}{unit} lost, {loss.torn} torn"
        if loss.truncated:
            text += f", {loss.truncated} cut short by the guest"
        if loss.garbled:
            text += f"; {loss.garbled} garbled rings not shown, what they held is unknown"
        return text

    def _wanted(self, call: Call) -> bool:
        options = self.options
        return (not options.tids or call.tid in options.tids) and options.only(call.name)

    def _whole_only(self, step: str, call: Call) -> Iterator[str]:
        if step == "exit" and call.failed == (self.options.outcome == "failed"):
            yield self._line(call.enter or call.exit, self._entry(call) + self._rest(call), call)

    def _cut_partial(self) -> Iterator[str]:
        call, self._partial = self._partial, None
        if call is not None:
            self.shown += 1
            yield self._prefix(call, call.enter) + self._entry(call) + " <unfinished ...>"

    def _left(self, call: Call) -> Iterator[str]:
        partial = self._partial
        if partial is not None and call.enter is partial.enter:
            self._partial = None
            yield self._line(call.enter, self._entry(call) + self._rest(call), call)
            return
        yield from self._cut_partial()
        self.shown -= call.enter is not None  # its entry was counted when it was cut
        yield self._line(call.exit, f"<... {call.name} resumed>" + self._rest(call), call)

    def _line(self, event: Event | None, head: str, call: Call) -> str:
        """One line to its end: prefix, call, result in its column, duration."""
        self.shown += 1
        start = self._prefix(call, event) + head
        result = call.result
        line = f"{start:<{COLUMN}} = {strace_args.returned(result) if result is not None else '?'}"
        return line + self._duration(call) if self.options.durations else line

    def _duration(self, call: Call) -> str:
        ns = None if call.ticks is None else self.options.clock.span_ns(call.ticks)
        return " <unavailable>" if ns is None else f" <{ns // 1_000_000_000}.{ns // 1000 % 1_000_000:06d}>"

    # --- the call ---------------------------------------------------------------------------------------

    def _entry(self, call: Call) -> str:
        """What is known when the call is made: arguments before the first that it fills in."""
        known = _leading(call.inputs)
        text = ", ".join(self._arg(arg, call, call.enter) for arg in known)
        more = len(known) < self._arity(call)
        return f"{call.name}({text}{', ' if more and known else ''}"

    def _rest(self, call: Call) -> str:
        """What follows when it returns."""
        begun = len(_leading(call.inputs)) if call.enter is not None else 0
        args: dict[int, tuple[Arg, Event | None]] = {arg.pos: (arg, call.enter) for arg in call.inputs}
        args |= {arg.pos: (arg, call.exit) for arg in call.outputs}
        parts = []
        for pos in range(begun, self._arity(call)):
            arg, event = args.get(pos, (None, None))
            missing = call.enter is None and pos < min(args, default=0)
            if arg is not None:
                parts.append(self._arg(arg, call, event))
            elif not missing:
                parts.append(strace_args.UNKNOWN)
        return ", ".join(parts) + ")"

    def _arity(self, call: Call) -> int:
        """How many arguments the call has: an entry doesn't carry those that are filled in."""
        seen = 1 + max((arg.pos for arg in (*call.inputs, *call.outputs)), default=-1)
        if call.enter is not None and len(call.inputs) < len(call.enter.args):
            return seen  # one that doesn't apply was left out
        return max(seen, self.arities.get(call.pair, 0))

    def _arg(self, arg: Arg, call: Call, event: Event | None) -> str:
        filled_in = event is not None and event is call.exit
        if filled_in and call.failed and not arg.value:
            return strace_args.UNKNOWN  # a buffer that the call didn't fill
        level = next((a.value for a in call.inputs if a.kind == "sock_level"), None)
        text = strace_args.text(
            arg, self._fd_text(event), self.options.strings, level if isinstance(level, int) else None
        )
        if arg.name is not None and arg.name.startswith("st_"):
            return f"{{{arg.name}={text}, ...}}"
        pointed = arg.name == "optval" or (filled_in and arg.kind in ("size", "u64", "i64"))
        return f"[{text}]" if pointed else text

    def _fd_text(self, event: Event | None) -> Callable[[int], str]:
        def text(fd: int) -> str:
            found = self._described(fd, event) if self.options.descriptors and event is not None else None
            return f"{fd}<{found}>" if found else str(fd)

        return text

    def _described(self, fd: int, event: Event) -> str | None:
        """What a descriptor was, when proven: the row that has it now was opened before the event."""
        for s in self.sockets:
            if s.torn or s.fd != fd or s.opened_ns is None or event.time_ns is None:
                continue
            if s.opened_ns > event.time_ns:
                return None
            if s.kind == "file":
                return s.path
            if s.kind is None or s.laddr is None or s.lport is None:
                return None
            ends = f"{s.laddr}:{s.lport}"
            if s.rport and s.raddr is not None:
                ends += f"->{s.raddr}:{s.rport}"
            return f"{s.kind.upper()}:[{ends}]"
        return None

    # --- before the call ----------------------------------------------------------------------------------

    def _prefix(self, call: Call, event: Event | None) -> str:
        who = ""
        if self.options.threads:
            name = self.names.get(call.tid)
            who = f"[{name}] " if name else f"[tid {call.tid}] "
        return who + self._stamp_text(event)

    def _stamp_text(self, event: Event | None) -> str:
        stamp = self.options.stamp
        if not stamp or event is None:
            return ""
        if stamp == "r":
            now, last = event.time_ns, self._last_ns
            self._last_ns = now
            if now is None:
                return f"{'?':>12} "
            us = max(0, now - (now if last is None else last)) // 1000
            return f"{us // 1_000_000:>6}.{us % 1_000_000:06d} "
        wall = self.options.clock.wall_ns(event.time_tsc)
        if wall is None:
            return "? "  # no wall clock in this guest
        if stamp == "ttt":
            return f"{wall // 1_000_000_000}.{wall // 1000 % 1_000_000:06d} "
        clock = datetime.fromtimestamp(wall // 1_000_000_000).strftime("%H:%M:%S")
        return f"{clock} " if stamp == "t" else f"{clock}.{wall // 1000 % 1_000_000:06d} "


def _leading(args: Sequence[Arg]) -> list[Arg]:
    """Those at positions 0, 1, 2... without a gap."""
    return [arg for i, arg in enumerate(args) if arg.pos == i]


def _arity(call: Call) -> int:
    return 1 + max((arg.pos for arg in (*call.inputs, *call.outputs)), default=-1)
