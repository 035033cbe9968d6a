"""Types of one file's DWARF, by the offset of their entry; each is made when it is first asked for."""

from contextlib import AbstractContextManager
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final

from uniobs.errors import BadFormat, NotOffered
from uniobs.image.dwarf import forms, tags
from uniobs.image.dwarf.reader import guard
from uniobs.image.dwarf.unit import AT_NAME, Attributes, Unit
from uniobs.image.types_attributes import HUGE, array_bounds, member_place, number
from uniobs.image.types_index import TypeIndex
from uniobs.image.types_model import RECORDS, Kind, Member, Type
from uniobs.image.types_names import LETTERS_OF, children, qualified, split

if TYPE_CHECKING:
    from uniobs.image.dwarf.index import Dwarf

_HOPS: Final = 64  # typedefs and qualifiers of one type
_HEAD: Final = frozenset(
    {AT_NAME, tags.AT_TYPE, tags.AT_BYTE_SIZE, tags.AT_ENCODING, tags.AT_DECLARATION, tags.AT_SIGNATURE}
)
_MEMBER: Final = frozenset(
    {
        AT_NAME, tags.AT_TYPE, tags.AT_BYTE_SIZE, tags.AT_BIT_SIZE, tags.AT_BIT_OFFSET, tags.AT_EXTERNAL,
        tags.AT_DATA_BIT_OFFSET, tags.AT_MEMBER_LOCATION, tags.AT_DECLARATION,
    }
)  # fmt: skip
_KINDS: Final = {
    tags.STRUCTURE: Kind.STRUCT, tags.CLASS: Kind.STRUCT, tags.UNION: Kind.UNION, tags.ENUMERATION: Kind.ENUM,
    tags.SUBROUTINE: Kind.FUNCTION, tags.UNSPECIFIED: Kind.VOID, tags.ARRAY: Kind.ARRAY,
}  # fmt: skip
_ENCODINGS: Final = {
    tags.ATE_BOOLEAN: Kind.BOOL, tags.ATE_FLOAT: Kind.FLOAT, tags.ATE_SIGNED: Kind.INT,
    tags.ATE_UNSIGNED: Kind.INT, tags.ATE_SIGNED_CHAR: Kind.CHAR, tags.ATE_UNSIGNED_CHAR: Kind.CHAR,
    tags.ATE_UTF: Kind.CHAR,
}  # fmt: skip
_NAMED: Final = tags.RECORDS | {tags.TYPEDEF, tags.ENUMERATION}
_LETTERS: Final = {
    tags.STRUCTURE: "s", tags.CLASS: "s", tags.UNION: "u", tags.ENUMERATION: "e",
}  # fmt: skip


