"""Line tables (.debug_line, DWARF 2 to 5): a unit's rows as sorted sequences."""

import posixpath
import struct
from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate

from uniobs.image.dwarf import forms
from uniobs.image.dwarf.reader import cstring, guard, sleb, uleb, unsigned
from uniobs.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from uniobs.image.elf import Elf

_LINES = 1 << 24  # no source file has more
_LNCT_PATH, _LNCT_DIRECTORY = 1, 2


class LineTable:
    """Rows of one unit: parallel lists of addresses, file numbers and lines, cut into sequences."""

    def __init__(
        self, elf: "Elf", offset: int, directory: str | None, is_code: Callable[[int], object]
    ) -> None:
        self._elf = elf
        self._directory = directory or ""
        self._is_code = is_code
        self.addresses: list[int] = []
        self._files: list[int] = []
        self._lines: list[int] = []
        self._directories: list[str] = []
        self._names: list[tuple[str, int]] = []
        self._paths: dict[int, str | None] = {}
        self._first_file = 1
        sequences: list[tuple[int, int, int, int]] = []  # low, high, first row, end row
        with guard(f"{elf.file}: the line table at {offset:#x}"):
            self._read(offset, sequences)
        sequences.sort()
        self._sequences = sequences
        self._starts = [sequence[0] for sequence in sequences]
        self._reach = list(accumulate((sequence[1] for sequence in sequences), max))  # where to stop a search

    def _read(self, offset: int, sequences: list[tuple[int, int, int, int]]) -> None:
        section = self._elf.data(".debug_line")
        length, at, width = unsigned(section, offset, 4), offset + 4, 4
        if length == 0xFFFFFFFF:
            length, at, width = unsigned(section, at, 8), at + 8, 8
        if at + length > len(section):
            raise ValueError("it reaches past the section's end")
        data = bytes(section[at : at + length])
        (version,) = struct.unpack_from("<H", data, 0)
        if not 2 <= version <= 5:
            raise ValueError(f"version {version}")
        at = 2
        address_size = 8
        if version >= 5:
            address_size = data[2]
            at = 4
        program = at + width + unsigned(data, at, width)
        at += width
        step = data[at]
        at += 2 if version >= 4 else 1  # maximum_operations_per_instruction is 1 here
        at += 1  # default_is_stmt
        line_base, line_range, opcode_base = struct.unpack_from("<bBB", data, at)
        lengths = data[at + 3 : at + 2 + opcode_base]
        at += 2 + opcode_base
        if version >= 5:
            self._first_file = 0
            rows, at = self._entries(data, at, (version, address_size, width))
            self._directories = [name for name, _ in rows]
            self._names, at = self._entries(data, at, (version, address_size, width))
        else:
            self._old_entries(data, at)
        self._run(data, program, (step, line_base, line_range, opcode_base), lengths, sequences)

    def _entries(
        self, data: bytes, at: int, sizes: tuple[int, int, int]
    ) -> tuple[list[tuple[str, int]], int]:
        """A DWARF 5 list of directories or files as (name, directory number)."""
        formats: list[tuple[int, int]] = []
        count = data[at]
        at += 1
        for _ in range(count):
            kind, at = uleb(data, at)
            form, at = uleb(data, at)
            formats.append((kind, form))
        count, at = uleb(data, at)
        if (count and not formats) or count > len(data):
            raise ValueError(f"a list of {count} entries")
        found: list[tuple[str, int]] = []
        for _ in range(count):
            name, directory = "", 0
            for kind, form in formats:
                raw, at, form = forms.value(data, at, form, sizes)
                if kind == _LNCT_PATH and isinstance(raw, int):
                    name = self._text(data, form, raw)
                elif kind == _LNCT_DIRECTORY and isinstance(raw, int):
                    directory = raw
            found.append((name, directory))
        return found, at

    def _text(self, data: bytes, form: int, raw: int) -> str:
        if form == forms.STRING:
            return cstring(memoryview(data), raw)
        section = {forms.LINE_STRP: ".debug_line_str", forms.STRP: ".debug_str"}.get(form)
        if section is None:
            raise ValueError(f"a name of form {form:#x}")
        return cstring(self._elf.data(section), raw)

    def _old_entries(self, data: bytes, at: int) -> None:
        view = memoryview(data)
        self._directories = [self._directory]
        while data[at]:
            self._directories.append(cstring(view, at))
            at = data.index(0, at) + 1
        at += 1
        while data[at]:
            name = cstring(view, at)
            at = data.index(0, at) + 1
            directory, at = uleb(data, at)
            at = uleb(data, uleb(data, at)[1])[1]
            self._names.append((name, directory))

    def _run(
        self,
        data: bytes,
        at: int,
        header: tuple[int, int, int, int],
        lengths: bytes,
        sequences: list[tuple[int, int, int, int]],
    ) -> None:
        step, line_base, line_range, opcode_base = header
        if not line_range or not opcode_base:
            raise ValueError("a line range of 0")
        advance = [0] * opcode_base + [(op // line_range) * step for op in range(256 - opcode_base)]
        lines_by = [0] * opcode_base + [line_base + op % line_range for op in range(256 - opcode_base)]
        addresses, files, lines = self.addresses, self._files, self._lines
        add_address, add_file, add_line = addresses.append, files.append, lines.append
        skip_255 = advance[255]
        end = len(data)
        address, file, line, first = 0, 1, 1, 0
        while at < end:
            op = data[at]
            at += 1
            if op >= opcode_base:
                address += advance[op]
                line += lines_by[op]
                add_address(address)
                add_file(file)
                add_line(line)
            elif op == 5:  # set_column
                while data[at] & 0x80:
                    at += 1
                at += 1
            elif op == 6 or op == 7 or op == 10 or op == 11:  # flags
                pass
            elif op == 1:  # copy
                add_address(address)
                add_file(file)
                add_line(line)
            elif op == 3:
                byte = data[at]
                if byte < 0x80:
                    at += 1
                    line += byte - 0x80 if byte & 0x40 else byte
                else:
                    delta, at = sleb(data, at)
                    line += delta
            elif op == 0:
                size, at = uleb(data, at)
                kind = data[at] if size else 0
                if kind == 1:  # end_sequence
                    self._close(sequences, first, address)
                    first = len(addresses)
                    address, file, line = 0, 1, 1
                elif kind == 2:  # set_address
                    address = unsigned(data, at + 1, min(size - 1, 8))
                elif kind == 3:  # define_file
                    name = cstring(memoryview(data), at + 1)
                    self._names.append((name, uleb(data, data.index(0, at + 1) + 1)[0]))
                at += size
            elif op == 8:  # const_add_pc
                address += skip_255
            elif op == 2:
                delta, at = uleb(data, at)
                address += delta * step
            elif op == 4:
                file, at = uleb(data, at)
            elif op == 9:  # fixed_advance_pc
                address += data[at] | data[at + 1] << 8
                at += 2
            else:
                for _ in range(lengths[op - 1]):
                    at = uleb(data, at)[1]
        del addresses[first:], files[first:], lines[first:]  # rows without an end say nothing

    def _close(self, sequences: list[tuple[int, int, int, int]], first: int, high: int) -> None:
        """End a sequence; one that the linker discarded (its address isn't code) is dropped."""
        addresses = self.addresses
        last = len(addresses)
        if last > first and high > addresses[first] and self._is_code(addresses[first]):
            part = addresses[first:last]
            order = sorted(range(first, last), key=addresses.__getitem__)
            if order != list(range(first, last)):
                self._files[first:last] = [self._files[i] for i in order]
                self._lines[first:last] = [self._lines[i] for i in order]
                addresses[first:last] = sorted(part)
            sequences.append((addresses[first], high, first, last))
        else:
            del addresses[first:], self._files[first:], self._lines[first:]

    def find(self, address: int) -> tuple[str | None, int | None] | None:
        """(file, line) of a link address, line None for code of no line; None: not in the table."""
        index = bisect_right(self._starts, address) - 1
        while index >= 0 and self._reach[index] > address:
            _, high, first, last = self._sequences[index]
            index -= 1
            if address < high:
                row = bisect_right(self.addresses, address, first, last) - 1
                line = self._lines[row]
                return self.file(self._files[row]), line if 0 < line <= _LINES else None
        return None

    def file(self, number: int) -> str | None:
        """The path of a file number as the compiler gave it, made absolute by the unit's directory."""
        if number not in self._paths:
            self._paths[number] = self._path(number)
        return self._paths[number]

    def _path(self, number: int) -> str | None:
        index = number - self._first_file
        if not 0 <= index < len(self._names):
            return None
        name, directory = self._names[index]
        if not name:
            return None
        folder = self._directories[directory] if directory < len(self._directories) else ""
        root = self._directory or (self._directories[0] if self._directories else "")
        return posixpath.join(root, folder, name)
