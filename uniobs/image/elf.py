"""ELF64 little-endian files, mapped and read lazily (source of the format: gABI 4.2 and the x86-64 psABI).

Nothing is trusted: every offset and size is checked against the file, and what can't be is BadFormat.
"""

import mmap
import os
import stat
import struct
from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property

from uniobs.errors import AccessDenied, BadFormat, NoSuchTarget, NotOffered
from uniobs.image.symbols import Symbols
from uniobs.lean import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

EM_X86_64: Final = 62
EM_AARCH64: Final = 183
ET_EXEC: Final = 2
ET_DYN: Final = 3
PT_LOAD: Final = 1
PT_NOTE: Final = 4
PF_X: Final = 1
PF_W: Final = 2
SHT_SYMTAB: Final = 2
SHT_NOTE: Final = 7
SHT_NOBITS: Final = 8
SHT_DYNSYM: Final = 11
SHF_WRITE: Final = 1
SHF_ALLOC: Final = 2
SHF_EXECINSTR: Final = 4
SHF_COMPRESSED: Final = 0x800
_MAX_INFLATED: Final = 2 << 30  # bytes of a file's compressed debug sections together
_GNU_COMPRESSED: Final = ".zdebug_"


class Section(NamedTuple):
    name: str
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    entry_size: int


class Segment(NamedTuple):
    type: int
    flags: int
    offset: int
    vaddr: int
    paddr: int
    filesz: int
    memsz: int


class Parts:
    """Disjoint, ascending [start, end) ranges."""

    def __init__(self, ranges: tuple[tuple[int, int], ...]) -> None:
        self._ranges = ranges
        self._starts = [low for low, _ in ranges]

    def find(self, address: int) -> tuple[int, int] | None:
        index = bisect_right(self._starts, address) - 1
        if index >= 0 and address < self._ranges[index][1]:
            return self._ranges[index]
        return None


