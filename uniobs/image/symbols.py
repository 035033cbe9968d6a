"""An ELF symbol table: functions by address, anything by name."""

import struct
from bisect import bisect_right
from collections.abc import Callable, Collection
from functools import cached_property

from uniobs.image.frames import QUALIFIED
from uniobs.lean import Final, NamedTuple

STT_NOTYPE: Final = 0
STT_OBJECT: Final = 1
STT_FUNC: Final = 2
STT_IFUNC: Final = 10
_NO_PLACES: Final = (3, 4, 6)  # sections, source files, and what each thread has its own of: no addresses
_PREFERENCE: Final = {1: 0, 10: 0, 2: 1, 0: 2}  # bindings: global (and unique), weak, local
Part = tuple[int, int]
_Key = tuple[int, int, int, int]  # kind, without a size, preference of its binding, name offset
_QUALIFIED: Final = tuple(text.encode() for text in QUALIFIED)
_ENTRY: Final = struct.Struct("<IBBHQQ")
_FINDS: Final = 8  # names that are searched for before all of them are put in a table
_PLACES: Final = 4096  # bytes of the table that may look like a reference to a name that is searched for
_NESTED: Final = 16  # how many earlier symbols may start inside an enclosing one


class Symbol(NamedTuple):
    name: str
    address: int
    size: int  # bytes; 0 is unknown
    kind: int  # STT_*
    binding: int


