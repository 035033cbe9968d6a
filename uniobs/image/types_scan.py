"""One fast pass over the entries at the top of each unit (and in namespaces): what a name may stand for."""

import struct
from bisect import bisect_right
from collections.abc import Mapping
from typing import Final, NamedTuple

from uniobs.image.dwarf import forms, tags
from uniobs.image.dwarf.info import sibling
from uniobs.image.dwarf.reader import uleb
from uniobs.image.dwarf.unit import AT_NAME, AT_SIBLING, AT_SPECIFICATION, Abbrev, Unit
from uniobs.image.types_names import qualified

# What an entry is listed as; struct and class are one in C++.
LETTERS: Final = {
    tags.VARIABLE: "v", tags.STRUCTURE: "s", tags.CLASS: "s", tags.UNION: "u", tags.ENUMERATION: "e",
    tags.TYPEDEF: "t", tags.BASE: "b", tags.NAMESPACE: "n",
}  # fmt: skip
_WANTED: Final = (
    AT_NAME, AT_SIBLING, AT_SPECIFICATION, tags.AT_BYTE_SIZE, tags.AT_DECL_LINE, tags.AT_DECLARATION,
    tags.AT_EXTERNAL,
)  # fmt: skip
_ALL: Final = frozenset((*_WANTED, tags.AT_LOCATION))
_CODES: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}
_LONGEST: Final = 4096  # bytes of a name
_PER_NAME: Final = 64  # definitions kept of one name
_MOST: Final = 1 << 22  # names


class Entry(NamedTuple):
    """Where a definition is. ``size`` and ``line`` tell different ones of a name apart."""

    offset: int  # in .debug_info
    size: int  # bytes; 0 when it has none
    line: int  # where it is declared
    external: bool  # of a variable: seen by other units


class _Plan:
    """How to read what is wanted of one kind of entry in a single step."""

    def __init__(self, abbrev: Abbrev, sizes: tuple[int, int, int]) -> None:
        self.abbrev = abbrev
        self.letter = LETTERS.get(abbrev.tag, "")
        self.located = any(spec[0] == tags.AT_LOCATION for spec in abbrev.specs)
        self.fixed: dict[int, int] = {}  # attributes whose value the abbreviation itself says
        self.order: list[int] = []
        self.inline = bool(abbrev.specs) and abbrev.specs[0][:2] == (AT_NAME, forms.STRING)
        self.name_form = 0
        self.unpack: struct.Struct | None = None
        layout = "<"
        for name, form, constant in abbrev.specs[self.inline :]:
            if form == forms.IMPLICIT_CONST:
                self.fixed[name] = constant
                continue
            if form == forms.FLAG_PRESENT:
                self.fixed[name] = 1
                continue
            how = forms.step(form, *sizes)
            if how < 0:
                break
            if name in _WANTED and how in _CODES and form != forms.REF_ADDR:
                layout += _CODES[how]
                self.order.append(name)
                if name == AT_NAME:
                    self.name_form = form
            else:
                layout += f"{how}x"
        found = {*self.order, *self.fixed} | ({AT_NAME} if self.inline else set())
        present = {spec[0] for spec in abbrev.specs}
        simple = self.inline or self.name_form in (0, forms.STRP)
        if simple and all(name in found or name not in present for name in _WANTED):
            self.unpack = struct.Struct(layout)


class _Pending(NamedTuple):
    """What completes a declaration inside something else, which tells its whole name."""

    letter: str
    declaration: int
    entry: Entry


