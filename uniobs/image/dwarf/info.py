"""Functions of a unit, and what was inlined into them."""

from uniobs.image.dwarf import forms, ranges
from uniobs.image.dwarf.reader import uleb
from uniobs.image.dwarf.unit import (
    AT_ABSTRACT_ORIGIN,
    AT_CALL_FILE,
    AT_CALL_LINE,
    AT_HIGH_PC,
    AT_LINKAGE_NAME,
    AT_LOW_PC,
    AT_NAME,
    AT_RANGES,
    AT_SPECIFICATION,
    Abbrev,
    Attributes,
    Unit,
)
from uniobs.lean import Final, NamedTuple

TAG_SUBPROGRAM, TAG_INLINED = 0x2E, 0x1D
_SUBPROGRAMS: Final = frozenset({TAG_SUBPROGRAM})
_INLINED: Final = frozenset({TAG_INLINED})
# array, class, enumeration, structure, subroutine type, union: in C no code lies below these
_TYPES: Final = frozenset({0x01, 0x02, 0x04, 0x13, 0x15, 0x17})
_CALL_SITES: Final = frozenset({0x48, 0x4109})
_PRUNE_C: Final = _TYPES | _SUBPROGRAMS
_PRUNE_BODY: Final = _TYPES | _SUBPROGRAMS | _CALL_SITES
_CODE: Final = frozenset({AT_LOW_PC, AT_HIGH_PC, AT_RANGES})
_INLINE: Final = _CODE | {AT_ABSTRACT_ORIGIN, AT_CALL_FILE, AT_CALL_LINE}
NAMES: Final = frozenset({AT_NAME, AT_LINKAGE_NAME, AT_ABSTRACT_ORIGIN, AT_SPECIFICATION})


class Function(NamedTuple):
    at: int  # position in its unit
    ranges: ranges.Ranges


class Inlined(NamedTuple):
    depth: int
    ranges: ranges.Ranges
    origin: int | None  # offset in .debug_info (or SUPPLEMENT + one) of the abstract function
    call_file: int
    call_line: int


def walk(
    unit: Unit, at: int, wanted: frozenset[int], prune: frozenset[int], most: int = 0
) -> list[tuple[int, Abbrev, int]]:
    """(position, abbreviation, depth) of the wanted entries below ``at``, the first child of some entry.

    The children of entries in ``prune`` are skipped where a sibling reference allows it. More than ``most``
    entries on the way (0: any number) are a ValueError.
    """
    data, abbrevs, sizes = unit.data, unit.abbrevs, unit.sizes
    found: list[tuple[int, Abbrev, int]] = []
    end = len(data)
    depth = looked = 0
    while at < end:
        start = at
        code = data[at]
        at += 1
        looked += 1
        if looked == most:
            raise ValueError(f"more than {most} entries below one")
        if code >= 0x80:
            code, at = uleb(data, start)
        if not code:
            depth -= 1
            if depth < 0:
                break
            continue
        abbrev = abbrevs[code]
        tag = abbrev.tag
        if tag in wanted:
            found.append((start, abbrev, depth))
        if abbrev.children and tag in prune and abbrev.sibling is not None:
            at = sibling(unit, at, abbrev.sibling)
            if at <= start:
                raise ValueError("an entry's sibling lies before it")
            continue
        for how in abbrev.plan:
            if how >= 0:
                at += how
            else:
                at = forms.skip(data, at, how, sizes)
        if abbrev.children:
            depth += 1
    return found


def sibling(unit: Unit, at: int, how: tuple[tuple[int, ...], int]) -> int:
    """Where the next entry at the same level starts; ``at`` is where this one's attributes do."""
    for step in how[0]:
        at = forms.skip(unit.data, at, step, unit.sizes)
    value, _, form = forms.value(unit.data, at, how[1], unit.sizes)
    if not isinstance(value, int):
        raise ValueError("a sibling that is no reference")
    return value - unit.offset if form == forms.REF_ADDR else value


def functions(unit: Unit, sections: dict[str, memoryview], *, everywhere: bool) -> list[Function]:
    """Functions with code. C keeps them at the top level; ``everywhere`` looks below other entries too."""
    abbrev, _, at = unit.attributes(unit.first)
    if abbrev is None or not abbrev.children:
        return []
    prune = frozenset[int]() if everywhere else _PRUNE_C
    found: list[Function] = []
    for start, shape, _ in walk(unit, at, _SUBPROGRAMS, prune):
        if not any(spec[0] in (AT_LOW_PC, AT_RANGES) for spec in shape.specs):
            continue
        covered = ranges.of(unit, unit.attributes(start, _CODE)[1], sections)
        if covered:
            found.append(Function(start, covered))
    return found


def inlined(unit: Unit, function: Function, sections: dict[str, memoryview]) -> list[Inlined]:
    """Inlined calls below a function, outer before inner (``depth`` nests them)."""
    abbrev, _, at = unit.attributes(function.at, frozenset())
    if abbrev is None or not abbrev.children:
        return []
    found: list[Inlined] = []
    for start, _, depth in walk(unit, at, _INLINED, _PRUNE_BODY):
        entry = unit.attributes(start, _INLINE)[1]
        origin = entry.get(AT_ABSTRACT_ORIGIN)
        found.append(
            Inlined(
                depth,
                ranges.of(unit, entry, sections),
                unit.origin(origin) if origin else None,
                _number(entry, AT_CALL_FILE),
                _number(entry, AT_CALL_LINE),
            )
        )
    return found


def _number(entry: Attributes, attribute: int) -> int:
    found = entry.get(attribute)
    return found[1] if found and isinstance(found[1], int) else 0


def chain(calls: list[Inlined], address: int) -> list[Inlined]:
    """The inlined calls around ``address``, outermost first."""
    found: list[Inlined] = []
    for call in calls:
        if found and call.depth <= found[-1].depth:
            break  # past the innermost one's children
        if any(low <= address < high for low, high in call.ranges):
            found.append(call)
    return found
