"""Two moments of a guest compared, table by table: what uniobs diff and the terminal UI show."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from uniobs.cli import render
from uniobs.errors import NotOffered, UniobsError
from uniobs.model import registry
from uniobs.model.changes import Change, Moved, changes
from uniobs.model.view import Table

VIEWS: Final = ("ps", "netstat", "interfaces", "counters")


class Look(NamedTuple):
    """The tables of one moment, by view; None with the reason in ``why``."""

    tables: dict[str, Table]
    why: dict[str, str]


class Compared(NamedTuple):
    """``changes`` by view, in the order asked; ``notes``: what couldn't be compared, or not wholly."""

    changes: dict[str, list[Change]]
    notes: list[str]


def look(target: Any, names: Sequence[str] = VIEWS) -> Look:
    tables: dict[str, Table] = {}
    why: dict[str, str] = {}
    for name in names:
        options = {"all": True} if name == "netstat" else {}
        try:
            tables[name] = registry.load(registry.VIEWS, name).rows(target, **options)
        except NotOffered as error:
            why[name] = f"{name}: {error}"
        except UniobsError as error:
            why[name] = f"{name} can't be compared: {error}"
    return Look(tables, why)


def compared(old: Look, new: Look, names: Sequence[str] = VIEWS) -> Compared:
    told: dict[str, list[Change]] = {}
    notes: list[str] = []
    for name in names:
        before, after = old.tables.get(name), new.tables.get(name)
        if before is None or after is None:
            notes.append(old.why.get(name) or new.why[name])
            continue
        notes += [f"{name}: {note}" for note in dict.fromkeys((*before.notes, *after.notes))]
        told[name] = changes(before, after, registry.load(registry.VIEWS, name).identity, render.cell)
    return Compared(told, notes)


def title(name: str) -> str:
    """Of a view, as its table of changes is headed."""
    return str(registry.load(registry.VIEWS, name).title)


def label(change: Change) -> str:
    """Which row: its key, and its name. Not safe for a terminal yet."""
    name = render.field(change.row, "name")
    key = change.key[:-1]
    parts = (*key, name) if name is not None and name not in key else key
    return " ".join("-" if part is None else str(part) for part in parts)


def moved_texts(change: Change) -> Iterator[str]:
    """STAT S -> D, TIME 00:01 -> 00:05; the difference of plain numbers beside them."""
    return (_moved(one) for one in change.moved)


def _moved(one: Moved) -> str:
    step = ""
    if isinstance(one.by, int) and abs(one.by) != 1 and one.before.isdigit() and one.after.isdigit():
        step = f" ({one.by:+d})"
    return f"{one.column.header} {one.before} -> {one.after}{step}"
