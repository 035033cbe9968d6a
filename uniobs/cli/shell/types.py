"""Types and symbols: what a struct holds, what is called what."""

import re
from collections.abc import Iterator
from fnmatch import translate
from typing import Any

from uniobs.cli import render
from uniobs.cli.shell.state import Shell
from uniobs.cli.shell.table import Call, Dot, command
from uniobs.errors import EXIT_OK, NotOffered, UniobsError, UsageError
from uniobs.image.demangle import display
from uniobs.image.types_expr import Operand, evaluate, type_of
from uniobs.image.types_expr_numbers import VOID, integer, pointer_to
from uniobs.image.types_model import RECORDS, Kind, Type
from uniobs.image.types_shape import declared, layout, plain
from uniobs.model.view import Column, Table

GROUP = "values"
_PATTERN = re.compile(r"[\w:*?]*[*?][\w:*?]*")
_LETTERS = {"s": "struct", "u": "union", "e": "enum", "t": "typedef"}


@command(
    "type",
    "::type TYPE|EXPR   ::type -x TYPE   ::type PAT*",
    "a type's members with offsets, sizes and holes (-x: of structs inside it too)",
    completes="type",
    group=GROUP,
    also=("ptype",),
)
def type_(shell: Shell, call: Call) -> int:
    text = call.arguments
    expand = text.startswith("-x ")
    text = text[3:].strip() if expand else text
    if not text and isinstance(call.dot, Operand):
        text = "$it"
    if not text:
        raise UsageError("type of what? ::type struct uk_thread, ::type lock_a, ::type *mutex*")
    try:
        made, shown = _type(shell, text)
    except UniobsError:
        if not _PATTERN.fullmatch(text):
            raise
        return _list(shell, text)
    if shell.out.json:
        shell.object("type", [plain(made)])
        return EXIT_OK
    if shown:
        shell.out.line(shown)
        while made.kind in (Kind.POINTER, Kind.ARRAY):
            made = made.target
        if made.kind not in (*RECORDS, Kind.ENUM):
            return EXIT_OK
    for row in layout(made, expand):
        shell.out.line(row)
    return EXIT_OK


def _type(shell: Shell, text: str) -> tuple[Type, str]:
    """The type meant, and what is a variable's declaration."""
    problem: UniobsError
    try:
        return type_of(text, shell.scope), ""
    except UniobsError as error:
        problem = error
    try:
        made = evaluate(text, shell.scope).type
    except UniobsError as error:
        raise problem if text.startswith(("struct ", "union ", "enum ", "class ")) else error from None
    return made, f"{declared(made, text)};"


def _list(shell: Shell, pattern: str) -> int:
    """Names of types that fit."""
    matches = re.compile(translate(pattern)).match
    rows = []
    for module in shell.target.modules:
        if module.dwarf is None:
            continue
        for letter, kind in _LETTERS.items():
            names = module.types.table.index.names(letter)
            rows += [{"kind": kind, "name": name} for name in names if matches(name)]
    rows.sort(key=lambda row: row["name"])
    return shown_table(shell, "type", rows, (Column("kind", "KIND"), Column("name", "NAME")))


def shown_table(shell: Shell, view: str, rows: list[dict[str, Any]], columns: tuple[Column, ...]) -> int:
    """As many rows as ::set rows says; the rest is counted."""
    if not rows:
        raise NotOffered("nothing fits")
    limit = shell.settings.rows
    left = len(rows) - limit
    notes = (f"{left} more aren't shown (::set rows {len(rows)})",) if left > 0 else ()
    render.show(shell.out, view, shell.target.name, Table(columns, rows[:limit], notes))
    return EXIT_OK


SYMBOLS = (
    Column("address", "ADDRESS", text=lambda row: f"0x{row['address']:x}"),
    Column("size", "SIZE", "right"),
    Column("kind", "KIND"),
    Column("name", "NAME", text=lambda row: display(row["name"])),
)

IMAGE = Column("image", "IMAGE")


def _symbols(shell: Shell, pattern: str) -> list[dict[str, Any]]:
    whole = pattern if any(char in pattern for char in "*?[") else f"*{pattern}*"
    matches = re.compile(translate(whole)).match
    rows: dict[tuple[int, str], dict[str, Any]] = {}
    for module in shell.target.modules:
        for elf in filter(None, (module.elf, module.debug)):
            for kind, found in (("func", elf.symbols.functions()), ("data", _data(elf))):
                for start, size, name in found:
                    if matches(name) or (name[:1] == "_" and matches(display(name))):
                        address = start + module.bias
                        row = {"address": address, "size": size, "kind": kind, "name": name}
                        rows.setdefault((address, name), row | {"image": module.name})
    return [rows[key] for key in sorted(rows)]


def _data(elf: Any) -> list[tuple[int, int, str]]:
    return [(row.address, row.size, row.name) for row in elf.symbols.variables()]


def _addresses(shell: Shell, call: Call) -> Iterator[Dot]:
    for row in _symbols(shell, call.arguments or "*"):
        yield Operand(integer(row["address"], pointer_to(VOID), shell.scope.space), False)


@command(
    "symbols",
    "::symbols PATTERN",
    "functions and variables by a part of their name, or a pattern with * and ?",
    completes="symbol",
    produces=_addresses,
    group=GROUP,
    also=("nm",),
)
def symbols(shell: Shell, call: Call) -> int:
    if not call.arguments:
        raise UsageError("symbols of what name? ::symbols mutex, ::symbols 'uk_*_init'")
    rows = _symbols(shell, call.arguments.strip("'\""))
    several = len({row["image"] for row in rows}) > 1
    return shown_table(shell, "symbols", rows, (*SYMBOLS, IMAGE) if several else SYMBOLS)
