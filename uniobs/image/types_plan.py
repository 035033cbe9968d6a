"""How to read an entry of the scan in one step: a layout for each abbreviation, made once."""

import struct
from typing import Final, NamedTuple

from uniobs.image.dwarf import forms, tags
from uniobs.image.dwarf.unit import AT_NAME, AT_SIBLING, AT_SPECIFICATION, Abbrev, Unit

# What an entry is listed as; struct and class are one in C++.
LETTERS: Final = {
    tags.VARIABLE: "v", tags.STRUCTURE: "s", tags.CLASS: "s", tags.UNION: "u", tags.ENUMERATION: "e",
    tags.TYPEDEF: "t", tags.BASE: "b", tags.NAMESPACE: "n",
}  # fmt: skip
_WANTED: Final = (
    AT_NAME, AT_SIBLING, AT_SPECIFICATION, tags.AT_BYTE_SIZE, tags.AT_DECL_LINE, tags.AT_DECLARATION,
    tags.AT_EXTERNAL, tags.AT_MEMBER_LOCATION,
)  # fmt: skip
ALL: Final = frozenset((*_WANTED, tags.AT_LOCATION))
_CODES: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}


class Entry(NamedTuple):
    """Where a definition is. ``size`` and ``line`` tell different ones of a name apart."""

    offset: int  # in .debug_info
    size: int  # bytes; 0 when it has none
    line: int  # where it is declared
    external: bool  # of a variable: seen by other units


class Plan:
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


class Plans(dict[int, Plan]):
    """Of a unit, by abbreviation code."""

    def __init__(self, unit: Unit) -> None:
        super().__init__()
        self._unit = unit

    def __missing__(self, code: int) -> Plan:
        made = self[code] = Plan(self._unit.abbrevs[code], self._unit.sizes)
        return made