class Scan:
    """Feed it units; ``entries`` holds (letter, qualified name) -> definitions."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, bytes], list[Entry]] = {}
        self._seen: set[tuple[str, bytes, int, int]] = set()
        self._texts: dict[int, bytes] = {}

    def _text(self, unit: Unit, offset: int) -> bytes:
        text = self._texts.get(offset)
        if text is None:
            text = self._texts[offset] = (unit.string((forms.STRP, offset)) or "").encode()
        return text

    def _add(self, letter: str, name: bytes, entry: Entry) -> None:
        if not name or len(name) > _LONGEST or b"\n" in name or b"\t" in name:
            return
        if letter != "v":
            key = (letter, name, entry.size, entry.line)
            if key in self._seen:
                return
            self._seen.add(key)
        rows = self.entries.setdefault((letter, name), [])
        if len(rows) < _PER_NAME:
            rows.append(entry)
        if len(self.entries) > _MOST:
            raise ValueError("too many names")

    def _read(self, unit: Unit, at: int, start: int, plan: _Plan) -> tuple[bytes, Mapping[int, int]]:
        """(name, attributes) of the entry at ``start`` whose attributes begin at ``at``."""
        values: dict[int, int] = dict(plan.fixed)
        name = b""
        if plan.unpack is None:
            found = unit.attributes(start, _ALL)[1]
            for attribute, (form, raw) in found.items():
                if isinstance(raw, int):
                    values[attribute] = raw
                    if form == forms.REF_ADDR:
                        values[attribute] = raw - unit.offset
            return (unit.string(found.get(AT_NAME)) or "").encode(), values
        if plan.inline:
            end = unit.data.index(0, at)
            name = unit.data[at:end]
            at = end + 1
        values.update(zip(plan.order, plan.unpack.unpack_from(unit.data, at), strict=True))
        if plan.name_form:
            name = self._text(unit, values[AT_NAME])
        return name, values

    def unit(self, unit: Unit) -> None:
        """Raises what reading garbage raises; what was found before stays."""
        data, abbrevs, sizes = unit.data, unit.abbrevs, unit.sizes
        plans: dict[int, _Plan] = {}
        pending: list[_Pending] = []
        records: list[tuple[int, bytes]] = []  # starts of classes: static members are declared in them
        names: dict[int, bytes] = {}  # of what may be completed elsewhere
        scopes = [b""]
        depth, end = -1, len(data)
        at = unit.first
        while at < end:
            start = at
            code = data[at]
            at += 1
            if code >= 0x80:
                code, at = uleb(data, start)
            if not code:
                depth -= 1
                if depth < len(scopes) - 1:
                    if len(scopes) == 1:
                        break
                    scopes.pop()
                continue
            plan = plans.get(code)
            if plan is None:
                plan = plans[code] = _Plan(abbrevs[code], sizes)
            abbrev = plan.abbrev
            following = 0
            if depth == len(scopes) - 1 and plan.letter:
                name, values = self._read(unit, at, start, plan)
                following = values.get(AT_SIBLING, 0)
                if plan.letter == "n":
                    if abbrev.children and len(scopes) < 64:
                        scopes.append(scopes[-1] + (name or b"(anonymous namespace)") + b"::")
                        following = 0
                else:
                    self._entry(unit, plan, start, scopes[-1] + name if name else b"", values, pending)
                    if plan.letter in "su" and abbrev.children:
                        records.append((start, scopes[-1] + name))
                    if not plan.located:
                        names[start] = scopes[-1] + name if name else b""
            elif abbrev.children and depth >= 0 and abbrev.sibling is not None and plan.letter != "n":
                following = sibling(unit, at, abbrev.sibling)
            if following and abbrev.children:
                if following <= start:
                    raise ValueError("an entry's sibling lies before it")
                at = following
                continue
            for how in abbrev.plan:
                at = at + how if how >= 0 else forms.skip(data, at, how, sizes)
            depth += abbrev.children
            if depth < 0:
                break  # a unit without children
        for letter, declaration, entry in pending:
            name = names.get(declaration) or _inside(unit, declaration, records)
            self._add(letter, name, entry)

    def _entry(
        self,
        unit: Unit,
        plan: _Plan,
        start: int,
        name: bytes,
        values: Mapping[int, int],
        pending: list[_Pending],
    ) -> None:
        if values.get(tags.AT_DECLARATION):
            return
        entry = Entry(
            unit.offset + start,
            max(0, values.get(tags.AT_BYTE_SIZE, 0)),
            max(0, values.get(tags.AT_DECL_LINE, 0)),
            bool(values.get(tags.AT_EXTERNAL)),
        )
        declaration = values.get(AT_SPECIFICATION)
        if declaration is None:
            self._add(plan.letter, name, entry)
            return
        if plan.letter == "v":
            found = unit.attributes(declaration, frozenset({tags.AT_EXTERNAL}))[1]
            entry = entry._replace(external=tags.AT_EXTERNAL in found)
        pending.append(_Pending(plan.letter, declaration, entry))


def _inside(unit: Unit, declaration: int, records: list[tuple[int, bytes]]) -> bytes:
    """Class::name of what is declared in a class: in the last one that starts before it."""
    if not 0 < declaration < len(unit.data):
        return b""
    at = bisect_right(records, (declaration, b"\xff")) - 1
    start, name = records[at] if at >= 0 else (unit.first, b"")
    inner = qualified(unit, declaration, start)
    return b"::".join(part for part in (name, inner.encode()) if part)
