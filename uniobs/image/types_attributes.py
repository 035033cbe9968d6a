"""What attributes say about numbers of elements and places of members."""

from collections.abc import Callable
from typing import Final

from uniobs.image.dwarf import forms, tags
from uniobs.image.dwarf.reader import uleb
from uniobs.image.dwarf.unit import Attributes, Unit
from uniobs.image.types_names import children

HUGE: Final = 1 << 48  # bytes: no type is larger

# A variable or an expression says it, when the program runs.
_ELSEWHERE: Final = forms.LOCAL_REFS | {forms.REF_ADDR, forms.REF_SIG8, forms.SEC_OFFSET, forms.LOCLISTX}


def number(entry: Attributes, attribute: int) -> int | None:
    """A constant attribute; None when it isn't there or isn't constant."""
    found = entry.get(attribute)
    if found is None or found[0] in _ELSEWHERE or not isinstance(found[1], int):
        return None
    return found[1]


def array_bounds(unit: Unit, at: int) -> tuple[int | None, ...]:
    """Elements in each dimension of an array, outermost first; None: not known."""
    found: list[int | None] = []
    for start, _ in children(unit, at, frozenset({tags.SUBRANGE})):
        entry = unit.attributes(start)[1]
        count = number(entry, tags.AT_COUNT)
        last = number(entry, tags.AT_UPPER_BOUND)
        if count is None and last is not None:
            wide = entry[tags.AT_UPPER_BOUND][0] in (forms.DATA4, forms.DATA8)
            if wide and last in (0xFFFFFFFF, (1 << 64) - 1):
                last = -1  # an array of nothing
            count = last + 1 - (number(entry, tags.AT_LOWER_BOUND) or 0)
        if count is not None and not 0 <= count < HUGE:
            raise ValueError(f"an array of {count} elements")
        found.append(count)
    return tuple(found[:16]) or (None,)


def member_place(entry: Attributes, type_size: Callable[[], int | None]) -> tuple[int, int] | None:
    """(first bit, width of a bit field or 0) of a member; None when it isn't at a constant place."""
    bits = number(entry, tags.AT_BIT_SIZE) or 0
    first = number(entry, tags.AT_DATA_BIT_OFFSET)
    if first is None:
        raw = entry.get(tags.AT_MEMBER_LOCATION, (0, 0))[1]
        if isinstance(raw, bytes):
            if raw[:1] != b"\x23" or uleb(raw, 1)[1] != len(raw):  # DW_OP_plus_uconst
                return None
            raw = uleb(raw, 1)[0]
        first = 8 * raw
        if bits:
            unit_size = number(entry, tags.AT_BYTE_SIZE) or type_size() or 0
            left = number(entry, tags.AT_BIT_OFFSET) or 0  # clang's may be negative, stored unsigned
            first += 8 * unit_size - (left - (1 << 64) if left >> 63 == 1 else left) - bits
    if not 0 <= first < HUGE or not 0 <= bits <= 128:
        raise ValueError("a member outside its struct")
    return first, bits
