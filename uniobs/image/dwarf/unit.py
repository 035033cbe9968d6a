"""Units of .debug_info: headers, abbreviations, and the attributes of one entry (DIE)."""

import struct
from collections.abc import Iterator
from functools import cached_property

from uniobs.image.dwarf import forms
from uniobs.image.dwarf.reader import cstring, guard, sleb, uleb, unsigned
from uniobs.lean import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from uniobs.image.elf import Elf

AT_SIBLING, AT_NAME, AT_STMT_LIST, AT_LOW_PC, AT_HIGH_PC, AT_LANGUAGE, AT_COMP_DIR = (
    0x01,
    0x03,
    0x10,
    0x11,
    0x12,
    0x13,
    0x1B,
)
AT_ABSTRACT_ORIGIN, AT_SPECIFICATION, AT_RANGES, AT_CALL_FILE, AT_CALL_LINE = 0x31, 0x47, 0x55, 0x58, 0x59
AT_LINKAGE_NAME, AT_STR_OFFSETS_BASE, AT_ADDR_BASE, AT_RNGLISTS_BASE = 0x6E, 0x72, 0x73, 0x74
AT_GNU_RANGES_BASE, AT_GNU_ADDR_BASE = 0x2132, 0x2133
AT_DWO_NAMES: Final = (0x76, 0x2130)  # DWARF 5's, GNU's
_UT_TYPE, _UT_SKELETON, _UT_SPLIT_COMPILE, _UT_SPLIT_TYPE = 2, 4, 5, 6
_TYPES: Final = 1 << 48  # where DWARF 4's .debug_types is put in the offsets of .debug_info
SUPPLEMENT: Final = 1 << 62  # and the offsets of the supplementary file, for origin()
_C_LANGUAGES: Final = frozenset({0x01, 0x02, 0x0C, 0x1D, 0x2C, 0x8001})  # C89 C C99 C11 C17, assembly
_RUST: Final = 0x1C

Attributes = dict[int, tuple[int, int | bytes]]  # attribute: (form, raw value)


class Abbrev(NamedTuple):
    tag: int
    children: bool
    specs: tuple[tuple[int, int, int], ...]  # attribute, form, implicit constant
    plan: tuple[int, ...]  # byte counts and forms.SKIP_*, neighbours merged
    sibling: tuple[tuple[int, ...], int] | None  # what to skip before AT_sibling, its form


def _plan(steps: list[int]) -> tuple[int, ...]:
    merged: list[int] = []
    for how in steps:
        if how >= 0 and merged and merged[-1] >= 0:
            merged[-1] += how
        elif how:
            merged.append(how)
    return tuple(merged)


def abbreviations(data: memoryview, at: int, sizes: tuple[int, int, int]) -> dict[int, Abbrev]:
    """The table at one offset of .debug_abbrev, by code."""
    table: dict[int, Abbrev] = {}
    while True:
        code, at = uleb(data, at)
        if not code:
            return table
        tag, at = uleb(data, at)
        children = bool(data[at])
        at += 1
        specs: list[tuple[int, int, int]] = []
        steps: list[int] = []
        sibling = None
        while True:
            name, at = uleb(data, at)
            form, at = uleb(data, at)
            constant = 0
            if form == forms.IMPLICIT_CONST:
                constant, at = sleb(data, at)
            if not name and not form:
                break
            if name == AT_SIBLING and sibling is None:
                sibling = (_plan(steps), form)
            specs.append((name, form, constant))
            steps.append(forms.step(form, *sizes))
        table[code] = Abbrev(tag, children, tuple(specs), _plan(steps), sibling)


