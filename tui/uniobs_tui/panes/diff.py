"""Diff: what changed from a marked moment to the one that is shown."""

import time
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from textual.widget import Widget
from textual.widgets import Static

from uniobs.cli import compared
from uniobs.cli.compared import Look
from uniobs.errors import NotOffered
from uniobs.model.view import Column, Table
from uniobs_tui.panes.parts import PartPane
from uniobs_tui.session import Session
from uniobs_tui.sources import TableSource
from uniobs_tui.table import LineTable
from uniobs_tui.worker import Answer

NS: Final = 10**9
BACK_NS: Final = 10 * NS  # without a mark: so long before
COLUMNS: Final = (
    Column("kind", " "),
    Column("table", "TABLE"),
    Column("what", "WHAT"),
    Column("moved", "WHAT CHANGED", text=lambda row: row["moved"] or ""),
)
WORDS: Final = {"+": "new", "-": "gone"}


class Differences(NamedTuple):
    source: TableSource
    since: int
    until: int
    marked: bool
    notes: tuple[str, ...]


class DiffSource(TableSource):
    def style(self, index: int) -> str:
        return {"+": "good", "-": "bad"}.get(self.row(index)["kind"], "")


class DiffPane(PartPane):
    name_, title, key_ = "diff", "Diff", "D"
    DEFAULT_CSS = """
    DiffPane.-wide .beside { layout: vertical; }
    DiffPane #between { height: 1; color: $text-muted; }
    """

    @classmethod
    def applies_to(cls, target: Any) -> bool:
        return bool(target.live or target.kind == "recording")

    def __init__(self) -> None:
        super().__init__()
        self._before: tuple[int, Look] | None = None  # worker's thread

    def parts(self) -> Iterable[Widget]:
        yield Static(id="between", markup=False)
        yield LineTable()

    def ask(self, session: Session) -> Any:
        return self.look(session, self.wish)  # another mark is another answer

    def look(self, session: Session, wish: Any) -> Differences:
        bounds = session.bounds()
        if bounds is None:
            raise NotOffered("there is one moment only: nothing to compare it with")
        until = session.moment if session.moment is not None else bounds[1]
        since = session.mark if session.mark is not None else max(until - BACK_NS, bounds[0])
        if self._before is None or self._before[0] != since:
            self._before = since, compared.look(session.other(since))
        found = compared.compared(self._before[1], compared.look(session.target))
        rows = [
            {
                "kind": change.kind,
                "table": compared.title(name),
                "what": compared.label(change),
                "moved": WORDS.get(change.kind) or "   ".join(compared.moved_texts(change)),
                "key": (name, change.key),
            }
            for name, changes in found.changes.items()
            for change in changes
        ]
        source = DiffSource(Table(COLUMNS, rows), "key")
        return Differences(source, since, until, session.mark is not None, tuple(found.notes))

    def fill(self, value: Differences, answer: Answer) -> None:
        self.query_one(LineTable).show(value.source)
        span = (value.until - value.since) / NS
        how = "marked" if value.marked else "M marks another"
        then, now = _clock(value.since), _clock(value.until)
        text = f"{then} ({how})  ->  {now}, {abs(span):.1f} s {'later' if span >= 0 else 'earlier'}: "
        text += f"{len(value.source)} changes" if len(value.source) else "nothing changed"
        self.query_one("#between", Static).update(text)
        self.foot(value.notes)


def _clock(moment: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(moment // NS)) + f".{moment % NS // 100_000_000}"