class Elf:
    """One file. Raises NoSuchTarget, AccessDenied, BadFormat, or NotOffered for another architecture."""

    _shared_debug = False

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.file = os.fspath(path)
        self._sections: dict[str, memoryview] = {}
        self._inflated = 0
        try:
            file = os.open(self.file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                status = os.fstat(file)
                if not stat.S_ISREG(status.st_mode):
                    raise BadFormat(f"{self.file}: not a regular file")
                if status.st_size < 64:
                    raise BadFormat(f"{self.file}: too short for an ELF file")
                self._data = memoryview(mmap.mmap(file, 0, access=mmap.ACCESS_READ))
            finally:
                os.close(file)
        except FileNotFoundError as error:
            raise NoSuchTarget(f"{self.file}: no such file") from error
        except PermissionError as error:
            raise AccessDenied(f"{self.file}: no permission to read it") from error
        except (OSError, ValueError) as error:
            raise BadFormat(f"{self.file}: can't be mapped ({error})") from error
        self._header()

    @cached_property
    def path(self) -> "Path":
        from pathlib import Path

        return Path(self.file)

    def _header(self) -> None:
        ident = bytes(self._data[:16])
        if ident[:4] != b"\x7fELF":
            raise BadFormat(f"{self.file}: not an ELF file")
        if ident[4] != 2 or ident[5] != 1:
            kind = "32-bit" if ident[4] == 1 else "big-endian" if ident[5] == 2 else "of an unknown class"
            raise NotOffered(f"{self.file}: the ELF file is {kind}; only 64-bit little-endian ones are read")
        head = struct.unpack_from("<HHIQQQIHHHHHH", self._data, 16)
        self.type, self.machine, _, self.entry = head[:4]
        self._phoff, self._shoff, _, _, self._phsize, self._phnum, self._shsize, self._shnum, self._shstr = (
            head[4:]
        )
        if self.machine not in (EM_X86_64, EM_AARCH64):
            what = f"made for ELF machine {self.machine}"
            raise NotOffered(f"{self.file}: {what}; only x86-64 (62) and aarch64 (183) are read")
        if self.type not in (ET_EXEC, ET_DYN) and not self._shared_debug:
            kind = {1: "an object file", 4: "a core"}.get(self.type, f"of ELF type {self.type}")
            raise NotOffered(f"{self.file}: it is {kind}, not a program")

    def _slice(self, offset: int, size: int, what: str) -> memoryview:
        if offset + size > len(self._data):
            raise BadFormat(f"{self.file}: {what} lies beyond the file's end")
        return self._data[offset : offset + size]

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        if not self._phnum:
            return ()
        if self._phsize != 56:
            raise BadFormat(f"{self.file}: program headers of {self._phsize} bytes")
        table = self._slice(self._phoff, 56 * self._phnum, "the program header table")
        rows = struct.iter_unpack("<IIQQQQQQ", table)
        return tuple(Segment(*row[:7]) for row in rows)

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """Empty when the file was stripped of its section headers."""
        if not self._shoff:
            return ()
        if self._shsize != 64:
            raise BadFormat(f"{self.file}: section headers of {self._shsize} bytes")
        first = struct.unpack("<IIQQQQIIQQ", self._slice(self._shoff, 64, "the section header table"))
        count = self._shnum or first[5]
        names_index = first[6] if self._shstr == 0xFFFF else self._shstr
        table = self._slice(self._shoff, 64 * count, "the section header table")
        rows = list(struct.iter_unpack("<IIQQQQIIQQ", table))
        names = b""
        if 0 < names_index < count:
            names = bytes(self._slice(rows[names_index][4], rows[names_index][5], "the section names"))
        found = []
        for name, kind, flags, address, offset, size, link, _, _, entry_size in rows:
            end = names.find(b"\0", name)
            text = names[name:end].decode("utf-8", "replace") if end >= 0 else ""
            found.append(Section(text, kind, flags, address, offset, size, link, entry_size))
        return tuple(found)

    @cached_property
    def _by_name(self) -> dict[str, Section]:
        found: dict[str, Section] = {}
        for section in self.sections:
            found.setdefault(section.name, section)
        for section in self.sections:
            if section.name.startswith(_GNU_COMPRESSED):
                found.setdefault("." + section.name[2:], section)
        return found

    def section(self, name: str) -> Section | None:
        return self._by_name.get(name)

    def data(self, name: str) -> memoryview:
        """A section's bytes, inflated; empty when it isn't there or the file doesn't carry it."""
        data = self._sections.get(name)
        if data is None:
            section = self._by_name.get(name)
            data = self._sections[name] = self.content(section) if section else memoryview(b"")
        return data

    def raw(self, section: Section) -> memoryview:
        """A section's bytes as the file carries them, compressed or not."""
        if section.type == SHT_NOBITS:
            return memoryview(b"")
        return self._slice(section.offset, section.size, f"section {section.name}")

    def content(self, section: Section) -> memoryview:
        if section.type == SHT_NOBITS:
            return memoryview(b"")
        raw = self._slice(section.offset, section.size, f"section {section.name}")
        gnu = section.name.startswith(_GNU_COMPRESSED)
        if not section.flags & SHF_COMPRESSED and not gnu:
            return raw
        from uniobs.image.inflate import inflate

        try:
            data = inflate(raw, gnu)
        except ValueError as error:
            raise BadFormat(f"{self.file}: compressed section {section.name} {error}") from error
        self._inflated += len(data)
        if self._inflated > _MAX_INFLATED:
            raise BadFormat(f"{self.file}: its compressed sections inflate to more than {_MAX_INFLATED}")
        return data

    def read(self, address: int, size: int) -> bytes:
        """Bytes of the file at a link-time address; fewer when a segment or the file ends."""
        for segment in self.segments:
            at = address - segment.vaddr
            if segment.type == PT_LOAD and 0 <= at < segment.filesz:
                start = segment.offset + at
                return bytes(self._data[start : start + min(size, segment.filesz - at)])
        return b""

    @cached_property
    def text(self) -> tuple[tuple[int, memoryview], ...]:
        """Executable, read-only bytes as (link address, bytes), ascending: sections, or else segments."""
        parts: list[tuple[int, memoryview]] = []
        wanted = SHF_ALLOC | SHF_EXECINSTR
        for section in self.sections:
            if section.flags & (wanted | SHF_WRITE) == wanted and section.type != SHT_NOBITS and section.size:
                parts.append((section.address, self.content(section)))
        if not parts and not self.sections:
            for segment in self.segments:
                if segment.type == PT_LOAD and segment.flags & (PF_X | PF_W) == PF_X and segment.filesz:
                    parts.append(
                        (segment.vaddr, self._slice(segment.offset, segment.filesz, "a text segment"))
                    )
        return tuple(sorted(parts, key=lambda part: part[0]))

    @cached_property
    def code_ranges(self) -> tuple[tuple[int, int], ...]:
        """[start, end) link addresses that hold code: executable sections, or else executable segments."""
        wanted = SHF_ALLOC | SHF_EXECINSTR
        found = [
            (s.address, s.address + s.size) for s in self.sections if s.flags & wanted == wanted and s.size
        ]
        if not found:
            found = [
                (s.vaddr, s.vaddr + s.memsz)
                for s in self.segments
                if s.type == PT_LOAD and s.flags & PF_X and s.memsz
            ]
        merged: list[tuple[int, int]] = []
        for low, high in sorted(found):
            if merged and low < merged[-1][1]:
                merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
            else:
                merged.append((low, high))
        return tuple(merged)

    @cached_property
    def _parts(self) -> Parts:
        return Parts(self.code_ranges)

    def code_part(self, address: int) -> tuple[int, int] | None:
        """The one of code_ranges that holds a link address."""
        return self._parts.find(address)

    def check(self) -> None:
        """Raise BadFormat now when headers, text or symbols can't be right; DWARF isn't looked at."""
        _ = self.segments, self.code_ranges, self.text, self.symbols, self.build_id

    def check_loaded(self) -> None:
        """Raise BadFormat when the file lacks bytes that are to be loaded (a debug file may)."""
        for segment in self.segments:
            if segment.type == PT_LOAD:
                self._slice(segment.offset, segment.filesz, "a loaded segment")

    @cached_property
    def symbols(self) -> Symbols:
        """Of .symtab, or of .dynsym when there is none."""
        for kind in (SHT_SYMTAB, SHT_DYNSYM):
            for section in self.sections:
                if section.type == kind and section.link < len(self.sections):
                    strings = self.content(self.sections[section.link])
                    table = self.content(section)
                    return Symbols(table[: len(table) // 24 * 24], strings, self._parts.find)
        return Symbols(memoryview(b""), memoryview(b""), self._parts.find)

    def notes(self) -> Iterator[tuple[bytes, int, int, bytes]]:
        """(name, type, link address or 0, description) of every note of the file."""
        areas = [(s.address, s.offset, s.size) for s in self.sections if s.type == SHT_NOTE]
        if not areas:
            areas = [(s.vaddr, s.offset, s.filesz) for s in self.segments if s.type == PT_NOTE]
        for address, offset, size in areas:
            data = self._slice(offset, size, "a note")
            at = 0
            while at + 12 <= size:
                name_size, desc_size, kind = struct.unpack_from("<III", data, at)
                start = at + 12 + (name_size + 3 & ~3)
                end = start + desc_size
                if end > size:
                    break
                name = bytes(data[at + 12 : at + 12 + name_size]).rstrip(b"\0")
                yield name, kind, address + start if address else 0, bytes(data[start:end])
                at = start + (desc_size + 3 & ~3)

    @cached_property
    def build_id_note(self) -> tuple[int, bytes] | None:
        """(link address, id) of the GNU build-id, or None."""
        for name, kind, address, data in self.notes():
            if name == b"GNU" and kind == 3 and 4 <= len(data) <= 64:
                return address, data
        return None

    @property
    def build_id(self) -> str | None:
        return self.build_id_note[1].hex() if self.build_id_note else None

    @cached_property
    def debug_link(self) -> tuple[str, int] | None:
        """(file name, CRC-32) of .gnu_debuglink, or None."""
        data = bytes(self.data(".gnu_debuglink"))
        end = data.find(b"\0")
        at = (end + 4) & ~3
        if end <= 0 or at + 4 > len(data):
            return None
        return data[:end].decode("utf-8", "replace"), int(struct.unpack_from("<I", data, at)[0])

    @cached_property
    def supplement_link(self) -> tuple[str, bytes] | None:
        """(file name, its identity) of what dwz moved the information to that files share, or None."""
        data = bytes(self.data(".gnu_debugaltlink"))
        end = data.find(b"\0")
        if end > 0:
            return data[:end].decode("utf-8", "replace"), data[end + 1 :]
        found = self.debug_sup
        return found[1:] if found is not None and not found[0] else None

    @cached_property
    def debug_sup(self) -> tuple[int, str, bytes] | None:
        """(1: it is the shared file itself, file name, checksum) of .debug_sup (DWARF 5, 7.3.6)."""
        data = bytes(self.data(".debug_sup"))
        end = data.find(b"\0", 3)
        if data[:2] != b"\x05\0" or end < 0 or end + 1 >= len(data) or data[end + 1] > 127:
            return None
        return data[2], data[3:end].decode("utf-8", "replace"), data[end + 2 : end + 2 + data[end + 1]]

    @cached_property
    def supplement(self) -> "Elf | None":
        """That file, if it is there and the right one."""
        if self.supplement_link is None:
            return None
        from uniobs.image.supplement import find

        return find(self)

    @property
    def has_dwarf(self) -> bool:
        section = self.section(".debug_info")
        return section is not None and section.type != SHT_NOBITS and section.size > 0
