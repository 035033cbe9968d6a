"""A thread's stack as lines, and the source and instructions of one of its frames. No widgets here."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from uniobs.cli import stacks
from uniobs.cli.report import code
from uniobs.cli.report.context import Context, Options
from uniobs.cli.report.model import Code, Source
from uniobs.cli.report.sources import Sources
from uniobs.errors import UniobsError
from uniobs.image.machinery import died_at, waits_at
from uniobs.model.guest import Frame, Stack
from uniobs.model.text import pad, safe, width
from uniobs_tui.lines_view import Line, columns, cut, head, line, wrapped

NAMES: Final = 36
REACH: Final = (14, 8, 8)  # source lines before and after, instructions before, instructions after
REPEATS: Final = 3  # of the same frame in a row that are shown
FRAMES_MAX: Final = 400
TRUST: Final = {"registers": "good", "cfi": "good", "return-address": "good"}  # else to be doubted


class FrameText(NamedTuple):
    level: int
    pc: int
    name: str
    spot: str
    how: str
    sure: bool


class StackText(NamedTuple):
    """``matters``: the level of the frame that says where it died or waits; ``detail`` of ``level``."""

    tid: int | None
    title: str
    frames: tuple[FrameText, ...]
    error: str
    note: str
    matters: int | None
    level: int | None
    source: Source | None
    code: Code | None
    code_why: str


class Reader:
    """Stacks of one session's guest; source files are read once. It belongs to the worker's thread."""

    def __init__(self) -> None:
        self._sources = Sources()

    def stack(self, target: Any, tid: int, level: int | None) -> StackText:
        """Of a thread, with what is known of one of its frames; None: of the one that matters."""
        context = Context(target, Options())
        context.sources = self._sources
        panic = context.known_panic
        threads = {thread.tid: thread for thread in stacks.threads_of(target, None, panic)}
        thread = threads.get(tid)
        crashed = panic is not None and panic.tid == tid
        if thread is None:
            return _nothing(tid, f"tid {tid}", "it has ended")
        stack = context.stack(thread)
        frame = died_at(stack, "") if crashed else waits_at(stack)
        words = "crashed" if crashed else stacks.state_words(thread, context.waits)
        title = f"{thread.name or 'thread'} (tid {tid}): {'the idle thread' if thread.idle else words}"
        return _text(context, tid, title, stack, frame, level)

    def of_cpu(self, target: Any, number: int, level: int | None) -> StackText:
        """Of a vCPU, for guests whose threads nobody knows. Raises UniobsError."""
        context = Context(target, Options())
        context.sources = self._sources
        found = dict(stacks.stacks_of_vcpus(target))
        stack = found.get(number)
        if stack is None:
            return _nothing(None, f"vCPU {number}", "there's no such vCPU")
        return _text(context, None, f"vCPU {number}", stack, waits_at(stack), level)


def _nothing(tid: int | None, title: str, why: str) -> StackText:
    return StackText(tid, title, (), why, "", None, None, None, None, "")


def _text(
    context: Context, tid: int | None, title: str, stack: Stack, frame: Frame | None, level: int | None
) -> StackText:
    frames = stack.frames[:FRAMES_MAX]
    matters = frame.level if frame is not None else None
    wanted = matters if level is None else level
    chosen = next((f for f in frames if f.level == wanted), frames[0] if frames else None)
    source, insns, why = _detail(context, chosen) if chosen is not None else (None, None, "")
    return StackText(
        *(tid, title, tuple(_row(f) for f in frames), stack.error or "", stack.note or "", matters),
        *(chosen.level if chosen is not None else None, source, insns, why),
    )


def _row(frame: Frame) -> FrameText:
    sure = frame.trust in TRUST and not frame.unproven
    name = stacks.frame_name(frame)
    return FrameText(frame.level, frame.pc, name, stacks.frame_spot(frame), stacks.how(frame), sure)


def _detail(context: Context, frame: Frame) -> tuple[Source | None, Code | None, str]:
    try:
        call = frame.trust != "registers"
        source, insns = code.around(context, frame.file, frame.line, frame.pc, call=call, reach=REACH)
    except UniobsError as error:
        return None, None, str(error)
    return source, insns, "" if insns is not None else "its instructions can't be read"


# --- as lines -----------------------------------------------------------------------------------------


def frame_lines(stack: StackText, room: int) -> list[Line]:
    """A heading and a line a frame; a frame's key is its level."""
    lines = [Line(cut(((stack.title, "head"),), room))]
    if stack.error:
        lines += wrapped(f"no stack: {stack.error}", room, "dim")
    names = min(NAMES, max((width(safe(f.name)) for f in stack.frames), default=0))
    spots = min(NAMES, max((width(safe(f.spot)) for f in stack.frames), default=0))
    digits = max(2, len(str(len(stack.frames))))
    last, same, skipped = "", 0, 0
    for number, frame in enumerate(stack.frames):
        what = f"{frame.name} {frame.spot} {frame.how}"
        same = same + 1 if what == last else 0
        last = what
        if same >= REPEATS and number + 1 < len(stack.frames):
            skipped += 1
            continue
        if skipped:
            lines.append(line(f"     {skipped} more of the same", "dim"))
        skipped = 0
        look = "bold" if frame.level == stack.matters else ""
        name = cut(((pad(safe(frame.name), names), look),), names)
        spans = (
            (f"#{frame.level:<{digits}} ", "dim"),
            *name,
            ("  " + pad(safe(frame.spot), spots), look),
            ("  " + frame.how, "dim" if frame.sure else "warn"),
        )
        lines.append(Line(cut(spans, room), frame.level))
    if stack.note:
        lines += wrapped(f"({stack.note})", room, "dim")
    return lines


