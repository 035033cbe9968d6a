"""Which addresses an entry covers: low/high pc, .debug_ranges, .debug_rnglists."""

from uniobs.image.dwarf import forms
from uniobs.image.dwarf.reader import uleb, unsigned
from uniobs.image.dwarf.unit import (
    AT_GNU_RANGES_BASE,
    AT_HIGH_PC,
    AT_LOW_PC,
    AT_RANGES,
    AT_RNGLISTS_BASE,
    Attributes,
    Unit,
)

Ranges = tuple[tuple[int, int], ...]
_LIMIT = 1 << 16  # ranges of one entry


def of(unit: Unit, entry: Attributes, sections: dict[str, memoryview]) -> Ranges:
    """[start, end) link addresses, as listed; empty for a declaration."""
    listed = entry.get(AT_RANGES)
    if listed is not None:
        form, raw = listed
        if not isinstance(raw, int):
            return ()
        return _rnglist(unit, form, raw, sections) if unit.version >= 5 else _ranges(unit, raw, sections)
    low = unit.address(entry.get(AT_LOW_PC))
    high = entry.get(AT_HIGH_PC)
    if low is None or high is None or not isinstance(high[1], int):
        return ()
    if high[0] == forms.ADDR or high[0] in forms.INDEXED_ADDRESSES:
        end = unit.address(high) or 0
    else:
        end = low + high[1]
    return ((low, end),) if end > low else ()


def _ranges(unit: Unit, at: int, sections: dict[str, memoryview]) -> Ranges:
    data = sections[".debug_ranges"]
    width = unit.sizes[1]
    base = unit.low_pc
    ones = (1 << 8 * width) - 1
    moved = unit.root.get(AT_GNU_RANGES_BASE)
    if moved and isinstance(moved[1], int):
        at += moved[1]
    found: list[tuple[int, int]] = []
    while len(found) < _LIMIT:
        low, high = unsigned(data, at, width), unsigned(data, at + width, width)
        at += 2 * width
        if low == ones:
            base = high
        elif low == 0 and high == 0:
            break
        elif high > low:
            found.append((base + low, base + high))
    return tuple(found)


def _rnglist(unit: Unit, form: int, at: int, sections: dict[str, memoryview]) -> Ranges:
    data = sections[".debug_rnglists"]
    width = unit.sizes[1]
    if form == forms.RNGLISTX:
        offset_size = unit.sizes[2]
        found = unit.root.get(AT_RNGLISTS_BASE)
        table = found[1] if found and isinstance(found[1], int) else 12 if offset_size == 4 else 20
        at = table + unsigned(data, table + at * offset_size, offset_size)
    base = unit.low_pc
    result: list[tuple[int, int]] = []
    while len(result) < _LIMIT:
        kind = data[at]
        at += 1
        if kind == 0:  # end_of_list
            break
        if kind == 1:  # base_addressx
            index, at = uleb(data, at)
            base = unit.indexed_address(index)
            continue
        if kind == 5:  # base_address
            base, at = unsigned(data, at, width), at + width
            continue
        if kind in (2, 3):  # startx_endx, startx_length
            index, at = uleb(data, at)
            low = unit.indexed_address(index)
            high, at = uleb(data, at)
            high = unit.indexed_address(high) if kind == 2 else low + high
        elif kind == 4:  # offset_pair
            low, at = uleb(data, at)
            high, at = uleb(data, at)
            low, high = base + low, base + high
        elif kind == 6:  # start_end
            low, high, at = unsigned(data, at, width), unsigned(data, at + width, width), at + 2 * width
        elif kind == 7:  # start_length
            low, at = unsigned(data, at, width), at + width
            high, at = uleb(data, at)
            high += low
        else:
            raise ValueError(f"range list entry {kind}")
        if high > low:
            result.append((low, high))
    return tuple(result)
