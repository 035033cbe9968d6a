"""From an address to functions and lines: what ties the sections of one file's DWARF together."""

from bisect import bisect_right
from functools import cached_property

from uniobs.errors import BadFormat
from uniobs.image.dwarf import aranges, info, ranges
from uniobs.image.dwarf.line import LineTable
from uniobs.image.dwarf.reader import guard
from uniobs.image.dwarf.unit import (
    AT_ABSTRACT_ORIGIN,
    AT_LINKAGE_NAME,
    AT_NAME,
    AT_SPECIFICATION,
    SUPPLEMENT,
    Unit,
    unit_from,
    units,
)
from uniobs.image.frames import QUALIFIED as _QUALIFIED
from uniobs.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from uniobs.image.elf import Elf
    from uniobs.image.types_table import TypeTable


_SHARED = "the file with the debug information that it shares with others (dwz)"


class Location(NamedTuple):
    """One source position; innermost first in a list of them."""

    function: str | None
    file: str | None
    line: int | None
    inlined: bool


class _Sections(dict[str, memoryview]):
    def __init__(self, elf: "Elf") -> None:
        super().__init__()
        self._elf = elf

    def __missing__(self, name: str) -> memoryview:
        self[name] = self._elf.data(name)
        return self[name]


class _UnitIndex:
    """A unit's functions by address."""

    def __init__(self, unit: Unit, sections: dict[str, memoryview], everywhere: bool) -> None:
        self.unit = unit
        self.functions = info.functions(unit, sections, everywhere=everywhere)
        rows = [(low, high, i) for i, f in enumerate(self.functions) for low, high in f.ranges]
        self.intervals = aranges.Intervals(rows)
        self.everywhere = everywhere
        self.calls: dict[int, list[info.Inlined]] = {}


