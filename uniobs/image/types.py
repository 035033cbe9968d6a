"""Typed access to a guest's memory through the debug information of one of its modules."""

from typing import TYPE_CHECKING, Final

from uniobs.errors import BadFormat, NotOffered
from uniobs.image.dwarf import tags
from uniobs.image.dwarf.reader import uleb, unsigned
from uniobs.image.dwarf.unit import AT_NAME, AT_SPECIFICATION, Unit
from uniobs.image.types_model import Kind, Type
from uniobs.image.types_table import TypeTable
from uniobs.image.types_value import Value

if TYPE_CHECKING:
    from uniobs.image.module import Module
    from uniobs.memory.base import AddressSpace

_VARIABLE: Final = frozenset({AT_NAME, AT_SPECIFICATION, tags.AT_TYPE, tags.AT_LOCATION, tags.AT_CONST_VALUE})
_OP_ADDR, _OP_PLUS_UCONST, _OP_TLS, _OP_GNU_TLS, _OP_ADDRX, _OP_GNU_ADDR_INDEX = (
    0x03, 0x23, 0x9B, 0xE0, 0xA1, 0xFB,
)  # fmt: skip
_KEYWORDS: Final = {"struct": "s", "class": "s", "union": "u", "enum": "e"}


class Types:
    """Types and variables of a module. Names are the source's; of C++ with their namespaces.

    Raises NotOffered for what the image doesn't have or can't tell, BadFormat for garbled debug information.
    """

    def __init__(self, module: "Module") -> None:
        self.module = module
        if module.dwarf is None:
            raise NotOffered(
                f"{module.name}: no debug information (DWARF), so its variables can't be read; "
                "name the unstripped file or its .dbg"
            )
        self.table: TypeTable = module.dwarf.types

    def type(self, name: str, unit: str | None = None) -> Type:
        """ "struct tcp_pcb", "union u", "enum e", a typedef, a base type or a C++ class; " *" for pointers.

        ``unit``: the source file (or the end of its path) whose definition is meant, where they differ.
        """
        plain = name.rstrip(" *")
        stars = name[len(plain) :].count("*")
        word, _, rest = plain.partition(" ")
        letters = _KEYWORDS.get(word, "")
        made = self._named(rest.strip() if letters else plain, letters or "tbsue", unit)
        for _ in range(min(stars, 8)):
            made = Type(self.table, Kind.POINTER, None, 8, to=made)
        return made

    def _named(self, name: str, letters: str, unit: str | None) -> Type:
        for letter in letters:
            places = self._of_unit(self.table.places(letter, name), unit)
            found = self.table.different(places)
            if len(found) > 1:
                where = ", ".join(sorted({self._source(place) for place in places}))
                raise NotOffered(f"{self.module.name} defines {name} differently in {where}: name the unit")
            if found:
                return found[0]
        raise self._missing(f"type {name}", unit)

    def _missing(self, what: str, unit: str | None) -> NotOffered:
        text = f"{self.module.name} has no {what}" + (f" in {unit}" if unit else "")
        if self.table.index.problems:
            text += f" that could be read ({self.table.index.problems[0]})"
        elif self.table.split:
            text += " (its debug information is in .dwo files, which aren't read)"
        return NotOffered(text)

    def has_type(self, name: str) -> bool:
        try:
            self.type(name)
        except NotOffered:
            return False
        return True

    def variable(self, name: str, space: "AddressSpace", unit: str | None = None) -> Value:
        """A global or static variable. ``unit`` as for type(); needed when several units have one."""
        address, made = self.locate(name, unit)
        return Value(made, address, space)

    def has_variable(self, name: str) -> bool:
        try:
            self.locate(name)
        except NotOffered:
            return False
        return True

    def locate(self, name: str, unit: str | None = None) -> tuple[int, Type]:
        """(runtime address, type) of a variable."""
        entries = self.table.index.find("v", name)
        chosen = set(self._of_unit([entry.offset for entry in entries], unit))
        rows = [entry for entry in entries if entry.offset in chosen]
        if not rows:
            raise self._missing(f"variable {name}", unit)
        shared = [entry for entry in rows if entry.external]
        rows = shared or rows
        problem: NotOffered | None = None
        found: dict[int, Type] = {}
        for entry in rows:
            with self.table.guard(entry.offset):
                try:
                    address, made = self._variable(name, entry.offset)
                    found.setdefault(address, made)
                except NotOffered as error:
                    problem = error
        if len(found) > 1:
            where = ", ".join(sorted({self._source(entry.offset) for entry in rows}))
            raise NotOffered(f"{self.module.name} has a variable {name} in each of {where}: name the unit")
        if not found:
            raise problem or self._missing(f"variable {name}", unit)
        return next(iter(found.items()))

    def at(self, kind: Type | str, address: int, space: "AddressSpace") -> Value:
        """What lies at an address, taken as that type."""
        return Value(self.type(kind) if isinstance(kind, str) else kind, address, space)

    def _of_unit(self, places: list[int], unit: str | None) -> list[int]:
        if unit is None:
            return places
        return [p for p in places if (source := self._source(p)) == unit or source.endswith("/" + unit)]

    def _source(self, offset: int) -> str:
        unit = self.table.unit_of(offset)
        with self.table.guard(unit.offset):
            return unit.name or f"the unit at {unit.offset:#x}"

    def _variable(self, name: str, offset: int) -> tuple[int, Type]:
        unit = self.table.unit_of(offset)
        at = offset - unit.offset
        entry = dict(unit.attributes(at, _VARIABLE)[1])
        place = entry.get(tags.AT_LOCATION)
        declared = unit, entry
        if AT_SPECIFICATION in entry:
            origin = self.table.reference(unit, entry, AT_SPECIFICATION)
            if origin is None:
                raise BadFormat(f"{self.module.name}: the variable {name} completes nothing")
            other = self.table.unit_of(origin)
            declared = other, other.attributes(origin - other.offset, _VARIABLE)[1]
            if place is None:
                place = declared[1].get(tags.AT_LOCATION)
        if place is None:
            why = "is a constant" if tags.AT_CONST_VALUE in entry else "was optimised away"
            raise NotOffered(f"{self.module.name}: the variable {name} {why}: it isn't in memory")
        owner = (unit, entry) if tags.AT_TYPE in entry else declared
        made = self.table.type_at(self.table.reference(*owner))
        return self._address(name, unit, place[1]) + self.module.bias, made

    def _address(self, name: str, unit: Unit, code: int | bytes) -> int:
        if isinstance(code, int):
            raise NotOffered(f"{self.module.name}: the variable {name} has no fixed place in memory")
        address, at = 0, 0
        if code[:1] == bytes([_OP_ADDR]):
            address, at = unsigned(code, 1, unit.sizes[1]), 1 + unit.sizes[1]
        elif code[:1] in (bytes([_OP_ADDRX]), bytes([_OP_GNU_ADDR_INDEX])):
            index, at = uleb(code, 1)
            address = unit.indexed_address(index)
        if at and at < len(code) and code[at] == _OP_PLUS_UCONST:
            more, at = uleb(code, at + 1)
            address += more
        if at and at == len(code):
            return address
        if code[-1:] in (bytes([_OP_TLS]), bytes([_OP_GNU_TLS])):
            raise NotOffered(
                f"{self.module.name}: {name} is thread-local: each thread has its own, at no fixed address"
            )
        raise NotOffered(f"{self.module.name}: the variable {name} has no fixed place in memory")
