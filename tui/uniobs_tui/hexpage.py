"""A page of memory: its bytes as far as they're known, and what its words point at. No widgets here."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from uniobs.cli.report.context import Context, Options
from uniobs.cli.report.model import PageFacts
from uniobs.cli.report.page import page_of, words
from uniobs.errors import UniobsError, UnknownMemory
from uniobs.model.text import size_text
from uniobs_tui.lines_view import Line, Span, cut

WORD: Final = 8
TOP: Final = 1 << 64
ROWS_MAX: Final = 200


class Row(NamedTuple):
    """``data``: None for a byte that isn't known."""

    address: int
    data: tuple[int | None, ...]
    name: str  # what lies here
    points: tuple[str, ...]  # what each word points at, "" for nothing that is known


class Page(NamedTuple):
    start: int
    per: int  # bytes a row
    physical: bool
    rows: tuple[Row, ...]
    about: str  # of the address under the cursor
    unknown: int  # bytes


def read(target: Any, start: int, count: int, per: int, physical: bool, cursor: int) -> Page:
    """``count`` rows of ``per`` bytes from ``start`` on. Raises UniobsError when there's no address space."""
    context = Context(target, Options())
    space = target.memory if physical else target.space
    rows = []
    for number in range(min(count, ROWS_MAX)):
        address = start + number * per
        if address >= TOP:
            break
        data = known(space, address, per)
        rows.append(_row(context, address, data, physical))
    about = "" if physical else _about(page_of(target, cursor, None))
    unknown = sum(byte is None for row in rows for byte in row.data)
    return Page(start, per, physical, tuple(rows), about, unknown)


def _about(page: PageFacts) -> str:
    if not page.mapped or page.physical is None:
        return words(page)
    rights = "r" + ("w" if page.writable else "-") + ("x" if page.executable else "-")
    offset = page.address - (page.start or 0)
    who = "user" if page.user else "kernel"
    where = f"{page.physical + offset:#x} ({size_text(page.size)} page)"
    return f"mapped {rights} for the {who}, physical {where}"


def known(space: Any, address: int, size: int) -> tuple[int | None, ...]:
    """Byte by byte where not all of them are."""
    if address + size > TOP:
        return (*known(space, address, TOP - address), *((None,) * (address + size - TOP)))
    try:
        return tuple(space.read(address, size))
    except UnknownMemory:
        if size == 1:
            return (None,)
    half = size // 2
    return (*known(space, address, half), *known(space, address + half, size - half))


def _row(context: Context, address: int, data: Sequence[int | None], physical: bool) -> Row:
    points = tuple(word_text(context, data[at : at + WORD]) for at in range(0, len(data), WORD))
    name = "" if physical else _name(context, address)
    return Row(address, tuple(data), name, points)


def _name(context: Context, address: int) -> str:
    try:
        return context.pointers.symbol(address) or context.pointers.variable(address) or ""
    except UniobsError:
        return ""


def word_of(data: Sequence[int | None]) -> int | None:
    """The word that these bytes are; None when one of them isn't known."""
    held = [byte for byte in data if byte is not None]
    return int.from_bytes(bytes(held), "little") if len(held) == len(data) == WORD else None


def word_text(context: Context, data: Sequence[int | None]) -> str:
    value = word_of(data)
    try:
        return (context.pointers.what(value) or "") if value is not None else ""
    except UniobsError:
        return ""


def lines(page: Page, cursor: int, room: int) -> list[Line]:
    """Address, bytes, the same as ASCII, and what is there or what is pointed at."""
    digits = max(8, max((len(f"{row.address:x}") for row in page.rows), default=8))
    found = []
    for row in page.rows:
        spans: list[Span] = [(f"{row.address:0{digits}x} ", "dim")]
        for at in range(0, len(row.data), WORD):
            here = row.address + at <= cursor < row.address + at + WORD
            word = row.data[at : at + WORD]
            text = " ".join("??" if byte is None else f"{byte:02x}" for byte in word)
            spans += [(" ", ""), (text, "cursor" if here else _look(word)), (" ", "")]
        ascii_ = "".join(_char(byte) for byte in row.data)
        spans += [("│", "rule"), (ascii_, "dim"), ("│ ", "rule"), *_meaning(row)]
        found.append(Line(cut(spans, room)))
    return found


def _look(word: Sequence[int | None]) -> str:
    if all(byte is None for byte in word):
        return "dim"
    return "rule" if not any(word) else ""


def _char(byte: int | None) -> str:
    return "?" if byte is None else chr(byte) if 32 <= byte < 127 else "·"


def _meaning(row: Row) -> list[Span]:
    """What is pointed at, then what lies here."""
    spans: list[Span] = [(f"→ {text}  ", "graph") for text in row.points if text]
    return [*spans, (row.name, "dim")] if row.name else spans
