"""Call frame information: finding the entry for an address in .eh_frame and .debug_frame."""

import struct
from bisect import bisect_right
from functools import cached_property

from uniobs.errors import BadFormat
from uniobs.image.dwarf.cfa import Cie, Rules, run
from uniobs.image.dwarf.reader import guard, sleb, uleb, unsigned
from uniobs.lean import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from uniobs.image.elf import Elf

_MASK: Final = (1 << 64) - 1
_OMIT: Final = 0xFF
_HEAD: Final = struct.Struct("<II")  # length, identifier
_RELATIVE: Final = struct.Struct("<iI")
_ABSOLUTE: Final = struct.Struct("<QQ")
_SIZES: Final = {0x00: 8, 0x02: 2, 0x03: 4, 0x04: 8, 0x0A: -2, 0x0B: -4, 0x0C: -8}


def pointer(data: memoryview, at: int, encoding: int, place: int) -> tuple[int, int]:
    """(value, position after it) of an encoded pointer whose own link address is ``place``."""
    kind = encoding & 0x0F
    if kind == 0x01:
        value, end = uleb(data, at)
    elif kind == 0x09:
        value, end = sleb(data, at)
    else:
        size = _SIZES[kind]
        value, end = unsigned(data, at, abs(size)), at + abs(size)
        if size < 0 and value >> (8 * -size - 1):
            value -= 1 << 8 * -size
    application = encoding & 0x70
    if application == 0x10:
        value += place
    elif application:
        raise ValueError(f"pointer encoding {encoding:#x}")
    return value & _MASK, end


