"""What changed between two answers of a view."""

from typing import Any

import pytest

from support.cli import uniobs
from uniobs.cli.render import cell
from uniobs.model.changes import changes
from uniobs.model.view import Column, Table

COLUMNS = (
    Column("tid", "TID"),
    Column("name", "NAME"),
    Column("time", "TIME", text=lambda row: f"{row['time']}s"),
)


def table(*rows: tuple[int, str, Any]) -> Table:
    return Table(COLUMNS, [dict(zip(("tid", "name", "time"), row, strict=True)) for row in rows])


def told(old: Table, new: Table, *identity: str) -> list[tuple[Any, ...]]:
    found = changes(old, new, identity, cell)
    return [(c.kind, c.key, *((m.column.header, m.before, m.after, m.by) for m in c.moved)) for c in found]


def test_rows_that_come_go_and_move() -> None:
    old, new = table((1, "a", 5), (2, "b", 5), (3, "c", 5)), table((2, "b", 7), (1, "a", 5), (4, "d", 1))
    assert told(old, new, "tid") == [
        ("~", (2, 0), ("TIME", "5s", "7s", 2)),
        ("+", (4, 0)),
        ("-", (3, 0)),
    ]
    assert told(old, old, "tid") == []


def test_unknown_values_and_rows_alike() -> None:
    old, new = table((1, "a", None), (1, "a", 2)), table((1, "a", 4), (1, "a", 2), (1, "a", 9))
    assert told(old, new, "tid") == [("~", (1, 0), ("TIME", "Nones", "4s", None)), ("+", (1, 2))]


@pytest.mark.parametrize("words", [(), ("a", "b", "c"), ("/no/such@+1s",), ("x", "--view", "vmstat")])
def test_bad_use(words: tuple[str, ...]) -> None:
    uniobs("diff", *words, expect=(2, 3)).one_line()
