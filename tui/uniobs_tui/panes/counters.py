"""Counters: what the guest counts, and how fast each one grows."""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from textual.widget import Widget

from uniobs.model import registry
from uniobs.model.view import Column, Table
from uniobs_tui.panes.parts import PartPane
from uniobs_tui.session import Session
from uniobs_tui.sources import TableSource
from uniobs_tui.table import LineTable
from uniobs_tui.worker import Answer

COLUMNS: Final = (
    Column("name", "NAME"),
    Column("value", "VALUE", "right", width=12),
    Column("rate", "RATE", "right", text=lambda row: rate_text(row["rate"]), width=10),
    Column("unit", "UNIT"),
    Column("kind", "KIND"),
)


class Counters(NamedTuple):
    source: TableSource
    notes: tuple[str, ...]


def rate_text(value: float | None) -> str:
    """12/s, 0.5/s; nothing moved is a dot."""
    if value is None:
        return "-"
    if not value:
        return "·"
    return f"{value:.1f}/s" if value < 10 else f"{value:.0f}/s"


class CounterSource(TableSource):
    def style(self, index: int) -> str:
        row = self.row(index)
        if row["rate"]:
            return "bold"
        return "dim" if not row["value"] else ""


def counters_of(session: Session) -> Counters:
    """Raises UniobsError when nobody tells."""
    table: Table = registry.load(registry.VIEWS, "counters").rows(session.target)
    rates = session.samples.counter_rates(session.moment)
    rows: list[dict[str, Any]] = [
        {
            "name": row.name or "?",
            "value": row.value,
            "unit": None if row.unit in (None, "", "none") else row.unit,
            "kind": row.kind,
            "rate": rates.get(row.name) if row.name and row.kind == "counter" else None,
        }
        for row in table.rows
    ]
    notes = list(table.notes)
    if not rates:
        notes.append("rates need two looks close to each other")
    return Counters(CounterSource(Table(COLUMNS, rows), "name"), tuple(notes))


class CountersPane(PartPane):
    name_, title, key_ = "counters", "Counters", "c"
    question = "counters"

    def parts(self) -> Iterable[Widget]:
        yield LineTable()

    def look(self, session: Session, wish: Any) -> Counters:
        return counters_of(session)

    def fill(self, value: Counters, answer: Answer) -> None:
        self.query_one(LineTable).show(value.source)
        self.foot(value.notes)
