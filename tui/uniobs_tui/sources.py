"""What a table shows: rows on demand, so that its length costs nothing."""

from collections.abc import Hashable, Sequence
from typing import Any, Protocol

from uniobs.cli.render import cell, field
from uniobs.model.text import width
from uniobs.model.view import Column, Table


class Source(Protocol):
    """Rows by index. ``cells`` are safe for a terminal; ``key`` stays with a row when others come or go."""

    headers: Sequence[str]
    aligns: Sequence[str]  # "left" or "right"

    def __len__(self) -> int: ...

    def cells(self, start: int, stop: int) -> Sequence[Sequence[str]]: ...

    def key(self, index: int) -> Hashable: ...

    def style(self, index: int) -> str:
        """The name of a row's look: "", "bad", "warn", "good", "dim", "bold"."""

    def widths(self) -> Sequence[int]:
        """Cells that each column needs, as far as known."""


class TableSource:
    """A view's Table; ``key`` names the field that tells its rows apart."""

    def __init__(self, table: Table, key: str, columns: Sequence[Column] | None = None) -> None:
        self.table = table
        self._key = key
        self.columns = tuple(columns or table.columns)
        self.headers = tuple(column.header for column in self.columns)
        self.aligns = tuple(column.align for column in self.columns)
        self._cells = [tuple(cell(column, row) for column in self.columns) for row in table.rows]

    def __len__(self) -> int:
        return len(self._cells)

    def cells(self, start: int, stop: int) -> Sequence[Sequence[str]]:
        return self._cells[start:stop]

    def key(self, index: int) -> Hashable:
        value: Any = field(self.table.rows[index], self._key)
        return value if isinstance(value, Hashable) else index

    def row(self, index: int) -> Any:
        return self.table.rows[index]

    def style(self, index: int) -> str:
        return ""

    def widths(self) -> Sequence[int]:
        found = [max(column.width, width(column.header)) for column in self.columns]
        for row in self._cells:
            for number, text in enumerate(row):
                found[number] = max(found[number], width(text))
        return found
