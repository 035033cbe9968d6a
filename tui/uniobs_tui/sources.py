"""What a table shows: rows on demand, so that its length costs nothing."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Protocol

from uniobs.cli.render import cell, field
from uniobs.model.text import UNKNOWN, width
from uniobs.model.view import Column, Table

MEASURED = 256  # rows whose cells say how wide columns begin


class Source(Protocol):
    """Rows by index. ``cells`` are safe for a terminal; ``key`` stays with a row when others come or go.

    A source may have more: ``find(key)`` -> index or None; ``values(column, indexes)`` -> what to sort by
    (numbers, text, None for unknown); ``column(number)`` -> a whole numeric column as a numpy array, or None;
    ``log`` and ``base`` of one that grows: sources of the same ``log`` hold the same rows, and ``base`` is
    the number of the first one in it.
    """

    headers: Sequence[str]
    aligns: Sequence[str]  # "left" or "right"

    def __len__(self) -> int: ...

    def cells(self, start: int, stop: int) -> Sequence[Sequence[str]]: ...

    def key(self, index: int) -> Hashable: ...

    def style(self, index: int) -> str:
        """The name of a row's look: "", "bad", "warn", "good", "dim", "bold"."""

    def widths(self) -> Sequence[int]:
        """Cells that each column needs, as far as known: the table makes room for what it shows."""


def find(source: Source, key: Hashable) -> int | None:
    """The row with this key. Sources that can't tell are searched at their first rows."""
    finder: Callable[[Hashable], int | None] | None = getattr(source, "find", None)
    if finder is not None:
        return finder(key)
    return next((i for i in range(min(len(source), 4096)) if source.key(i) == key), None)


def values(source: Source, column: int, indexes: Sequence[int]) -> Sequence[Any]:
    """What rows are sorted by in a column: their texts when the source knows nothing better."""
    teller: Callable[[int, Sequence[int]], Sequence[Any]] | None = getattr(source, "values", None)
    if teller is not None:
        return teller(column, indexes)
    return [source.cells(i, i + 1)[0][column] for i in indexes]


class TableSource:
    """A view's Table; ``key`` names the field that tells its rows apart. Cells are made to be drawn."""

    def __init__(self, table: Table, key: str, columns: Sequence[Column] | None = None) -> None:
        self.table = table
        self.columns = tuple(columns or table.columns)
        self.headers: Sequence[str] = tuple(column.header for column in self.columns)
        self.aligns: Sequence[str] = tuple(column.align for column in self.columns)
        self._keys = [_key(field(row, key), number) for number, row in enumerate(table.rows)]
        self._widths = [max(column.width, width(column.header)) for column in self.columns]
        for row in self.cells(0, MEASURED):
            self._widths = [max(had, width(text)) for had, text in zip(self._widths, row, strict=True)]

    def __len__(self) -> int:
        return len(self._keys)

    def cells(self, start: int, stop: int) -> Sequence[Sequence[str]]:
        return [tuple(cell(column, row) for column in self.columns) for row in self.table.rows[start:stop]]

    def key(self, index: int) -> Hashable:
        return self._keys[index]

    def find(self, key: Hashable) -> int | None:
        try:
            return self._keys.index(key)
        except ValueError:
            return None

    def row(self, index: int) -> Any:
        return self.table.rows[index]

    def values(self, column: int, indexes: Sequence[int]) -> Sequence[Any]:
        what, rows = self.columns[column], self.table.rows
        found = []
        for index in indexes:
            value = field(rows[index], what.key)
            if value is None and what.text is not None:
                value = cell(what, rows[index])
                value = None if value == UNKNOWN else value
            found.append(value if isinstance(value, int | float | str | None) else cell(what, rows[index]))
        return found

    def style(self, index: int) -> str:
        return ""

    def widths(self) -> Sequence[int]:
        return self._widths


def _key(value: Any, number: int) -> Hashable:
    return value if value is not None and isinstance(value, Hashable) else number
