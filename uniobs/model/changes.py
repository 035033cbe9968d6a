"""What changed between two answers of one view: rows that came, rows that went, values that moved."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from uniobs.model.view import Column, Table

Text = Callable[[Column, Any], str]


class Moved(NamedTuple):
    """One value: its column, before and after as text, and the difference when both are numbers."""

    column: Column
    before: str
    after: str
    by: int | float | None


class Change(NamedTuple):
    """``row`` is the later one, but for a row that went."""

    kind: Literal["+", "-", "~"]
    key: tuple[Any, ...]
    row: Any
    moved: tuple[Moved, ...] = ()


def changes(old: Table, new: Table, identity: Sequence[str], text: Text) -> list[Change]:
    """By identity, in the later table's order, what went at the end. Rows of the same identity are taken in
    their order. ``text`` makes a cell of a column and a row, as the tables show it."""
    before, after = _by_key(old, identity), _by_key(new, identity)
    found = []
    for key, row in after.items():
        earlier = before.get(key)
        if earlier is None:
            found.append(Change("+", key, row))
        elif moved := tuple(_moved(new.columns, earlier, row, identity, text)):
            found.append(Change("~", key, row, moved))
    found += [Change("-", key, row) for key, row in before.items() if key not in after]
    return found


def _by_key(table: Table, identity: Sequence[str]) -> dict[tuple[Any, ...], Any]:
    rows: dict[tuple[Any, ...], Any] = {}
    for row in table.rows:
        key = tuple(_value(row, name) for name in identity)
        number = 0
        while (*key, number) in rows:
            number += 1
        rows[(*key, number)] = row
    return rows


def _moved(columns: Sequence[Column], old: Any, new: Any, identity: Sequence[str], text: Text) -> list[Moved]:
    found = []
    for column in columns:
        if column.key in identity:
            continue
        before, after = text(column, old), text(column, new)
        if before != after:
            a, b = _value(old, column.key), _value(new, column.key)
            numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (a, b))
            found.append(Moved(column, before, after, b - a if numbers else None))
    return found


def _value(row: Any, key: str) -> Any:
    return row.get(key) if isinstance(row, Mapping) else getattr(row, key, None)