def detail_lines(stack: StackText, room: int, height: int) -> list[Line]:
    """Source beside instructions where there's room, else below each other; both around what matters."""
    if stack.level is None:
        return []
    if room >= 150:
        left = (room - 2) // 2
        source = source_lines(stack.source, left, height)
        return columns(source, code_lines(stack, room - left - 2, height), left, 2)
    below = code_lines(stack, room, max(5, height // 3))
    if height < 9 and stack.source is not None and stack.source.lines:
        below = code_lines(stack, room, height)  # seen when it is scrolled
    return [*source_lines(stack.source, room, height if height < 9 else height - len(below)), *below]


def _around(count: int, at: int, most: int) -> tuple[int, int]:
    """Which of so many lines are shown, so that one is in their middle."""
    first = max(0, min(at - most // 2, count - most))
    return first, min(count, first + max(most, 1))


def source_lines(source: Source | None, room: int, height: int) -> list[Line]:
    if source is None:
        return [head("Source", room), line("which line it is isn't known", "dim")]
    name = (source.path or source.file).rsplit("/", 1)[-1]
    lines = [head(f"{name}:{source.line}", room)]
    if source.note:
        lines += wrapped(source.note, room, "warn" if source.lines else "dim")
    digits = len(str(source.first + len(source.lines)))
    low, high = _around(len(source.lines), source.line - source.first, height - len(lines))
    for number, text in enumerate(source.lines[low:high], source.first + low):
        here = number == source.line
        spans = (
            ("▶ " if here else "  ", "mark"),
            (f"{number:>{digits}}  ", "mark" if here else "dim"),
            (text.expandtabs(4), "bold" if here else ""),
        )
        lines.append(Line(cut(spans, room)))
    return lines


def code_lines(stack: StackText, room: int, height: int) -> list[Line]:
    found = stack.code
    if found is None:
        return [head("Instructions", room), line(stack.code_why or "not known", "dim")]
    held = "" if found.from_memory else "the image's: memory doesn't hold them"
    lines = [head(found.function or "Instructions", room, held)]
    if found.note:
        lines += wrapped(found.note, room, "dim")
    names = min(NAMES, max((width(safe(found.offset(row))) for row in found.rows), default=0))
    marked = next((n for n, row in enumerate(found.rows) if row.marked), 0)
    low, high = _around(len(found.rows), marked, height - len(lines))
    for row in found.rows[low:high]:
        spans = (
            ("▶ " if row.marked else "  ", "mark"),
            (f"{row.address:x}  {pad(safe(found.offset(row)), names)}  ", "mark" if row.marked else "dim"),
            (row.text, "bold" if row.marked else ""),
        )
        lines.append(Line(cut(spans, room)))
    return lines


Lay = Callable[[int, int], Sequence[Line]]


def frames_layout(stack: StackText) -> Lay:
    return lambda room, _height: frame_lines(stack, room)


def detail_layout(stack: StackText) -> Lay:
    return lambda room, height: detail_lines(stack, room, height)


