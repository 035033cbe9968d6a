"""strace as a stream: the formatter fed with a target's names and descriptors."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Literal

from uniobs.errors import NotOffered, UniobsError
from uniobs.model.guest import Event
from uniobs.model.view import Follow, Stream
from uniobs.region.descriptors import Descriptors
from uniobs_probes.views._facts import ask
from uniobs_probes.views.strace import Stamp, StraceFormatter, StraceOptions
from uniobs_probes.views.strace_args import returned
from uniobs_probes.views.strace_calls import Call, Pairing
from uniobs_probes.views.strace_filter import CallFilter, parse_filter


class StraceStream:
    """See model.view.Stream."""

    question = "trace"
    unit = "call"

    def __init__(
        self,
        target: Any,
        *,
        threads: bool = True,
        durations: bool = False,
        stamp: Stamp = "",
        descriptors: bool = False,
        strings: int = 32,
        only: Sequence[str] = (),
        tids: Sequence[int] = (),
        outcome: Literal["any", "ok", "failed"] = "any",
        lines: bool = True,
        summary: bool = False,
    ) -> None:
        region = target.region
        if region is None:
            raise NotOffered(f"{target.name} carries no region, so nothing of it is traced")
        self._target = target
        self._clock = region.clock
        self._summary = summary
        filters = [parse_filter(text) for text in only]
        self._only = filters[-1] if filters else CallFilter()
        self._tids = frozenset(tids)
        self._outcome = outcome
        self._pairing = Pairing()
        self._json = 0
        self._formatter = StraceFormatter(
            StraceOptions(
                clock=region.clock,
                threads=threads,
                durations=durations,
                stamp=stamp,
                descriptors=descriptors,
                strings=strings,
                only=self._only,
                tids=self._tids,
                outcome=outcome,
                lines=lines,
                summary=summary,
                arities=Descriptors(region).arities(),
            )
        )
        self._descriptors = descriptors
        self._names: dict[int, str] = {}

    def feed(self, items: Sequence[Event]) -> list[str]:
        if not items:
            return []
        self._learn(items)
        self._formatter.names = self._names
        if self._descriptors:
            with suppress(UniobsError):
                self._formatter.sockets = ask(self._target, "sockets")
        return self._formatter.feed(items)

    def _learn(self, items: Sequence[Event]) -> None:
        if any(event.tid not in self._names for event in items):
            with suppress(UniobsError):  # it may have died since: a number says who, too
                self._names |= {t.tid: t.name for t in ask(self._target, "threads") if t.name}

    def feed_json(self, items: Sequence[Event]) -> list[dict[str, Any]]:
        """One object a call that returned; those that didn't come from close_json()."""
        if items:
            self._learn(items)
        return [
            self._object(call)
            for step, call in self._pairing.feed(items)
            if step == "exit" and self._wanted(call)
        ]

    def close_json(self) -> list[dict[str, Any]]:
        return [self._object(call) for call in self._pairing.unfinished if self._wanted(call)]

    def _wanted(self, call: Call) -> bool:
        if self._tids and call.tid not in self._tids:
            return False
        if self._outcome != "any" and (call.exit is None or call.failed != (self._outcome == "failed")):
            return False
        return self._only(call.name)

    def _object(self, call: Call) -> dict[str, Any]:
        self._json += 1
        ticks = call.ticks
        result = call.result
        begun = self._clock.ns(call.enter_tsc)
        return {
            "time_ns": begun,
            "wall_ns": self._clock.wall_ns(call.enter_tsc),
            "tid": call.tid,
            "thread": self._names.get(call.tid),
            "call": call.name,
            "args": [
                {"pos": a.pos, "name": a.name, "kind": a.kind, "value": _value(a.value), "length": a.length}
                for a in (*call.inputs, *call.outputs)
            ],
            "result": result,
            "result_text": returned(result) if result is not None else None,
            "duration_ns": None if ticks is None else self._clock.span_ns(ticks),
            "entry_seen": call.enter is not None,
            "finished": call.exit is not None,
        }

    def close(self) -> list[str]:
        lines = self._formatter.close()
        return [*lines, *self._formatter.table()] if self._summary else lines

    def shown(self) -> int:
        return self._json or self._formatter.shown

    def closing(self, follow: Follow) -> list[str]:
        if self._json:
            self._formatter.shown = self._json
        return [self._formatter.closing(follow.loss)]


def _value(value: int | bytes) -> int | str:
    """Bytes as Latin-1 text: each character is one byte."""
    return value.decode("latin-1") if isinstance(value, bytes) else value


def stream(target: Any, *, times: bool = True, **options: Any) -> Stream:
    """Calls; trace points of a guest without a region whose kernel records those (``times``: with theirs)."""
    if target.region is None:
        target.walker("trace")
        from uniobs_probes.views.points_stream import PointStream

        return PointStream(times=times, **options)
    return StraceStream(target, **options)
