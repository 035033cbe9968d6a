"""Stacks: those of all threads, the crashed one's first, threads with the same one together."""

from collections.abc import Callable
from typing import Any

from uniobs.cli.report.context import Context, Options
from uniobs.cli.report.model import Section, StackGroup, Stacks
from uniobs.cli.report.stackrows import stack_rows
from uniobs.cli.report.words import function, members, spot, title
from uniobs.errors import NotOffered
from uniobs.model.text import pad, safe, width
from uniobs_tui.judge import Judge
from uniobs_tui.lines_view import Line, LinesView, cut, folded, line, wrapped
from uniobs_tui.panes.parts import TextPane
from uniobs_tui.session import Session
from uniobs_tui.source_view import NAMES, REPEATS, TRUST


class StacksPane(TextPane):
    name_, title, key_ = "stacks", "Stacks", "b"

    def __init__(self) -> None:
        super().__init__()
        self._judge = Judge()

    def look(self, session: Session, wish: Any) -> Section:
        context = Context(session.target, Options())
        context.codes_left = 0  # source and instructions are the threads pane's
        found = self._judge.judge(session).found
        context.told = frozenset(found[0].threads) if found else frozenset()
        section = stack_rows(context)
        if section.body is None:
            raise NotOffered(section.reason or "none can be had")
        return section

    def lay_out(self, value: Section) -> Callable[[int, int], Any]:
        return lambda room, _height: layout(value, room)

    def on_lines_view_chosen(self, message: LinesView.Chosen) -> None:
        if isinstance(message.key, int):
            self.post_message(self.Open("threads", {"tid": message.key}))


def layout(section: Section, room: int) -> list[Line]:
    lines: list[Line] = []
    assert isinstance(section.body, Stacks)
    for number, group in enumerate(section.body.groups):
        lines += [*([Line()] if number else []), *_group(group, room)]
    for note in section.notes:
        lines += [Line(), *wrapped(note, room, "dim")]
    return lines


def _group(group: StackGroup, room: int) -> list[Line]:
    look = "bad" if group.threads[0].crashed or group.told else "head"
    lines = [Line(cut(((title(group), look),), room), group.threads[0].tid)]
    lines += [Line(cut((("  " + text, ""),), room)) for text in members(group)]
    if group.error:
        lines += folded(f"  no stack: {group.error}", room, "dim")
    names = min(NAMES, max((width(safe(function(f))) for f in group.frames), default=0))
    spots = min(NAMES, max((width(safe(spot(f))) for f in group.frames), default=0))
    digits = max(2, len(str(len(group.frames))))
    last, same, skipped = "", 0, 0
    for number, frame in enumerate(group.frames):
        what = f"{function(frame)} {spot(frame)} {frame.how}"
        same = same + 1 if what == last else 0
        last = what
        if same >= REPEATS and number + 1 < len(group.frames):
            skipped += 1
            continue
        if skipped:
            lines.append(line(f"  ...  {skipped} more of the same", "dim"))
        skipped = 0
        sure = frame.trust in TRUST and not frame.unproven
        spans = (
            (f"  #{frame.level:<{digits}} ", "dim"),
            (pad(safe(function(frame)), names), ""),
            ("  " + pad(safe(spot(frame)), spots), ""),
            ("  " + frame.how, "dim" if sure else "warn"),
        )
        lines.append(Line(cut(spans, room)))
    if group.note:
        lines += folded(f"  ({group.note})", room, "dim", "   ")
    return lines
