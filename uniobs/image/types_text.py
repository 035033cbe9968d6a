"""A value as text, laid out as gdb does with `set print pretty on`. What isn't known is said in its place.

Bounded: by elements of one array, by depth, and by what one value may print altogether.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from uniobs.errors import BadFormat, NotOffered, UnknownMemory
from uniobs.image import types_leaf, types_std
from uniobs.image.types_model import RECORDS, Kind
from uniobs.image.types_value import Value

REPEATS: Final = 11  # equal elements in a row from which on they are written once
_RUN: Final = 1 << 16  # elements that are compared
Symbol = Callable[[int], str | None]  # "lock_a+8" for an address


@dataclass(frozen=True, slots=True)
class Style:
    """``format``: a letter of gdb's, or none; ``follow``: so many pointers to structs are followed."""

    format: str = ""
    elements: int = 200
    depth: int = 12
    follow: int = 0
    parts: int = 5000


class Printer:
    """For one value: what it prints is counted."""

    def __init__(self, style: Style, symbol: Symbol) -> None:
        self.style = style
        self.symbol = symbol
        self.left = style.parts
        self._path: list[tuple[int, str]] = []  # pointers that are being followed

    def text(self, value: Value) -> str:
        """Lines, the first without indentation; not yet safe for a terminal."""
        return self._text(value, 0, self.style.depth, self.style.follow)

    def _text(self, value: Value, indent: int, depth: int, follow: int) -> str:
        if self.left <= 0:
            return "..."
        self.left -= 1
        kind = value.type.kind
        try:
            if kind is Kind.ARRAY:
                return self._array(value, indent, depth, follow)
            if kind in RECORDS:
                return self._record(value, indent, depth, follow)
            if kind is Kind.POINTER and follow > 0 and value.type.target.kind in RECORDS:
                return self._followed(value, indent, depth, follow)
            return types_leaf.text(value, self.style.format, self.symbol)
        except UnknownMemory as error:
            return unknown(error)
        except (NotOffered, BadFormat) as error:
            return f"<unknown: {error}>"

    def _followed(self, value: Value, indent: int, depth: int, follow: int) -> str:
        shown = types_leaf.text(value, self.style.format, self.symbol)
        place = (int(value), str(value.type))
        if not place[0]:
            return shown
        if place in self._path:
            return f"{shown} -> cycle"
        self._path.append(place)
        try:
            return f"{shown} -> {self._text(value.deref(), indent, depth - 1, follow - 1)}"
        finally:
            self._path.pop()

    def _record(self, value: Value, indent: int, depth: int, follow: int) -> str:
        known = types_std.known(value)
        if isinstance(known, str):
            return known
        if depth <= 0:
            return "{...}"
        if known is not None:
            items = [self._item(item, known.pairs, indent + 2, depth - 1, follow) for item in known.items]
            more = [f"<unknown: {known.problem}>"] if known.problem else []
            return f"{known.title} = {_list(_repeated(items) + more)}"
        rows: list[str] = []
        bare: list[str] = []
        for name, inner in value_members(value):
            if self.left <= 0:
                rows.append("...")
                break
            shown = self._text(inner, indent + 2, depth - 1, follow)
            bare.append(shown)
            rows.append(f"{name} = {shown}" if name else shown)
        if not rows:
            return empty(value)
        if bare and bare[0].startswith("<unknown: ") and len(set(bare)) == 1:
            return bare[0]  # nothing of it is known
        pad = " " * indent
        return "{\n" + ",\n".join(f"{pad}  {row}" for row in rows) + f"\n{pad}}}"

    def _item(self, item: Value, pair: bool, indent: int, depth: int, follow: int) -> str:
        """An element of a container; of a map as [key] = value."""
        if not pair or not item.has("first", "second"):
            return self._text(item, indent, depth, follow)
        key, value = (self._text(item.member(name), indent, depth, follow) for name in ("first", "second"))
        return f"[{key}] = {value}"

    def _array(self, value: Value, indent: int, depth: int, follow: int) -> str:
        bound = value.type.bounds[0]
        if bound is None:
            return f"<of unknown length, at {value.address:#x}>"
        if not self.style.format or self.style.format == "s":
            letters = types_leaf.letters(value, self.style.elements)
            if letters is not None:
                return letters
        if not bound:
            return "{}"
        if depth <= 0:
            return "{...}"
        style = self.style.format
        if not style and value.type.target.kind is Kind.CHAR and value.type.target.name != "char":
            style = "x"  # bytes
        items: list[str] = []
        index = 0
        while index < bound:
            if len(items) >= self.style.elements or self.left <= 0:
                items.append("...")
                break
            element = value[index]
            count = self._run(value, index, bound)
            if style != self.style.format:
                self.left -= 1
                shown = types_leaf.text(element, style, self.symbol)
            else:
                shown = self._text(element, indent + 2, depth - 1, follow)
            if count >= REPEATS:
                items.append(f"{shown} <repeats {count} times>")
                index += count
            else:
                items.append(shown)
                index += 1
        return _list(items)

    def _run(self, value: Value, index: int, bound: int) -> int:
        """How many elements from ``index`` on hold the same bytes."""
        try:
            first = value[index].raw()
            count = 1
            while index + count < min(bound, index + _RUN) and value[index + count].raw() == first:
                count += 1
        except (UnknownMemory, NotOffered):
            return self._unheld(value, index, bound)
        return count

    def _unheld(self, value: Value, index: int, bound: int) -> int:
        """How many elements from ``index`` on can't be read."""
        count = 0
        while index + count < min(bound, index + _RUN):
            try:
                value[index + count].raw()
                break
            except (UnknownMemory, NotOffered):
                count += 1
                if count >= 4 * REPEATS and not _held(value, bound):
                    return bound - index
        return max(1, count)


def _held(value: Value, bound: int) -> bool:
    """Whether the last element of an array whose start isn't held can be read."""
    try:
        value[bound - 1].raw()
    except (UnknownMemory, NotOffered):
        return False
    return True


def value_members(value: Value) -> list[tuple[str, Value]]:
    """(name, member) as declared; a base class is "<Name>", what has no name "". """
    found = []
    for member in value.type.members:
        inner = value.part(member)
        if member.base and not inner.type.members and inner.type.size in (0, 1):
            continue  # nothing is inherited
        name = f"<{inner.type.name or 'base'}>" if member.base else member.name or ""
        found.append((name, inner))
    return found


def empty(value: Value) -> str:
    """Of a struct without members: C++ has such of one byte; Rust's enums look so too."""
    unit, size = value.type.unit, value.type.size
    if size is None:
        return "<unknown: an incomplete type>"
    if size > 1 or (size and unit is not None and unit.is_rust):
        return f"<unknown: what is in these {size} bytes isn't described as members>"
    return "{}"


def _repeated(items: list[str]) -> list[str]:
    found: list[str] = []
    index = 0
    while index < len(items):
        count = 1
        while index + count < len(items) and items[index + count] == items[index]:
            count += 1
        if count >= REPEATS:
            found.append(f"{items[index]} <repeats {count} times>")
            index += count
        else:
            found.append(items[index])
            index += 1
    return found


def _list(items: list[str]) -> str:
    return "{" + ", ".join(items) + "}"


def unknown(error: UnknownMemory) -> str:
    """<unknown: not in this memory>"""
    return f"<unknown: {str(error).partition(': ')[2] or error}>"
