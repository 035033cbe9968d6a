"""Trace points as lines, for kernels that record those instead of calls: time, name, what was said."""

from collections.abc import Sequence
from typing import Any

from uniobs.model.guest import Arg, Event
from uniobs.model.view import Follow
from uniobs_probes.views.strace_filter import CallFilter, parse_filter


def arguments(args: Sequence[Arg]) -> str:
    """The text that the trace point's own format makes; else its arguments as they are."""
    said = next((arg.value for arg in args if arg.name == "text"), None)
    if isinstance(said, bytes):
        return said.decode("utf-8", "replace")
    return ", ".join(
        repr(arg.value.decode("utf-8", "replace")) if isinstance(arg.value, bytes) else f"{arg.value:#x}"
        for arg in args
    )


class PointStream:
    """See model.view.Stream. ``tids`` leaves nothing of records that don't carry a thread; without ``times``
    the caller shows them."""

    question = "trace"
    unit = "event"

    def __init__(
        self, *, only: Sequence[str] = (), tids: Sequence[int] = (), times: bool = True, **_: Any
    ) -> None:
        filters = [parse_filter(text) for text in only]
        self._only = filters[-1] if filters else CallFilter()
        self._tids = frozenset(tids)
        self._times = times
        self._shown = 0

    def _wanted(self, event: Event) -> bool:
        return (not self._tids or event.tid in self._tids) and self._only(event.name or "?")

    def feed(self, items: Sequence[Event]) -> list[str]:
        lines = []
        for event in items:
            if self._wanted(event):
                stamp = f"{event.time_ns / 1e9:.6f}" if event.time_ns is not None else "?"
                text = f"{event.name or '?'}({arguments(event.args)})"
                lines.append(f"{stamp:>12} {text}" if self._times else text)
        self._shown += len(lines)
        return lines

    def feed_json(self, items: Sequence[Event]) -> list[dict[str, Any]]:
        rows = [
            {"time_ns": event.time_ns, "event": event.name, "text": arguments(event.args)}
            for event in items
            if self._wanted(event)
        ]
        self._shown += len(rows)
        return rows

    def close_json(self) -> list[dict[str, Any]]:
        return []

    def close(self) -> list[str]:
        return []

    def shown(self) -> int:
        return self._shown

    def closing(self, follow: Follow) -> list[str]:
        full = getattr(follow, "full", False)
        ended = "; the buffer is full: what came later wasn't recorded" if full else ""
        garbled = "; a record is garbled: what follows it isn't shown" if follow.loss.garbled else ""
        return [f"{self._shown} events shown{ended}{garbled}"]