class Dwarf:
    """Of one file. Methods raise BadFormat when the part that they need is garbled."""

    def __init__(self, elf: "Elf") -> None:
        self.elf = elf
        self._sections = _Sections(elf)
        self._indexes: dict[int, _UnitIndex] = {}
        self._lines: dict[int, LineTable] = {}
        self.note: str | None = None  # what it leaves out
        self._names: dict[int, str | None] = {}
        self._used: dict[int, Unit] = {}  # by offset; every unit is there once, whoever asked first

    @cached_property
    def units(self) -> list[Unit]:
        return [self._used.setdefault(unit.offset, unit) for unit in units(self.elf)]

    @cached_property
    def _supplement(self) -> "Dwarf | None":
        """Of the file that dwz moved shared entries to, if it is there."""
        return Dwarf(self.elf.supplement) if self.elf.supplement is not None else None

    @cached_property
    def types(self) -> "TypeTable":
        """Its types and variables; nothing is read before one is asked for."""
        from uniobs.image.types_table import TypeTable

        return TypeTable(self)

    @cached_property
    def _offsets(self) -> list[int]:
        return [unit.offset for unit in self.units]

    def unit_holding(self, offset: int) -> Unit | None:
        """The unit that an offset of .debug_info lies in."""
        index = bisect_right(self._offsets, offset) - 1
        if index < 0 or offset >= self.units[index].offset + self.units[index].size:
            return None
        return self.units[index]

    @cached_property
    def _listed(self) -> tuple[aranges.Intervals, set[int]]:
        """.debug_aranges, and the units that it speaks of."""
        with guard(f"{self.elf.file}: .debug_aranges"):
            rows = list(aranges.read(self._sections[".debug_aranges"]))
        return aranges.Intervals(rows), {row[2] for row in rows}

    @cached_property
    def _unlisted(self) -> aranges.Intervals:
        """The units that .debug_aranges doesn't speak of, by their own ranges."""
        listed = self._listed[1]
        rows: list[tuple[int, int, int]] = []
        for unit in self.units:
            if unit.offset in listed or not unit.has_code:
                continue
            with guard(f"{self.elf.file}: the unit at {unit.offset:#x} of .debug_info"):
                rows += [(low, high, unit.offset) for low, high in ranges.of(unit, unit.root, self._sections)]
        return aranges.Intervals(rows)

    def unit_at(self, address: int) -> Unit | None:
        """The unit whose code holds a link address."""
        try:
            found = self._listed[0].find(address)
        except BadFormat:
            self.__dict__["_listed"] = (aranges.Intervals([]), set())
            found = []
        found = found or self._unlisted.find(address)
        if not found:
            return None
        if found[0] not in self._used:
            self._used[found[0]] = unit_from(self.elf, found[0])
        return self._used[found[0]]

    def lines(self, unit: Unit) -> LineTable | None:
        offset = unit.line_offset
        if offset is None:
            return None
        table = self._lines.get(offset)
        if table is None:
            with guard(f"{self.elf.file}: the unit at {unit.offset:#x} of .debug_info"):
                directory = unit.directory
            table = self._lines[offset] = LineTable(self.elf, offset, directory, self.elf.code_part)
        return table

    def _index(self, unit: Unit, everywhere: bool) -> _UnitIndex:
        index = self._indexes.get(unit.offset)
        if index is None or index.everywhere < everywhere:
            with guard(f"{self.elf.file}: the unit at {unit.offset:#x} of .debug_info"):
                index = self._indexes[unit.offset] = _UnitIndex(unit, self._sections, everywhere)
        return index

    def _function(self, unit: Unit, address: int) -> tuple[_UnitIndex, info.Function] | None:
        tries = (False, True) if unit.is_c else (True,)
        for everywhere in tries:
            index = self._index(unit, everywhere)
            found = index.intervals.find(address)
            if found:
                return index, index.functions[found[0]]
        return None

    def function(self, address: int) -> tuple[str | None, int, int] | None:
        """(name, start, size) of the function around a link address."""
        unit = self.unit_at(address)
        found = self._function(unit, address) if unit else None
        if unit is None or found is None:
            return None
        for low, high in found[1].ranges:
            if low <= address < high:
                return self.name(unit.offset + found[1].at, unit), low, high - low
        return None

    def name(self, offset: int, unit: Unit | None = None) -> str | None:
        """The name of the function at an offset of .debug_info, through its origins: its linkage name where
        that says its namespace and class (C++, Rust), else the one in the source.

        ``unit`` is where it most likely lies.
        """
        if offset not in self._names:
            with guard(f"{self.elf.file}: the entry at {offset:#x} of .debug_info"):
                self._names[offset] = self._find_name(offset, unit)
        return self._names[offset]

    def _find_name(self, offset: int, unit: Unit | None) -> str | None:
        plain = None
        for _ in range(8):
            if offset >= SUPPLEMENT:
                if self._supplement is None:
                    self.note = f"{self.elf.file}: {_SHARED} isn't there: some names are unknown"
                found = self._supplement.name(offset - SUPPLEMENT) if self._supplement else None
                return found if found and (not plain or found.startswith(_QUALIFIED)) else plain
            if unit is None or not unit.offset <= offset < unit.offset + unit.size:
                unit = self.unit_holding(offset)
            if unit is None:
                break
            entry = unit.attributes(offset - unit.offset, info.NAMES)[1]
            linkage = unit.string(entry.get(AT_LINKAGE_NAME))
            if linkage and linkage.startswith(_QUALIFIED):
                return linkage
            plain = plain or unit.string(entry.get(AT_NAME))
            origin = entry.get(AT_ABSTRACT_ORIGIN) or entry.get(AT_SPECIFICATION)
            following = unit.origin(origin) if origin else None
            if following is None:
                break
            offset = following
        return plain or None

    def locate(self, address: int) -> list[Location]:
        """Source positions of a link address, innermost first; empty when no unit covers it."""
        unit = self.unit_at(address)
        if unit is None:
            return []
        table = self.lines(unit)
        file, line = (table.find(address) if table else None) or (None, None)
        found = self._function(unit, address)
        if found is None:
            if unit.is_split:
                self.note = (
                    f"{self.elf.file}: debug information in .dwo files isn't read: inlined calls are missing"
                )
            return [Location(None, file, line, False)]
        index, function = found
        calls = index.calls.get(function.at)
        if calls is None:
            with guard(f"{self.elf.file}: the function at {unit.offset + function.at:#x} of .debug_info"):
                calls = index.calls[function.at] = info.inlined(unit, function, self._sections)
        frames: list[Location] = []
        for call in reversed(info.chain(calls, address)):
            name = self.name(call.origin, unit) if call.origin is not None else None
            frames.append(Location(name, file, line, True))
            file, line = table.file(call.call_file) if table else None, call.call_line or None
        frames.append(Location(self.name(unit.offset + function.at, unit), file, line, False))
        return frames
