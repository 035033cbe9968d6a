"""Devices: virtio queues, how far the guest and its VMM have come with each."""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from textual.widget import Widget

from uniobs.cli.report.context import Context, Options
from uniobs.cli.report.tables import devices
from uniobs.errors import NotOffered
from uniobs.model.view import Column, Table
from uniobs_tui.graph import bar
from uniobs_tui.panes.parts import PartPane
from uniobs_tui.session import Session
from uniobs_tui.sources import TableSource
from uniobs_tui.table import LineTable
from uniobs_tui.worker import Answer

BAR: Final = 12


def _flight(row: Any) -> str:
    share = row["in_flight"] / row["size"] if row["size"] else None
    return f"{bar(share, BAR)} {row['in_flight']}"


COLUMNS: Final = (
    Column("device", "DEVICE"),
    Column("index", "QUEUE", "right"),
    Column("size", "SIZE", "right"),
    Column("offered", "OFFERED", "right", "by the guest"),
    Column("taken", "TAKEN", "right", "by the VMM"),
    Column("returned", "RETURNED", "right", "by the VMM"),
    Column("waiting", "WAITING", "right", "offered and not taken"),
    Column("in_flight", "IN FLIGHT", text=_flight),
)


class Queues(NamedTuple):
    source: TableSource
    notes: tuple[str, ...]


class QueueSource(TableSource):
    def style(self, index: int) -> str:
        row = self.row(index)
        return "" if row["offered"] else "dim"


def queues_of(session: Session) -> Queues:
    """Raises NotOffered for all but a running QEMU guest that answers."""
    target = session.target
    if session.moment is not None:
        raise NotOffered("how far its VMM came with each virtio queue isn't recorded: it is known only now")
    section = devices(Context(target, Options()))
    body: Any = section.body
    if body is None:
        raise NotOffered(section.reason or "no virtio queue is in use")
    rows = [_row(row, number) for number, row in enumerate(body.tables[0].rows)]
    return Queues(QueueSource(Table(COLUMNS, rows), "key"), (f"source: {section.source}", *section.notes))


def _row(row: dict[str, Any], number: int) -> dict[str, Any]:
    return {**row, "waiting": row["offered"] - row["taken"] & 0xFFFF, "key": number}


class DevicesPane(PartPane):
    name_, title, key_ = "virtio", "Devices", "v"

    @classmethod
    def applies_to(cls, target: Any) -> bool:
        info = getattr(target.origin, "info", None)
        return bool(target.live and info is not None and info.qmp is not None)

    def parts(self) -> Iterable[Widget]:
        yield LineTable()

    def look(self, session: Session, wish: Any) -> Queues:
        return queues_of(session)

    def fill(self, value: Queues, answer: Answer) -> None:
        self.query_one(LineTable).show(value.source)
        self.foot(value.notes)


