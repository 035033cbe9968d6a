"""Verdict: uniobs why in full; what it says to do next can be chosen."""

import io
import shlex
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from uniobs.cli.commands import why
from uniobs.cli.output import Output
from uniobs.model.text import safe
from uniobs_tui.judge import Judge, Judgement
from uniobs_tui.lines_view import Line, LinesView, folded, head, wrapped
from uniobs_tui.panes.parts import TextPane
from uniobs_tui.session import Session

# a command -> the pane that shows the same
PANES: Final = {
    "bt": "threads", "ps": "threads", "top": "threads", "strace": "trace", "tcpdump": "packets",
    "netstat": "sockets", "ss": "sockets", "dmesg": "log", "vmstat": "memory", "counters": "counters",
}  # fmt: skip


class Verdict(NamedTuple):
    judgement: Judgement
    lines: tuple[tuple[str, str], ...]  # what why prints below its first line, with looks
    next: tuple[str, ...]


class Kept(Output):
    """Lines that a command prints, with their looks."""

    def __init__(self) -> None:
        super().__init__(io.StringIO(), io.StringIO(), color="never")
        self.rows: list[tuple[str, str]] = []

    def line(self, text: str = "", style: str | None = None) -> None:
        self.rows.append((text.replace("\t", "        "), style or ""))

    def styled(self, parts: Sequence[tuple[str, str | None]]) -> None:
        self.rows.append(("".join(text for text, _ in parts), ""))


class VerdictPane(TextPane):
    name_, title, key_ = "verdict", "Verdict", "w"

    def __init__(self) -> None:
        super().__init__()
        self._judge = Judge()
        self._told: Verdict | None = None

    def look(self, session: Session, wish: Any) -> Verdict:
        found = self._judge.judge(session)
        if self._told is None or self._told.judgement is not found:
            self._told = told(session, found)
        return self._told

    def lay_out(self, value: Verdict) -> Callable[[int, int], Any]:
        return lambda room, _height: layout(value, room)

    def on_lines_view_chosen(self, message: LinesView.Chosen) -> None:
        command = str(message.key)
        words = command.split()
        pane = PANES.get(words[1]) if len(words) > 1 else None
        if pane is not None:
            self.post_message(self.Open(pane, {}))
        else:
            self.notify(safe(command), title="In a terminal", markup=False)


def told(session: Session, found: Judgement) -> Verdict:
    """Raises UniobsError."""
    out = Kept()
    out.spec = session.spec
    target = session.target
    why.explain_found(out, target, list(found.found), list(found.unknown))
    name = shlex.quote(session.spec)
    return Verdict(found, tuple(out.rows), tuple(why.next_commands(name, target, list(found.found))))


def layout(value: Verdict, room: int) -> list[Line]:
    lines = wrapped(value.judgement.text, room, value.judgement.style)
    lines += wrapped(value.judgement.about, room, "dim")
    for text, look in value.lines:
        indent = " " * (len(text) - len(text.lstrip()) + 4)
        lines += folded(text, room, look, indent)
    lines += [Line(), head("Next", room, "Enter opens it")]
    lines += [Line((("  " + command, ""),), command) for command in value.next]
    return lines


