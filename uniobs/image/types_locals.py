"""Parameters and local variables of a function, as far as its frame tells where they are.

What isn't certain is said, not guessed: a variable that was optimised away here, one that lies in a register
which this frame no longer has, one that is kept in pieces.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from uniobs.errors import NotOffered
from uniobs.image.dwarf import forms, info, ranges, tags
from uniobs.image.dwarf.expr import evaluate
from uniobs.image.dwarf.reader import sleb, uleb, unsigned
from uniobs.image.dwarf.unit import AT_ABSTRACT_ORIGIN, AT_HIGH_PC, AT_LOW_PC, AT_NAME, AT_RANGES, Unit
from uniobs.image.types_model import Type
from uniobs.image.types_names import children
from uniobs.image.types_value import Value

if TYPE_CHECKING:
    from uniobs.image.module import Module
    from uniobs.memory.base import AddressSpace

_PARAMETER, _BLOCK, _AT_FRAME_BASE, _AT_LOCLISTS_BASE = 0x05, 0x0B, 0x40, 0x8C
_INSIDE: Final = frozenset({_PARAMETER, tags.VARIABLE, _BLOCK})
_RANGES: Final = frozenset({AT_LOW_PC, AT_HIGH_PC, AT_RANGES})
_NAMED: Final = frozenset({AT_NAME, tags.AT_TYPE, AT_ABSTRACT_ORIGIN, tags.AT_LOCATION, tags.AT_CONST_VALUE})
_SECTIONS: Final = (".debug_ranges", ".debug_rnglists", ".debug_loc", ".debug_loclists", ".debug_addr")
_DEEPEST: Final = 32
_MOST: Final = 4096
_OP_ADDR, _OP_REG, _OP_BREG, _OP_FBREG, _OP_CFA, _OP_STACK_VALUE = 0x03, 0x50, 0x70, 0x91, 0x9C, 0x9F
_OP_ADDRX: Final = 0xA1
_AT_ENTRY: Final = (b"\xa3", b"\xf3")  # entry_value, and GNU's
_Entry = Mapping[int, tuple[int, int | bytes]]
_END: Final = 1 << 64


class Spot(NamedTuple):
    """What is known of a frame. ``registers``: by DWARF's numbers, those that are this frame's."""

    pc: int  # of a return address: the byte before
    cfa: int | None
    registers: Mapping[int, int]


class Local(NamedTuple):
    """``value`` None: ``why`` it isn't known."""

    name: str
    parameter: bool
    value: Value | None
    why: str = ""


def locals_of(module: "Module", place: Spot, space: "AddressSpace") -> list[Local]:
    """Of the function around ``place.pc``, innermost block last; not of what was inlined into it.

    Raises NotOffered without debug information for it, BadFormat where that is garbled.
    """
    address = place.pc - module.bias
    dwarf = module.dwarf
    unit = dwarf.unit_at(address) if dwarf is not None else None
    if dwarf is None or unit is None:
        raise NotOffered(f"{module.name} has no debug information for {place.pc:#x}")
    table = dwarf.types
    with table.guard(unit.offset):
        sections = {name: dwarf.elf.data(name) for name in _SECTIONS}
        every = info.functions(unit, sections, everywhere=not unit.is_c)
        found = [function for function in every if _holds(function.ranges, address)]
        if not found:
            raise NotOffered(f"{module.name} has no debug information for {place.pc:#x}")
        at = found[-1].at
        entry = unit.attributes(at, frozenset({_AT_FRAME_BASE}))[1]
        base = _expression(unit, entry, _AT_FRAME_BASE, address, sections)
        reader = _Reader(module, unit, place, space, sections, base)
        return list(reader.inside(at, 0))


def _holds(covered: ranges.Ranges, address: int) -> bool:
    return any(low <= address < high for low, high in covered)


