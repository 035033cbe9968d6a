"""A Table as text or JSON. A renderer knows no guest: columns say how a row becomes cells."""

from collections.abc import Mapping, Sequence

from uniobs.cli.output import Output
from uniobs.lean import Any
from uniobs.model.text import UNKNOWN, pad, safe, width
from uniobs.model.view import Column, Table

SCHEMA = 1


def field(row: Any, key: str) -> Any:
    """A row's value under a column's key: rows are mappings or dataclasses."""
    return row.get(key) if isinstance(row, Mapping) else getattr(row, key, None)


def cell(column: Column, row: Any) -> str:
    if column.text is not None:
        return safe(column.text(row))
    value = field(row, column.key)
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    return safe(f"{value:.1f}" if isinstance(value, float) else str(value))


def text_lines(table: Table, *, headers: bool = True, gap: int = 1) -> list[str]:
    """Lines as ps aligns them: each column as wide as its widest cell, the last one not filled up."""
    cells = [[cell(column, row) for column in table.columns] for row in table.rows]
    widths = [
        max([column.width, width(column.header) if headers else 0, *(width(row[n]) for row in cells)])
        for n, column in enumerate(table.columns)
    ]
    lines = []
    if headers:
        if table.caption:
            lines.append(table.caption)
        lines.append(_line([column.header for column in table.columns], table.columns, widths, gap))
    for n, row in enumerate(cells):
        lines.append(_line(row, table.columns, widths, gap))
        if n < len(table.under) and table.under[n]:
            lines.append("\t " + safe(table.under[n]))
    return lines


def _line(cells: Sequence[str], columns: Sequence[Column], widths: Sequence[int], gap: int) -> str:
    padded = [pad(cell, n, column.align) for cell, column, n in zip(cells, columns, widths, strict=True)]
    return (" " * gap).join(padded).rstrip()


def json_rows(table: Table) -> list[dict[str, Any]]:
    """Rows with typed values: every field, or those of Table.json_keys."""
    if table.json_keys is not None:
        return [{key: field(row, key) for key in table.json_keys} for row in table.rows]
    return [dict(row) if isinstance(row, Mapping) else _fields(row) for row in table.rows]


def _fields(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__match_args__}


def envelope(
    view: str, target: str | None, rows: Any, notes: Sequence[str], complete: bool
) -> dict[str, Any]:
    """The one JSON object that every command answers with."""
    return {
        "schema": SCHEMA,
        "view": view,
        "target": target,
        "rows": rows,
        "notes": list(notes),
        "complete": complete,
    }


def show(out: Output, view: str, target: str | None, table: Table, *, headers: bool = True) -> None:
    """A whole table, text or JSON. Notes go to stderr with text and into the object with JSON."""
    if out.json:
        out.object(envelope(view, target, json_rows(table), table.notes, table.complete))
        return
    for line in table.summary:
        out.line(line)
    for n, line in enumerate(text_lines(table, headers=headers)):
        out.line(line, "head" if headers and n == (1 if table.caption else 0) else None)
    for note in table.notes:
        out.notice(note)