class Symbols:
    """``table`` is whole Elf64_Sym entries; ``part`` gives the [start, end) of code around an address."""

    def __init__(self, table: memoryview, strings: memoryview, part: Callable[[int], Part | None]) -> None:
        self._table = table
        self._strings = strings
        self._part = part
        self._finds = 0

    def _name(self, offset: int) -> str:
        text = bytes(self._strings[offset : offset + 128])
        end = text.find(b"\0")
        if end < 0 and offset + 128 < len(self._strings):
            text = bytes(self._strings[offset : offset + 4096])
            end = text.find(b"\0")
        name = text[: end if end >= 0 else len(text)].decode("utf-8", "replace")
        plain = name.partition("@")[0]  # of fork@@GLIBC_2.2.5 the version says nothing of the code
        return plain if plain.isidentifier() else name

    def _rather(self, one: _Key, other: _Key) -> bool:
        """Whether the first of two names at one address is the one to show: accept, not __libc_accept."""
        return self._ranked(one) < self._ranked(other)

    def _ranked(self, key: _Key) -> tuple[int, int, bool, int, int]:
        kind, sizeless, preference, name = key
        text = bytes(self._strings[name : name + max(map(len, QUALIFIED))])
        inner = text.startswith(b"_") and not text.startswith(_QUALIFIED)
        return kind, sizeless, inner or preference >= _PREFERENCE[0], preference, name

    @cached_property
    def _functions(self) -> tuple[list[int], list[tuple[int, int, int, int, int]]]:
        """Sorted start addresses, and for each (size, name offset, kind, binding, next start)."""
        best: dict[int, tuple[_Key, int, int, int, int]] = {}
        part = self._part
        for name, info, _, section, address, size in struct.iter_unpack("<IBBHQQ", self._table):
            kind = info & 15
            if kind in (STT_FUNC, STT_IFUNC):
                rank = 0
            elif kind == STT_NOTYPE and name and part(address):
                rank = 1  # labels of assembly files
            else:
                continue
            if not section or not name:
                continue
            binding = info >> 4
            key = (rank, 0 if size else 1, _PREFERENCE.get(binding, 3), name)
            old = best.get(address)
            if old is None or self._rather(key, old[0]):
                best[address] = (key, size, name, kind, binding)
        starts = sorted(best)
        rows = [
            (*best[start][1:], starts[i + 1] if i + 1 < len(starts) else start)
            for i, start in enumerate(starts)
        ]
        return starts, rows

    def function(self, address: int) -> Symbol | None:
        """The function that holds ``address``. One without a size reaches to the next symbol in code; but a
        label inside a function that has one is none."""
        starts, rows = self._functions
        last = bisect_right(starts, address) - 1
        label: Symbol | None = None
        for index in range(last, max(-1, last - _NESTED), -1):
            start = starts[index]
            size, name, kind, binding, following = rows[index]
            if not size and index == last:
                area = self._part(start)
                reach = min(following if following > start else area[1], area[1]) - start if area else 0
                if address < start + reach:
                    label = Symbol(self._name(name), start, reach, kind, binding)
            elif address < start + size:
                return Symbol(self._name(name), start, size, kind, binding)
        return label

    def functions(self) -> list[tuple[int, int, str]]:
        """(start, size, name) of every function, ascending."""
        starts, rows = self._functions
        return [(start, row[0], self._name(row[1])) for start, row in zip(starts, rows, strict=True)]

    @cached_property
    def _variables(self) -> tuple[list[int], list[tuple[int, int, int]]]:
        """Sorted start addresses, and for each (size, name offset, binding): STT_OBJECT with a size."""
        best: dict[int, tuple[_Key, int, int, int]] = {}
        for name, info, _, section, address, size in struct.iter_unpack("<IBBHQQ", self._table):
            if info & 15 != STT_OBJECT or not section or not name or not size:
                continue
            key = (0, 0, _PREFERENCE.get(info >> 4, 3), name)
            old = best.get(address)
            if old is None or self._rather(key, old[0]):
                best[address] = (key, size, name, info >> 4)
        starts = sorted(best)
        return starts, [best[start][1:] for start in starts]

    def variable(self, address: int) -> Symbol | None:
        """The variable that holds ``address``."""
        starts, rows = self._variables
        index = bisect_right(starts, address) - 1
        if index < 0 or address >= starts[index] + rows[index][0]:
            return None
        size, name, binding = rows[index]
        return Symbol(self._name(name), starts[index], size, STT_OBJECT, binding)

    def variables(self, sizes: Collection[int] | None = None) -> list[Symbol]:
        """Every variable, ascending; with ``sizes``: only those of one of these sizes."""
        starts, rows = self._variables
        return [
            Symbol(self._name(name), start, size, STT_OBJECT, binding)
            for start, (size, name, binding) in zip(starts, rows, strict=True)
            if sizes is None or size in sizes
        ]

    @cached_property
    def _names(self) -> dict[bytes, tuple[int, int, int, int]]:
        found: dict[bytes, tuple[int, int, int, int]] = {}
        text = bytes(self._strings)
        for name, info, _, section, address, size in struct.iter_unpack("<IBBHQQ", self._table):
            kind = info & 15
            if not name or not section or kind in _NO_PLACES:
                continue
            end = text.find(b"\0", name)
            key = text[name:end]
            old = found.get(key)
            if old is None or _PREFERENCE.get(info >> 4, 3) < _PREFERENCE.get(old[3], 3):
                found[key] = (address, size, kind, info >> 4)
        return found

    def find(self, name: str) -> Symbol | None:
        """By name; a global before a weak before a local one."""
        self._finds += 1
        if self._finds <= _FINDS and "_names" not in self.__dict__:
            try:
                return self._search(name)
            except OverflowError:
                self._finds = _FINDS
        row = self._names.get(name.encode())
        return Symbol(name, *row) if row else None

    def _search(self, name: str) -> Symbol | None:
        """As find, without reading the whole table: by the places of the name in the string table.

        Raises OverflowError when there are too many of them.
        """
        strings, table = bytes(self._strings), bytes(self._table)
        wanted = name.encode() + b"\0"
        found: list[tuple[int, int, Symbol]] = []
        left = _PLACES
        at = strings.find(wanted) if name else -1
        while at >= 0:
            offset = at.to_bytes(4, "little")
            entry = table.find(offset)
            while entry >= 0 and (left := left - 1):
                if entry % 24 == 0:
                    _, info, _, section, address, size = _ENTRY.unpack_from(table, entry)
                    if at and section and info & 15 not in _NO_PLACES:
                        symbol = Symbol(name, address, size, info & 15, info >> 4)
                        found.append((_PREFERENCE.get(info >> 4, 3), entry, symbol))
                entry = table.find(offset, entry + 1)
            at = strings.find(wanted, at + 1)
            left -= 1
            if left <= 0:
                raise OverflowError
        return min(found)[2] if found else None

    def holds(self, text: bytes) -> bool:
        """Whether the names' bytes hold ``text``."""
        return text in bytes(self._strings)

    def __len__(self) -> int:
        return len(self._table) // 24