class _Reader:
    def __init__(
        self, module: "Module", unit: Unit, place: Spot, space: "AddressSpace",
        sections: dict[str, memoryview], base: bytes | None,
    ) -> None:  # fmt: skip
        self.module, self.unit, self.place, self.space = module, unit, place, space
        self.sections, self.base = sections, base
        self.address = place.pc - module.bias
        assert module.dwarf is not None
        self.table = module.dwarf.types

    def inside(self, at: int, depth: int) -> Iterator[Local]:
        if depth > _DEEPEST:
            raise ValueError("blocks nested too deeply")
        for start, tag in children(self.unit, at, _INSIDE):
            if tag == _BLOCK:
                entry = self.unit.attributes(start, _RANGES)[1]
                if _holds(ranges.of(self.unit, entry, self.sections), self.address):
                    yield from self.inside(start, depth + 1)
                continue
            found = self._local(start, tag == _PARAMETER)
            if found is not None:
                yield found

    def _local(self, at: int, parameter: bool) -> Local | None:
        entry = self.unit.attributes(at, _NAMED)[1]
        declared, owner = entry, self.unit
        if AT_ABSTRACT_ORIGIN in entry and (place := self.table.reference(owner, entry, AT_ABSTRACT_ORIGIN)):
            owner = self.table.unit_of(place)
            declared = owner.attributes(place - owner.offset, _NAMED)[1]
        name = owner.string(declared.get(AT_NAME))
        if name is None:
            return None
        try:
            return Local(name, parameter, self._value(entry, owner, declared))
        except NotOffered as error:
            return Local(name, parameter, None, str(error))

    def _value(self, entry: _Entry, owner: Unit, declared: _Entry) -> Value:
        made = self.table.type_at(self.table.reference(owner, dict(declared)))
        constant = entry.get(tags.AT_CONST_VALUE)
        if constant is not None and isinstance(constant[1], int) and made.size in (1, 2, 4, 8):
            size = made.size or 0
            return Value(made, 0, self.space, (constant[1] & (1 << 8 * size) - 1).to_bytes(size, "little"))
        code = _expression(self.unit, dict(entry), tags.AT_LOCATION, self.address, self.sections)
        if not code:
            raise NotOffered("optimised out here")
        op = code[0]
        if _OP_REG <= op < _OP_REG + 32 and len(code) == 1:
            return self._in_register(made, self._register(op - _OP_REG))
        address = self._address(code)
        if address is not None:
            return Value(made, address % _END, self.space)
        if code[-1] == _OP_STACK_VALUE and made.size in (1, 2, 4, 8):
            return self._in_register(made, self._computed(code[:-1]))
        raise NotOffered("kept in pieces, or computed from what isn't known")

    def _in_register(self, made: Type, number: int) -> Value:
        if not made.size or made.size > 8:
            raise NotOffered("kept in several registers")
        return Value(made, 0, self.space, number.to_bytes(8, "little")[: made.size])

    def _register(self, number: int) -> int:
        if number not in self.place.registers:
            raise NotOffered("in a register that a later call may have changed")
        return self.place.registers[number]

    def _address(self, code: bytes) -> int | None:
        """Of what lies in memory; None for an expression of another kind."""
        if code[0] == _OP_FBREG:
            offset, end = sleb(code, 1)
            return self._frame_base() + offset if end == len(code) else None
        if code[0] == _OP_ADDR:
            return unsigned(code, 1, 8) + self.module.bias if len(code) == 9 else None
        if code[0] == _OP_ADDRX:
            index, end = uleb(code, 1)
            return self.unit.indexed_address(index) + self.module.bias if end == len(code) else None
        if _OP_BREG <= code[0] < _OP_BREG + 32:
            offset, end = sleb(code, 1)
            return self._register(code[0] - _OP_BREG) + offset if end == len(code) else None
        return None

    def _frame_base(self) -> int:
        base = self.base
        if base == bytes([_OP_CFA]):
            if self.place.cfa is None:
                raise NotOffered("where its frame is isn't known")
            return self.place.cfa
        if base and len(base) == 1 and _OP_REG <= base[0] < _OP_REG + 32:
            return self._register(base[0] - _OP_REG)
        raise NotOffered("where its frame is isn't known")

    def _computed(self, code: bytes) -> int:
        if code[:1] in _AT_ENTRY:
            raise NotOffered("no longer kept: only its value at the function's entry is described")
        if _OP_FBREG in code:
            raise NotOffered("computed from its frame")
        try:
            return evaluate(code, self.place.registers, self.space.read, [], self.module.bias) % _END
        except (KeyError, ValueError, IndexError):
            raise NotOffered("computed from registers that a later call may have changed") from None


def _expression(
    unit: Unit, entry: _Entry, attribute: int, address: int, sections: dict[str, memoryview]
) -> bytes | None:
    """The location at an address; None where the list has none."""
    found = entry.get(attribute)
    if found is None or isinstance(found[1], bytes):
        return found[1] if found is not None and isinstance(found[1], bytes) else None
    if unit.version >= 5:
        return _listed(unit, found[0], found[1], address, sections[".debug_loclists"])
    return _old(unit, found[1], address, sections[".debug_loc"])


def _old(unit: Unit, at: int, address: int, data: memoryview) -> bytes | None:
    base, width = unit.low_pc, unit.sizes[1]
    for _ in range(_MOST):
        low, high = unsigned(data, at, width), unsigned(data, at + width, width)
        at += 2 * width
        if low == (1 << 8 * width) - 1:
            base = high
            continue
        if not low and not high:
            return None
        size = unsigned(data, at, 2)
        if base + low <= address < base + high:
            return bytes(data[at + 2 : at + 2 + size])
        at += 2 + size
    return None


def _listed(unit: Unit, form: int, at: int, address: int, data: memoryview) -> bytes | None:
    width, offsets = unit.sizes[1], unit.sizes[2]
    if form == forms.LOCLISTX:
        found = unit.root.get(_AT_LOCLISTS_BASE)
        table = found[1] if found and isinstance(found[1], int) else 12 if offsets == 4 else 20
        at = table + unsigned(data, table + at * offsets, offsets)
    base = unit.low_pc
    otherwise: bytes | None = None
    for _ in range(_MOST):
        kind, at = data[at], at + 1
        if kind == 0:
            return otherwise
        if kind == 1:
            index, at = uleb(data, at)
            base = unit.indexed_address(index)
            continue
        if kind == 6:
            base, at = unsigned(data, at, width), at + width
            continue
        low = high = 0
        if kind in (2, 3):
            index, at = uleb(data, at)
            low = unit.indexed_address(index)
            high, at = uleb(data, at)
            high = unit.indexed_address(high) if kind == 2 else low + high
        elif kind == 4:
            low, at = uleb(data, at)
            high, at = uleb(data, at)
            low, high = base + low, base + high
        elif kind == 7:
            low, high, at = unsigned(data, at, width), unsigned(data, at + width, width), at + 2 * width
        elif kind == 8:
            low, at = unsigned(data, at, width), at + width
            high, at = uleb(data, at)
            high += low
        elif kind != 5:
            raise ValueError(f"location list entry {kind}")
        size, at = uleb(data, at)
        code = bytes(data[at : at + size])
        at += size
        if kind == 5:
            otherwise = code
        elif low <= address < high:
            return code
    return None
