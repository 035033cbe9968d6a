"""Calls as rows: one a call, when it returned; those in which threads still are come apart."""

import struct
from collections.abc import Sequence
from ipaddress import IPv4Address
from typing import Any, Final, NamedTuple

from uniobs.model.guest import Event
from uniobs.model.text import safe, span_text
from uniobs.region.descriptors import Descriptors
from uniobs_probes.views.points_stream import arguments
from uniobs_probes.views.strace import StraceFormatter, StraceOptions
from uniobs_probes.views.strace_calls import Call, Pairing
from uniobs_tui.names import Names
from uniobs_tui.ring import UNKNOWN, Row
from uniobs_tui.stamps import Stamps

AGAIN: Final = frozenset({-4, -11, -110, -115})  # EINTR, EAGAIN, ETIMEDOUT, EINPROGRESS: no failures
OPEN_MAX: Final = 64
ABOUT: Final = struct.Struct("<qqIH")
NOTHING: Final = -(1 << 63)


class About(NamedTuple):
    """What a row's call was about: its descriptor, what it gave, and the other end's address."""

    fd: int | None
    result: int | None
    host: str | None
    port: int

    @classmethod
    def of(cls, data: bytes) -> "About | None":
        if len(data) != ABOUT.size:
            return None
        fd, result, host, port = ABOUT.unpack(data)
        return cls(
            None if fd == NOTHING else fd,
            None if result == NOTHING else result,
            str(IPv4Address(host)) if host else None,
            port,
        )


class CallRows:
    """See streamlog.Maker. ``number`` is how long a call took, in ns."""

    question = "trace"
    unit = "slots"
    headers = ("TIME", "THREAD", "SPENT", "CALL")
    aligns = ("right", "left", "right", "left")
    widths = (15, 8, 5, 0)
    numeric = 2

    def __init__(self) -> None:
        self._names = Names()
        self._stamps = Stamps()
        self._pairing = Pairing()
        self._formatter: StraceFormatter | None = None

    def rows(self, target: Any, items: Sequence[Event]) -> list[Row]:
        if not items:
            return []
        names = self._names.of(target, {item.tid for item in items if item.tid})
        if target.region is None:
            return [self._point(item, names.get(item.tid, "")) for item in items]
        self._format_for(target)
        return [self._row(call, names) for step, call in self._pairing.feed(items) if step == "exit"]

    def stamp(self, item: Event) -> int:
        return item.time_tsc

    def open(self, target: Any, items: Sequence[Event] | None) -> tuple[Row, ...]:
        """Each thread's call that hasn't returned, the oldest first."""
        if target.region is None or (items is None and self._formatter is None):
            return ()
        pairing = self._pairing
        if items is not None:
            pairing = Pairing()
            for _ in pairing.feed(items):
                pass
        latest = {call.tid: call for call in pairing.unfinished}
        calls = sorted(latest.values(), key=lambda call: call.enter_tsc)[:OPEN_MAX]
        self._format_for(target)
        names = self._names.of(target, {call.tid for call in calls})
        return tuple(self._row(call, names) for call in calls)

    def restart(self) -> None:
        self._names, self._pairing, self._formatter = Names(), Pairing(), None

    def _format_for(self, target: Any) -> None:
        if self._formatter is None:
            region = target.region
            options = StraceOptions(clock=region.clock, arities=Descriptors(region).arities())
            self._formatter = StraceFormatter(options)
            self._clock = region.clock

    def _row(self, call: Call, names: Any) -> Row:
        assert self._formatter is not None
        clock = self._clock
        spent = None if call.ticks is None else clock.span_ns(call.ticks)
        result = call.result
        look = "" if not call.failed else "dim" if result in AGAIN else "bad"
        return Row(
            call.exit.time_tsc if call.exit is not None else call.enter_tsc,
            (
                self._stamps.text(clock.wall_ns(call.enter_tsc), clock.ns(call.enter_tsc)),
                names.get(call.tid, f"tid {call.tid}"),
                "" if spent is None else span_text(spent),
                safe(self._formatter.whole(call)),
            ),
            look,
            call.tid,
            UNKNOWN if spent is None else spent,
            _about(call),
        )

    def _point(self, item: Event, who: str) -> Row:
        text = safe(f"{item.name or '?'}({arguments(item.args)})")
        return Row(item.time_tsc, (self._stamps.text(None, item.time_ns), who, "", text), "", item.tid)


def _about(call: Call) -> bytes:
    args = [*call.inputs, *call.outputs]
    fd = next((a.value for a in args if a.kind == "fd" and isinstance(a.value, int)), None)
    peer = next((a.value for a in args if a.kind == "sockaddr" and isinstance(a.value, int)), 0)
    host, port = 0, 0
    if peer >> 48 == 4:
        host, port = int.from_bytes((peer & 0xFFFFFFFF).to_bytes(4, "little"), "big"), peer >> 32 & 0xFFFF
    return ABOUT.pack(_small(fd), _small(call.result), host, port)


def _small(value: int | None) -> int:
    return NOTHING if value is None or not -(1 << 63) <= value < 1 << 63 else value
