"""A table alone in an app, driven by keys as a person does it."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any

from textual.app import App, ComposeResult
from textual.pilot import Pilot

from uniobs.model.view import Column, Table
from uniobs_tui.sources import TableSource
from uniobs_tui.table import LineTable


@dataclass(frozen=True)
class Row:
    tid: int
    name: str
    cpu: float | None = None


COLUMNS = (Column("tid", "TID", "right"), Column("name", "NAME"), Column("cpu", "%CPU", "right"))


def source(*rows: Row) -> TableSource:
    return TableSource(Table(COLUMNS, rows), "tid")


ROWS = (Row(1, "main", 0.5), Row(2, "idle", None), Row(3, "worker-1", 12.0), Row(4, "worker-2", 3.0))


class Shown(App[None]):
    def __init__(self, first: Any, **options: Any) -> None:
        super().__init__()
        self.first, self.options = first, options
        self.chosen: list[Hashable] = []

    def compose(self) -> ComposeResult:
        yield LineTable(**self.options)

    def on_mount(self) -> None:
        self.query_one(LineTable).show(self.first)
        self.query_one(LineTable).focus()

    def on_line_table_chosen(self, message: LineTable.Chosen) -> None:
        self.chosen.append(message.key)


def drive(
    first: Any,
    script: Callable[[Pilot[None], LineTable], Awaitable[Any]],
    size: tuple[int, int] = (40, 8),
    **options: Any,
) -> None:
    async def main() -> None:
        app = Shown(first, **options)
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await script(pilot, app.query_one(LineTable))

    asyncio.run(main())


def names(table: LineTable) -> list[str]:
    rows = [table.row_at(place) for place in range(table.count)]
    assert isinstance(table.source, TableSource)
    return [table.source.row(row).name for row in rows if row is not None]
