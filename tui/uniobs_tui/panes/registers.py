"""Registers: of vCPUs, of a panic, of stopped threads; each with what it points at."""

from collections.abc import Callable
from typing import Any, NamedTuple

from uniobs.cli.report.context import Context, Options
from uniobs.cli.report.model import Registers, Section
from uniobs.cli.report.registers import MAIN, registers
from uniobs.errors import NotOffered
from uniobs_tui.judge import Judge
from uniobs_tui.lines_view import Line, LinesView, cut, head, wrapped
from uniobs_tui.panes.parts import TextPane
from uniobs_tui.session import Session


class Found(NamedTuple):
    section: Section


class RegistersPane(TextPane):
    name_, title, key_ = "registers", "Registers", "r"

    def __init__(self) -> None:
        super().__init__()
        self._judge = Judge()

    def look(self, session: Session, wish: Any) -> Found:
        context = Context(session.target, Options())
        found = self._judge.judge(session).found
        context.told = frozenset(found[0].threads) if found else frozenset()
        section = registers(context)
        if section.body is None:
            raise NotOffered(section.reason or "none are held")
        return Found(section)

    def lay_out(self, value: Found) -> Callable[[int, int], Any]:
        return lambda room, _height: layout(value.section, room)

    def on_lines_view_chosen(self, message: LinesView.Chosen) -> None:
        if isinstance(message.key, tuple):
            self.post_message(self.Open("hex", {"address": message.key[1]}))


def layout(section: Section, room: int) -> list[Line]:
    lines: list[Line] = []
    assert isinstance(section.body, Registers)
    for number, one in enumerate(section.body.sets):
        cpu = f" of CPU {one.cpu}" if one.cpu is not None else ""
        lines += [*([Line()] if number else []), head(f"{one.source}{cpu}", room)]
        rest = []
        for row in one.rows:
            if row.name in MAIN or row.what:
                value = (f"{row.value:016x}  ", "bold" if row.value else "dim")
                spans = ((f"{row.name:<8} ", "dim"), value, (row.what or "", ""))
                lines.append(Line(cut(spans, room), (f"{number}{row.name}", row.value)))
            else:
                rest.append(f"{row.name} {row.value:x}")
        lines += wrapped("   ".join(rest), room, "dim") if rest else []
        if one.unknown:
            lines += wrapped(f"not known: {', '.join(one.unknown)}", room, "dim")
    for note in section.notes:
        lines += [Line(), *wrapped(note, room, "dim")]
    return lines
