"""The overview as lines for the room there is. No widgets here."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from uniobs.model.findings import FINDING
from uniobs.model.text import pad, safe, size_text, span_text, width
from uniobs_tui.graph import ACROSS, bar, plot
from uniobs_tui.judge import Judgement
from uniobs_tui.lines_view import Line, columns, cut, folded, head, line, wrapped
from uniobs_tui.samples import Rates
from uniobs_tui.source_view import StackText, detail_lines, frame_lines

THREADS: Final = 64
STACK_MIN: Final = 12  # lines that a stack is worth showing in
DETAIL_MAX: Final = 24
STATES: Final = {"R": "running", "S": "waiting", "D": "on a mutex", "Z": "exited", "?": "unknown"}


class Facts(NamedTuple):
    verdict: Judgement
    late_s: float  # how old the verdict is
    rates: tuple[Rates, ...]
    more: bool  # of the past is still to be looked at
    heap: tuple[int | None, int | None]
    threads: Sequence[Any]  # rows of ps, those that matter first
    threads_why: str
    crashed: int | None
    cpu: dict[int, float]
    sockets: tuple[tuple[str, int], ...] | None
    counted: tuple[str, ...]
    log: tuple[str, ...]
    log_why: str
    next: tuple[str, ...]
    stack: StackText | None  # of a core: the thread that the verdict is about


def layout(value: Facts, room: int, height: int) -> list[Line]:
    lines = _verdict(value, room, height)
    lines += _graphs(value, room, height)
    left_room = max(20, room) if room < 100 else (room - 3) // 2
    tail = 2 if height >= 22 else 0
    lower = height - len(lines) - tail  # the last lines: what to type next
    threads = _thread_lines(value, left_room, max(5, lower - (3 if room < 100 else 0)))
    log_room = lower - (len(threads) if room < 100 else 0)
    if value.stack is not None:  # there's something better to show below
        log_room = min(log_room, max(len(threads), 8))
    log = _log_lines(value, left_room, max(2, log_room))
    lines += columns(threads, log, left_room, 3) if room >= 100 else [*threads, *log]
    free = height - len(lines) - tail
    if value.stack is not None and free >= STACK_MIN:
        lines += [Line(), *_stack_lines(value.stack, room, free - 1)]
    if tail and lower > 0:
        lines = lines[: height - tail]
        lines += [Line()] * (height - tail - len(lines))
    if tail:
        lines += [Line(), Line(cut((("Next  ", "head"), ("   ".join(value.next), "")), room))]
    return lines


def _stack_lines(stack: StackText, room: int, most: int) -> list[Line]:
    """Where it stands, with source and instructions; nothing in it is chosen here."""
    lines = [row._replace(key=None) for row in frame_lines(stack, room)[: max(3, most // 3)]]
    below = detail_lines(stack, room, min(most - len(lines) - 1, DETAIL_MAX))
    return [*lines, Line(), *below] if below else lines


def _verdict(value: Facts, room: int, height: int) -> list[Line]:
    verdict = value.verdict
    late = f" (as of {span_text(int(value.late_s * 1e9))} ago)" if value.late_s >= 2 else ""
    mark = {"bad": "✗ ", "warn": "! ", "good": "✓ "}.get(verdict.style, "")
    lines = wrapped(mark + verdict.text + late, room, verdict.style)[:3]
    if verdict.style == "bad" and len(verdict.text) < room - 4 and not late:
        lines = []  # the screen says it in its own header
    lines += wrapped(verdict.about, room, "dim")[:1]
    said = [text for one in verdict.found if one.severity < FINDING for text in one.lines]
    most = 0 if height < 22 else max(2, (height - 18) // 2)
    most = most if value.rates else min(height // 2, height - 15)
    if said and most > 0:
        lines += [Line(), *[row for text in said for row in folded("  " + text, room)][:most]]
    lines.append(Line())
    return lines


def _graphs(value: Facts, room: int, height: int) -> list[Line]:
    heap, total = value.heap
    rows = value.rates
    if not rows:
        return _heap(value, room)
    last = rows[-1]
    high = 1 if height < 26 else 3 if height < 36 else 6
    across = 4 if room >= 160 else 2
    each = (room - 3 * (across - 1)) // across
    boxes = [
        _box("CPU", _percent(last.busy), [r.busy for r in rows], 100.0, "100 %", each, high),
        _box(
            "Heap",
            f"{size_text(heap)} of {size_text(total)}" if heap is not None else "-",
            [r.heap for r in rows],
            float(total) if total else max((r.heap for r in rows if r.heap is not None), default=1.0),
            size_text(total) if total else "",
            each,
            high,
        ),
        _box("Packets", _rate(last.packets), [r.packets for r in rows], None, "", each, high),
        _box("Calls", _rate(last.events, " events/s"), [r.events for r in rows], None, "", each, high),
    ]
    lines: list[Line] = []
    for at in range(0, len(boxes), across):
        block = boxes[at]
        for n, box in enumerate(boxes[at + 1 : at + across], 1):
            block = columns(block, box, each * n + 3 * (n - 1), 3)
        lines += block
    return [*lines, Line()]


def _box(
    title: str, now: str, values: Sequence[float | None], top: float | None, most: str, room: int, high: int
) -> list[Line]:  # fmt: skip
    """A graph of the newest values with a line above it: what it is now, and what its full height means."""
    shown = list(values)[-room * ACROSS :]
    known = [v for v in shown if v is not None]
    if top is None and known:
        top = max(1.0, *known)
        most = f"top {top:.0f}/s"
    title_line = Line(((f"{title:<8}", "head"), (now, "bold" if known else "dim")))
    fill = room - width(safe(title_line.text)) - width(most)
    if not known:
        empty = line("  not known of this guest" if not values else "  no look yet", "dim")
        return [title_line, *([Line()] * (high - 1)), empty]
    if fill > 1:
        title_line = Line((*title_line.spans, (" " * fill, ""), (most, "dim")))
    return [title_line, *(line(text, "graph") for text in plot(shown, room, high, top))]


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} %"


def _rate(value: float | None, unit: str = "/s") -> str:
    return "-" if value is None else f"{value:.0f}{unit}"


def _heap(value: Facts, room: int) -> list[Line]:
    used, total = value.heap
    if used is None or not total:
        return []
    text = f"{size_text(used)} of {size_text(total)} used"
    filled = bar(used / total, min(40, room // 3))
    return [Line((("Heap  ", "head"), (filled, "graph"), (f"  {text}", ""))), Line()]


def _thread_lines(value: Facts, room: int, most: int) -> list[Line]:
    if value.threads_why:
        return [head("Threads", room), *wrapped(value.threads_why, room, "dim")[:most]]
    rows = [row for row in value.threads if not row.idle]
    count = Counter(row.stat for row in rows)
    words = ", ".join(f"{count[letter]} {STATES[letter]}" for letter in "RDS?Z" if count[letter])
    lines = [head(f"Threads  {len(rows)}", room, words)]
    shown = rows[: min(THREADS, most - 1 - (value.sockets is not None))]
    names = min(20, max((width(safe(row.name or "-")) for row in shown), default=0))
    for row in shown:
        name = cut(((pad(safe(row.name or "-"), names), ""),), names)
        share = value.cpu.get(row.tid)
        cpu = "" if share is None else f"{share:5.1f}% "
        look = "bad" if row.stat == "D" else "dim" if row.stat in "SZ" else ""
        what = row.wchan if row.wchan and row.wchan != "-" else row.state or "?"
        if row.tid == value.crashed:
            what, look = "crashed", "bad"
        spans = ((f"{row.tid:>3} ", "dim"), *name, (f" {row.stat} ", look), (cpu, ""), (what, look))
        lines.append(Line(cut(spans, room)))
    if len(rows) > len(shown):
        lines[-1] = line(f"    and {len(rows) - len(shown) + 1} more", "dim")
    if value.sockets is not None:
        words = "  ".join(f"{n} {state}" for state, n in value.sockets) or "none"
        spans = (("Sockets ", "head"), (words, ""), *((f"   {text}", "dim") for text in value.counted))
        lines.append(Line(cut(spans, room)))
    return lines


def _log_lines(value: Facts, room: int, most: int) -> list[Line]:
    lines = [head("Log", room)]
    if value.log_why:
        return [*lines, *wrapped(value.log_why, room, "dim")[: most - 1]]
    if not value.log:
        return [*lines, line("nothing was said", "dim")]
    return [*lines, *(Line(cut(((text, ""),), room)) for text in value.log[-(most - 1) :])]
