"""A value as what JSON holds: objects, lists, numbers, text; null is what isn't known."""

from typing import Any, Final

from uniobs.errors import BadFormat, NotOffered, UnknownMemory
from uniobs.image import types_leaf, types_std
from uniobs.image.types_model import NUMBERS, RECORDS, Kind
from uniobs.image.types_text import value_members
from uniobs.image.types_value import Value

_ELEMENTS: Final = 4096


class Plain:
    """``complete`` is False when something wasn't known or is left out."""

    def __init__(self, parts: int = 100_000, depth: int = 16) -> None:
        self.left = parts
        self.depth = depth
        self.complete = True

    def of(self, value: Value) -> Any:
        return self._of(value, self.depth)

    def _of(self, value: Value, depth: int) -> Any:
        self.left -= 1
        if self.left < 0 or depth <= 0:
            self.complete = False
            return None
        try:
            return self._known(value, depth)
        except (UnknownMemory, NotOffered, BadFormat):
            self.complete = False
            return None

    def _known(self, value: Value, depth: int) -> Any:
        kind = value.type.kind
        if kind in RECORDS:
            return self._record(value, depth)
        if kind is Kind.ARRAY:
            text = self._letters(value)
            return text if text is not None else self._list(list(self._elements(value)), depth)
        if kind is Kind.ENUM:
            return value.enum if value.enum is not None else int(value)
        if kind is Kind.BOOL:
            whole = int(value)
            return bool(whole) if whole in (0, 1) else whole
        if kind in NUMBERS:
            return int(value)
        if kind is Kind.FLOAT:
            number = float(value)
            return number if abs(number) < float("inf") else str(number)
        if kind is Kind.FUNCTION:
            return value.address
        raise NotOffered(f"{value.type} has no JSON form")

    def _record(self, value: Value, depth: int) -> Any:
        held = types_std.known(value)
        if isinstance(held, str):
            return held[1:-1] if held.endswith('"') else held
        if held is not None:
            self.complete = self.complete and held.problem is None
            return self._list(list(held.items), depth)
        found: dict[str, Any] = {}
        for name, inner in value_members(value):
            shown = self._of(inner, depth - 1)
            if name and not name.startswith("<"):
                found[name] = shown
            elif isinstance(shown, dict):
                for key, part in shown.items():
                    found.setdefault(key, part)
        return found

    def _elements(self, value: Value) -> list[Value]:
        count = len(value)
        if count > _ELEMENTS:
            self.complete = False
        return [value[index] for index in range(min(count, _ELEMENTS))]

    def _list(self, values: list[Value], depth: int) -> list[Any]:
        return [self._of(value, depth - 1) for value in values]

    def _letters(self, value: Value) -> str | None:
        if value.type.target.name != "char" or types_leaf.letters(value, _ELEMENTS) is None:
            return None
        data = value.raw() if value.size <= 1 << 16 else b""
        head, _, behind = data.partition(b"\0")
        if behind.strip(b"\0") and not types_leaf.printable(head):
            return None  # no text: all of it is told
        return value.string(_ELEMENTS)
