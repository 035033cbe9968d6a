"""What the guest's rings still hold: calls, log lines, packets, each with what of it was lost or torn."""

from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from uniobs.cli.before import PERIODIC
from uniobs.cli.report.context import Context
from uniobs.cli.report.model import Entry, Lines, Section, State
from uniobs.errors import UniobsError
from uniobs.model import fault, registry
from uniobs.model.guest import Loss

KEPT: Final = 60  # lines of each record
EVENTS: Final = 8192  # of the newest events, as many are looked through
WIDEST: Final = 400  # characters of a line
TIMELINE: Final = 40


def calls(context: Context) -> Section:
    options = {"durations": True, "times": False, "only": (PERIODIC,)}
    return _section(
        context, "calls", "Last calls", "trace", "strace", options, "calls that only sleep are left out"
    )


def log(context: Context) -> Section:
    return _section(context, "log", "Last log lines", "log", "dmesg", {"times": False}, None)


def packets(context: Context) -> Section:
    return _section(context, "packets", "Last packets", "packets", "tcpdump", {"stamp": "none"}, None)


_LANES: Final = {"calls": "call", "log": "log", "packets": "packet"}


def _section(
    context: Context,
    key: str,
    title: str,
    question: str,
    stream_name: str,
    options: dict[str, Any],
    note: str | None,
) -> Section:
    target = context.target
    follow = getattr(target.walker(question), question)()
    items = [*follow.poll(), *follow.flush()]
    notes = [note] if note and items else []
    if len(items) > EVENTS:
        notes.append(f"only the newest {EVENTS} of {len(items)} recorded {question} events were looked at")
    stream = registry.load(registry.STREAMS, stream_name)(target, **options)
    kept: deque[Entry] = deque(maxlen=KEPT)
    total = 0
    for item in items[-EVENTS:]:
        for text in stream.feed([item]):
            kept.append(_entry(item.time_ns, text, getattr(item, "tid", None), _LANES[key]))
            total += 1
    for text in stream.close():
        kept.append(_entry(None, text, None, _LANES[key]))
        total += 1
    loss: Loss = follow.loss
    notes += loss_notes(loss)
    source = context.source_of(question)
    state: State = "ok" if kept else "unknown" if loss.garbled else "empty"
    if not kept:
        why = "its ring is garbled" if loss.garbled else f"no {stream.unit} is recorded"
        return Section(key, title, state, source=source, reason=why, notes=tuple(notes))
    body = Lines(tuple(kept), total - len(kept), loss.lost, loss.torn)
    return Section(key, title, state, body, source, notes=tuple(notes))


def _entry(time_ns: int | None, text: str, tid: int | None, lane: str) -> Entry:
    text = text.rstrip()
    return Entry(time_ns, text if len(text) <= WIDEST else text[:WIDEST] + "...", tid, lane)


def loss_notes(loss: Loss) -> list[str]:
    """What the rings no longer hold."""
    texts = (
        (loss.lost, "slots of older ones were overwritten"),
        (loss.torn, "slots are torn: their writing never finished"),
        (loss.truncated, "were cut by the guest"),
        (loss.garbled, "rings are garbled: what they held is unknown"),
    )
    return [f"{count} {text}" for count, text in texts if count]


def timeline(context: Context, sections: Sequence[Section]) -> Section:
    """The same lines in one order of time, with the guest's death."""
    entries = [
        entry
        for section in sections
        if isinstance(section.body, Lines)
        for entry in section.body.entries
        if entry.time_ns is not None
    ]
    try:
        panic = context.panic
    except UniobsError:
        panic = None
    if panic is not None and panic.time_ns is not None:
        entries.append(Entry(panic.time_ns, fault.cause(panic), panic.tid, "death"))
    if not any(entry.lane != "death" for entry in entries):
        return Section("timeline", "Timeline", "empty", reason="nothing with a time is recorded")
    entries.sort(key=lambda entry: entry.time_ns or 0)
    notes: tuple[str, ...] = ()
    if len(entries) > TIMELINE:
        notes = (f"{len(entries) - TIMELINE} earlier ones are in the sections below",)
    body = Lines(tuple(entries[-TIMELINE:]), max(0, len(entries) - TIMELINE))
    return Section(
        "timeline", "Timeline", "ok", body, "calls, log, packets and the panic record, by time", notes=notes
    )