class Unit:
    """One unit. Positions inside it (``at``) count from its start, as its local references do."""

    def __init__(
        self, elf: "Elf", offset: int, header: tuple[int, int, int, int, int, int], kind: int
    ) -> None:
        self._elf = elf
        self.offset = offset
        self.size, self.version, address_size, offset_size, self.abbrev_offset, self.first = header
        self.sizes = (self.version, address_size, offset_size)
        self.kind = kind
        self.signature, self.type_at = 0, 0  # of a type unit: what it is referred to by, its type's place
        self.has_code = kind not in (_UT_TYPE, _UT_SPLIT_COMPILE, _UT_SPLIT_TYPE)

    @cached_property
    def data(self) -> bytes:
        section, start = ".debug_info", self.offset
        if start >= _TYPES:
            section, start = ".debug_types", start - _TYPES
        return bytes(self._elf.data(section)[start : start + self.size])

    @cached_property
    def abbrevs(self) -> dict[int, Abbrev]:
        with guard(f"{self._elf.file}: .debug_abbrev at {self.abbrev_offset:#x}"):
            return abbreviations(self._elf.data(".debug_abbrev"), self.abbrev_offset, self.sizes)

    def attributes(
        self, at: int, wanted: frozenset[int] | None = None
    ) -> tuple[Abbrev | None, Attributes, int]:
        """(abbreviation or None for a null entry, attributes, position after it)."""
        data, sizes = self.data, self.sizes
        code, at = uleb(data, at)
        if not code:
            return None, {}, at
        abbrev = self.abbrevs[code]
        found: Attributes = {}
        for name, form, constant in abbrev.specs:
            if form == forms.IMPLICIT_CONST:
                found[name] = (form, constant)
            elif wanted is None or name in wanted:
                raw, at, form = forms.value(data, at, form, sizes)
                found[name] = (form, raw)
            else:
                at = forms.skip(data, at, forms.step(form, *sizes), sizes)
        return abbrev, found, at

    @cached_property
    def root(self) -> Attributes:
        with guard(f"{self._elf.file}: the unit at {self.offset:#x} of .debug_info"):
            return self.attributes(self.first)[1]

    def _base(self, attribute: int, gnu: int | None, default: int) -> int:
        found = self.root.get(attribute) or (self.root.get(gnu) if gnu else None)
        return found[1] if found and isinstance(found[1], int) else default

    def string(self, attribute: tuple[int, int | bytes] | None) -> str | None:
        """Text of an attribute; None when there is none, or it lies in a file that isn't there."""
        if attribute is None:
            return None
        form, raw = attribute
        if not isinstance(raw, int):
            return None
        if form == forms.STRING:
            return cstring(memoryview(self.data), raw)
        if form == forms.STRP:
            return cstring(self._elf.data(".debug_str"), raw)
        if form == forms.LINE_STRP:
            return cstring(self._elf.data(".debug_line_str"), raw)
        if form in forms.ALT_STRINGS:
            other = self._elf.supplement
            return cstring(other.data(".debug_str"), raw) if other is not None else None
        if form in forms.INDEXED_STRINGS:
            width = self.sizes[2]
            base = self._base(AT_STR_OFFSETS_BASE, None, 0 if self.version < 5 else 2 * width)
            offset = unsigned(self._elf.data(".debug_str_offsets"), base + raw * width, width)
            return cstring(self._elf.data(".debug_str"), offset)
        return None

    def origin(self, attribute: tuple[int, int | bytes]) -> int | None:
        """As reference(), and what lies in the supplementary file is put behind SUPPLEMENT."""
        form, raw = attribute
        if form in forms.ALT_REFS and isinstance(raw, int):
            return SUPPLEMENT + raw
        return self.reference(attribute)

    def indexed_address(self, index: int) -> int:
        width = self.sizes[1]
        base = self._base(AT_ADDR_BASE, AT_GNU_ADDR_BASE, 0 if self.version < 5 else 8)
        return unsigned(self._elf.data(".debug_addr"), base + index * width, width)

    def address(self, attribute: tuple[int, int | bytes] | None) -> int | None:
        if attribute is None:
            return None
        form, raw = attribute
        if not isinstance(raw, int):
            return None
        return self.indexed_address(raw) if form in forms.INDEXED_ADDRESSES else raw

    def reference(self, attribute: tuple[int, int | bytes]) -> int | None:
        """The offset in .debug_info that an attribute refers to; None for other files and signatures."""
        form, raw = attribute
        if not isinstance(raw, int):
            return None
        if form in forms.LOCAL_REFS:
            return self.offset + raw
        return raw if form == forms.REF_ADDR else None

    @property
    def name(self) -> str | None:
        return self.string(self.root.get(AT_NAME))

    @cached_property
    def directory(self) -> str | None:
        return self.string(self.root.get(AT_COMP_DIR))

    @property
    def is_rust(self) -> bool:
        language = self.root.get(AT_LANGUAGE)
        return language is not None and language[1] == _RUST

    @property
    def is_c(self) -> bool:
        language = self.root.get(AT_LANGUAGE)
        return language is not None and language[1] in _C_LANGUAGES

    @property
    def line_offset(self) -> int | None:
        found = self.root.get(AT_STMT_LIST)
        return found[1] if found and isinstance(found[1], int) else None

    @property
    def is_split(self) -> bool:
        """Its entries are in a .dwo file; here are only its lines."""
        return any(name in self.root for name in AT_DWO_NAMES)

    @cached_property
    def low_pc(self) -> int:
        return self.address(self.root.get(AT_LOW_PC)) or 0


def units(elf: "Elf") -> Iterator[Unit]:
    """Every unit of .debug_info and of DWARF 4's .debug_types, by hopping from header to header."""
    for section, base in ((".debug_info", 0), (".debug_types", _TYPES)):
        at, size = 0, len(elf.data(section))
        while at < size:
            yield (unit := unit_from(elf, base + at))
            at += unit.size


def unit_from(elf: "Elf", offset: int) -> Unit:
    """The unit whose header is at ``offset`` of .debug_info."""
    with guard(f"{elf.file}: the unit header at {offset:#x} of .debug_info"):
        return _header(elf, offset)


def _header(elf: "Elf", offset: int) -> Unit:
    apart = offset >= _TYPES
    data = elf.data(".debug_types" if apart else ".debug_info")
    start = at = offset - _TYPES if apart else offset
    length = unsigned(data, at, 4)
    at += 4
    width = 4
    if length == 0xFFFFFFFF:
        length, at, width = unsigned(data, at, 8), at + 8, 8
    size = at - start + length
    if start + size > len(data):
        raise ValueError("it reaches past the section's end")
    (version,) = struct.unpack_from("<H", data, at)
    at += 2
    kind = _UT_TYPE if apart else 0
    if version >= 5:
        kind, address_size = data[at], data[at + 1]
        abbrev = unsigned(data, at + 2, width)
        at += 2 + width
        at += 8 if kind in (_UT_SKELETON, _UT_SPLIT_COMPILE) else 0
    else:
        abbrev = unsigned(data, at, width)
        address_size = data[at + width]
        at += width + 1
    signature = type_at = 0
    if kind in (_UT_TYPE, _UT_SPLIT_TYPE):
        signature, type_at = unsigned(data, at, 8), unsigned(data, at + 8, width)
        at += 8 + width
    if not 2 <= version <= 5:
        raise ValueError(f"DWARF version {version}")
    if address_size not in (4, 8):
        raise ValueError(f"addresses of {address_size} bytes")
    unit = Unit(elf, offset, (size, version, address_size, width, abbrev, at - start), kind)
    unit.signature, unit.type_at = signature, type_at
    return unit