class TypeTable:
    """Methods raise BadFormat where the entry that they need is garbled."""

    def __init__(self, dwarf: "Dwarf") -> None:
        self.dwarf = dwarf
        self.elf = dwarf.elf
        self.index = TypeIndex(dwarf.elf)
        self._types: dict[int, Type] = {}
        self._making: set[int] = set()
        self._arrays: dict[tuple[int | None, tuple[int | None, ...]], Type] = {}
        self._void = Type(self, Kind.VOID, "void", None)

    def unit_of(self, offset: int) -> Unit:
        unit = self.dwarf.unit_holding(offset)
        if unit is None:
            raise BadFormat(f"{self.elf.file}: a type lies at {offset:#x}, outside .debug_info")
        return unit

    def guard(self, offset: int) -> AbstractContextManager[None]:
        return guard(f"{self.elf.file}: the entry at {offset:#x} of .debug_info")

    def type_at(self, offset: int | None) -> Type:
        """The type whose entry is at ``offset``; None stands for void."""
        if offset is None:
            return self._void
        found = self._types.get(offset)
        if found is None:
            with self.guard(offset):
                if offset in self._making or len(self._making) > _HOPS:
                    raise ValueError("a type made of itself")
                self._making.add(offset)
                try:
                    found = self._types[offset] = self._make(offset)
                finally:
                    self._making.discard(offset)
        return found

    def _make(self, offset: int) -> Type:
        alias: str | None = None
        for _ in range(_HOPS):
            unit = self.unit_of(offset)
            at = offset - unit.offset
            abbrev, entry, _ = unit.attributes(at, _HEAD)
            if abbrev is None:
                raise ValueError("a reference to no entry")
            if abbrev.tag not in tags.QUALIFIERS:
                return self._from(unit, at, abbrev.tag, entry, alias)
            if abbrev.tag == tags.TYPEDEF:
                alias = alias or unit.string(entry.get(AT_NAME))
            following = self.reference(unit, entry)
            if following is None:
                return self._void
            if following in self._types and (alias is None or self._types[following].name):
                return self._types[following]
            offset = following
        raise ValueError("typedefs without an end")

    def reference(self, unit: Unit, entry: Attributes, attribute: int = tags.AT_TYPE) -> int | None:
        """The offset that an attribute refers to, also by a type unit's signature."""
        found = entry.get(attribute)
        if found is None:
            return None
        if found[0] == forms.REF_SIG8:
            place = self._signatures.get(found[1]) if isinstance(found[1], int) else None
        else:
            place = unit.reference(found)
        if place is None:
            raise NotOffered(f"{self.elf.file}: a type is described in another file (dwz, .dwo)")
        return place

    @cached_property
    def split(self) -> bool:
        """Whether types and variables are in .dwo files."""
        return any(unit.is_split for unit in self.dwarf.units[:_HOPS])

    @cached_property
    def _signatures(self) -> dict[int, int]:
        return {unit.signature: unit.offset + unit.type_at for unit in self.dwarf.units if unit.type_at}

    def _from(self, unit: Unit, at: int, tag: int, entry: Attributes, alias: str | None) -> Type:
        name = unit.string(entry.get(AT_NAME))
        size = number(entry, tags.AT_BYTE_SIZE)
        if size is not None and not 0 <= size < HUGE:
            raise ValueError(f"a type of {size} bytes")
        if tag in tags.POINTERS:
            target = self.reference(unit, entry)
            return Type(self, Kind.POINTER, None, size or unit.sizes[1], reference=target)
        if tag == tags.BASE:
            code = number(entry, tags.AT_ENCODING)
            kind = _ENCODINGS.get(code or 0, Kind.OTHER)
            signed = code in (tags.ATE_SIGNED, tags.ATE_SIGNED_CHAR)
            return Type(self, kind, name, size, signed=signed)
        if tag == tags.ARRAY:
            return self.array(self.reference(unit, entry), array_bounds(unit, at))
        if tags.AT_DECLARATION in entry or tags.AT_SIGNATURE in entry:
            found = self._definition(unit, at, tag, entry, name)
            if found is not None:
                return found
            return Type(self, _KINDS.get(tag, Kind.OTHER), name, None, unit=unit, at=at)
        kind = _KINDS.get(tag, Kind.OTHER)
        made = Type(self, kind, name or alias, size, unit=unit, at=at)
        if kind is Kind.ENUM:
            made.signed = self._signed(unit, entry, made)
            if size is None and (base := self.reference(unit, entry)) is not None:
                made.size = self.type_at(base).size
        return made

    def _signed(self, unit: Unit, entry: Attributes, made: Type) -> bool:
        code = number(entry, tags.AT_ENCODING)
        if code is not None:
            return code in (tags.ATE_SIGNED, tags.ATE_SIGNED_CHAR)
        base = self.reference(unit, entry)
        if base is not None:
            return self.type_at(base).signed
        return any(value < 0 for value in made.enumerators)

    def _definition(self, unit: Unit, at: int, tag: int, entry: Attributes, name: str | None) -> Type | None:
        """The type that a declaration stands for, from whichever unit defines it."""
        if tags.AT_SIGNATURE in entry:
            place = self.reference(unit, entry, tags.AT_SIGNATURE)
            return self.type_at(place) if place != unit.offset + at else None
        letter = _LETTERS.get(tag)
        if name is None or letter is None:
            return None
        full = name if unit.is_c else qualified(unit, at)
        shapes = self.different(self.places(letter, full))
        return shapes[0] if len(shapes) == 1 else None

    def places(self, letter: str, name: str) -> list[int]:
        """Offsets of what defines a name; also of a type inside a C++ class."""
        found = [entry.offset for entry in self.index.find(letter, name)]
        outer, inner = split(name)
        if found or not outer:
            return found
        for owner in self.places("s", outer)[:16] or self.places("u", outer)[:16]:
            unit = self.unit_of(owner)
            with self.guard(owner):
                for start, _ in children(unit, owner - unit.offset, LETTERS_OF[letter]):
                    entry = unit.attributes(start, frozenset({AT_NAME, tags.AT_DECLARATION}))[1]
                    if tags.AT_DECLARATION not in entry and unit.string(entry.get(AT_NAME)) == inner:
                        found.append(unit.offset + start)
        return found

    def different(self, offsets: list[int]) -> list[Type]:
        """The types at these offsets without those that look the same."""
        shapes: dict[object, Type] = {}
        for offset in offsets[:64]:
            made = self.type_at(offset)
            if len(offsets) == 1:
                return [made]
            members = (
                tuple((m.name, m.bit, m.bits) for m in made.members)
                if made.kind in RECORDS
                else tuple(sorted(made.enumerators))
                if made.kind is Kind.ENUM
                else str(made)
            )
            shapes.setdefault((made.kind, made.size, members), made)
        return list(shapes.values())

    def array(self, element: int | None, bounds: tuple[int | None, ...]) -> Type:
        key = (element, bounds)
        found = self._arrays.get(key)
        if found is None:
            size = self.type_at(element).size
            for bound in bounds:
                size = size * bound if size is not None and bound is not None else None
            if size is not None and size >= HUGE:
                raise BadFormat(f"{self.elf.file}: an array of {size} bytes")
            found = self._arrays[key] = Type(self, Kind.ARRAY, None, size, reference=element, bounds=bounds)
        return found

    def _size(self, reference: int) -> int | None:
        return self.type_at(reference).size

    def members(self, owner: Type) -> tuple[Member, ...]:
        if owner.unit is None or owner.kind not in RECORDS:
            return ()
        unit = owner.unit
        found: list[Member] = []
        with self.guard(unit.offset + owner.at):
            for start, tag in children(unit, owner.at, frozenset({tags.MEMBER, tags.INHERITANCE})):
                entry = unit.attributes(start, _MEMBER)[1]
                if tags.AT_EXTERNAL in entry or tags.AT_DECLARATION in entry:
                    continue  # static
                reference = self.reference(unit, entry)
                if reference is None:
                    continue
                name = unit.string(entry.get(AT_NAME))
                base = tag == tags.INHERITANCE
                place = member_place(entry, partial(self._size, reference))
                if place is not None:  # a virtual base's place isn't a constant
                    found.append(Member(None if base else name, *place, reference, base))
        return tuple(found)

    def inner(self, owner: Type, name: str) -> Type | None:
        """The type that ``owner`` or one of its bases calls ``name``."""
        queue, seen = [owner], 0
        while queue and seen < _HOPS:
            here = queue.pop(0)
            seen += 1
            if here.unit is None:
                continue
            with self.guard(here.unit.offset + here.at):
                for start, _ in children(here.unit, here.at, _NAMED):
                    entry = here.unit.attributes(start, frozenset({AT_NAME}))[1]
                    if here.unit.string(entry.get(AT_NAME)) == name:
                        return self.type_at(here.unit.offset + start)
            queue += [self.type_at(member.reference) for member in here.members if member.base]
        return None

    def enumerators(self, owner: Type) -> dict[int, str]:
        found: dict[int, str] = {}
        if owner.unit is None or owner.kind is not Kind.ENUM:
            return found
        with self.guard(owner.unit.offset + owner.at):
            for start, _ in children(owner.unit, owner.at, frozenset({tags.ENUMERATOR})):
                entry = owner.unit.attributes(start)[1]
                value, name = number(entry, tags.AT_CONST_VALUE), owner.unit.string(entry.get(AT_NAME))
                if value is not None and name is not None:
                    found.setdefault(value, name)
        return found