class FrameSection:
    """One section of entries. ``eh``: .eh_frame's variant of the format."""

    def __init__(self, elf: "Elf", name: str, eh: bool) -> None:
        self._elf = elf
        self._name = name
        self._eh = eh
        self._data = elf.data(name)
        section = elf.section(name)
        self._address = section.address if section else 0
        self._cies: dict[int, Cie] = {}

    def _entry(self, start: int) -> tuple[int, int, int, int]:
        """(id position, id width, id, end) of the entry at ``start``; end == id position: the terminator."""
        data = self._data
        length, at, width = unsigned(data, start, 4), start + 4, 4
        if length == 0xFFFFFFFF:
            length, at, width = unsigned(data, at, 8), at + 8, 8
        end = at + length
        if end > len(data):
            raise ValueError("an entry reaches past the section's end")
        width = 4 if self._eh else width
        return at, width, unsigned(data, at, width) if length else 0, end

    @cached_property
    def _table(self) -> tuple[list[int], list[tuple[int, int]]]:
        """Sorted start addresses, and (end address, entry position) of each."""
        rows: list[tuple[int, int, int]] = []
        with guard(f"{self._elf.file}: {self._name}"):
            at, part = 0, (0, 0)
            while at + 4 <= len(self._data):
                start = at
                low, high, at = self._quick(start) or self._slow(start)
                if high > low:
                    if not part[0] <= low < part[1]:
                        part = self._elf.code_part(low) or (0, 0)
                    if part[1]:
                        rows.append((low, high, start))
                elif at == start:
                    break
        rows.sort()
        return [row[0] for row in rows], [(row[1], row[2]) for row in rows]

    def _quick(self, start: int) -> tuple[int, int, int] | None:
        """(low, high, end) of an entry in the form that compilers write; None for any other."""
        data = self._data
        if start + 24 > len(data):
            return None
        length, number = _HEAD.unpack_from(data, start)
        cie = self._cies.get(start + 4 - number if self._eh else number)
        if cie is None or not (number if self._eh else number != 0xFFFFFFFF) or length >= 0xFFFFFFF0:
            return None
        end = start + 4 + length
        if cie.pointer_encoding == 0x1B and length >= 12:
            low, size = _RELATIVE.unpack_from(data, start + 8)
            low = low + self._address + start + 8 & _MASK
            return (low, low + size, end) if size < 1 << 31 and end <= len(data) else None
        if cie.pointer_encoding == 0 and length >= 20:
            low, size = _ABSOLUTE.unpack_from(data, start + 8)
            return (low, low + size, end) if end <= len(data) else None
        return None

    def _slow(self, start: int) -> tuple[int, int, int]:
        """(low, high, end) of any entry; nothing lies between them for one that covers no code."""
        ident, width, number, end = self._entry(start)
        if ident == end:
            return 0, 0, end if self._eh else start  # the terminator of one object file, others may follow
        if number == (0 if self._eh else (1 << 8 * width) - 1):
            return 0, 0, end
        return (*self._range(start)[:2], end)

    def _range(self, start: int) -> tuple[int, int, int, int, Cie]:
        """(low, high, position after the range, end, CIE) of the entry (FDE) at ``start``."""
        at, width, number, end = self._entry(start)
        where = at - number if self._eh else number
        cie = self._cies.get(where)
        if cie is None:
            cie = self._cies[where] = self._cie(where)
        at += width
        low, at = pointer(self._data, at, cie.pointer_encoding, self._address + at)
        size, at = pointer(self._data, at, cie.pointer_encoding & 0x0F, 0)
        return low, low + size, at, end, cie

    def _cie(self, start: int) -> Cie:
        data = self._data
        at, width, number, end = self._entry(start)
        if number != (0 if self._eh else (1 << 8 * width) - 1) or at == end:
            raise ValueError("a frame entry refers to no common entry")
        at += width
        version = data[at]
        at += 1
        if version not in (1, 3, 4):
            raise ValueError(f"common frame entry of version {version}")
        stop = at
        while data[stop]:
            stop += 1
        augmentation = bytes(data[at:stop])
        at = stop + 1
        if version == 4:
            if data[at] != 8 or data[at + 1]:
                raise ValueError("frame entries with other than 8-byte addresses")
            at += 2
        code_align, at = uleb(data, at)
        data_align, at = sleb(data, at)
        column, at = (data[at], at + 1) if version == 1 else uleb(data, at)
        encoding = 0
        signal = False
        if augmentation[:1] == b"z":
            size, at = uleb(data, at)
            body = at + size
            for letter in augmentation[1:]:
                if letter == ord("R"):
                    encoding, at = data[at], at + 1
                elif letter == ord("P"):
                    at = pointer(data, at + 1, data[at] & 0x0F, 0)[1]
                elif letter == ord("L"):
                    at += 1
                elif letter == ord("S"):
                    signal = True
                else:
                    break
            at = body
        elif augmentation == b"S":  # what assemblers write to .debug_frame: no data, so no "z"
            signal = True
        elif augmentation:
            raise ValueError(f"augmentation {augmentation!r}")
        program = bytes(data[at:end])
        return Cie(code_align, data_align, column, encoding, augmentation[:1] == b"z", signal, program)

    @cached_property
    def _header(self) -> tuple[list[int], list[int]] | None:
        """.eh_frame_hdr's sorted (function start, entry position), or None when it can't be used."""
        data = self._elf.data(".eh_frame_hdr")
        section = self._elf.section(".eh_frame_hdr")
        if not self._eh or section is None or len(data) < 12 or bytes(data[:4]) != b"\x01\x1b\x03\x3b":
            return None
        (count,) = struct.unpack_from("<I", data, 8)
        if 12 + 8 * count > len(data):
            return None
        rows = memoryview(bytes(data[12 : 12 + 8 * count])).cast("i").tolist()
        base = section.address
        starts = [(base + value) & _MASK for value in rows[::2]]
        if starts != sorted(starts):
            return None
        return starts, [base + value - self._address for value in rows[1::2]]

    def _position(self, address: int) -> int | None:
        header = self._header
        if header is not None:
            index = bisect_right(header[0], address) - 1
            if index < 0:
                return None
            with guard(f"{self._elf.file}: {self._name}"):
                low, high = self._range(header[1][index])[:2]
            return header[1][index] if low <= address < high else None
        starts, rows = self._table
        index = bisect_right(starts, address) - 1
        for number in range(index, max(-1, index - 4), -1):
            if address < rows[number][0]:
                return rows[number][1]
        return None

    def find(self, address: int) -> Rules | None:
        """The rules at a link address, or None when no entry covers it. Raises BadFormat."""
        if not len(self._data):
            return None
        position = self._position(address)
        if position is None:
            return None
        with guard(f"{self._elf.file}: {self._name} at {position:#x}"):
            low, high, at, end, cie = self._range(position)
            if cie.augmented:
                size, at = uleb(self._data, at)
                at += size
            return run(cie, bytes(self._data[at:end]), low, high, address)


class CallFrames:
    """Both sections of a file, and of its separate debug file; the first that covers an address answers."""

    def __init__(self, elves: "list[Elf]") -> None:
        self._sections = [FrameSection(elf, ".eh_frame", True) for elf in elves]
        self._sections += [FrameSection(elf, ".debug_frame", False) for elf in elves]
        self._known: dict[int, Rules | None] = {}
        self.problem: str | None = None  # the first section that couldn't be read

    def find(self, address: int) -> Rules | None:
        if address not in self._known:
            if len(self._known) > 65536:
                self._known.clear()
            self._known[address] = self._find(address)
        return self._known[address]

    def _find(self, address: int) -> Rules | None:
        for section in self._sections:
            try:
                rules = section.find(address)
            except BadFormat as error:
                self.problem = self.problem or str(error)
                continue
            if rules is not None:
                return rules
        return None
