"""ELF cores as files: headers, segments, sections and notes, read piece by piece (System V gABI, elf.h).

e_ehsize isn't looked at: QEMU 7.2 writes 8 there.
"""

import os
import struct
from collections.abc import Iterator, Sequence

from uniobs.errors import BadFormat
from uniobs.lean import Final, NamedTuple, overload
from uniobs.memory.blocks import Block
from uniobs.memory.file import FileMemory

ET_CORE = 4
EM_X86_64: Final = 62
EM_AARCH64: Final = 183
MACHINES: Final = {3: "i386", 21: "ppc64", 22: "s390", 40: "32-bit ARM", EM_X86_64: "x32", 243: "RISC-V"}
PT_LOAD, PT_NOTE = 1, 4
PN_XNUM = 0xFFFF
NT_PRSTATUS, NT_PRPSINFO, NT_AUXV, NT_FILE = 1, 3, 6, 0x46494C45
SEGMENTS_MAX = 1 << 17
SECTIONS_MAX = 1 << 12
NAMES_MAX = 1 << 20  # bytes of section names
NOTES_MAX = 1 << 24  # bytes
NOTES_COUNT = 1 << 16
EHDR = struct.Struct("<16sHHIQQQIHHHHHH")
PHDR = struct.Struct("<IIQQQQQQ")
SHDR = struct.Struct("<IIQQQQIIQQ")
NOTE = struct.Struct("<III")
# pt_regs of an NT_PRSTATUS note on x86-64 (struct elf_prstatus, asm/user_64.h)
PRSTATUS_PID, PRSTATUS_REGS = 32, 112
_NAMES = """
r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs rflags rsp ss fs_base
gs_base ds es fs gs
"""
USER_REGS = _NAMES.split()
# user_pt_regs of one on aarch64 (arch/arm64/include/uapi/asm/ptrace.h)
USER_REGS_AARCH64 = [*(f"x{number}" for number in range(31)), "sp", "pc", "pstate"]


class NoCore(BadFormat):
    """An ELF file of another kind - or RAM, at the start of which an ELF header happens to lie."""


class Segment(NamedTuple):
    type: int
    flags: int
    offset: int
    vaddr: int
    paddr: int
    filesz: int
    memsz: int


class Section(NamedTuple):
    type: int
    offset: int
    size: int
    entry_size: int


class Note(NamedTuple):
    name: str
    type: int
    data: bytes


class Segments(Sequence[Segment]):
    """Program headers, kept as the file has them: a core may have more than a hundred thousand."""

    def __init__(self, table: bytes) -> None:
        self._table = table

    def __len__(self) -> int:
        return len(self._table) // PHDR.size

    @overload
    def __getitem__(self, index: int) -> Segment: ...
    @overload
    def __getitem__(self, index: slice) -> "Segments": ...
    def __getitem__(self, index: int | slice) -> "Segment | Segments":
        if isinstance(index, slice):
            rows = range(len(self))[index]
            size = PHDR.size
            return Segments(b"".join(self._table[row * size : (row + 1) * size] for row in rows))
        return Segment(*PHDR.unpack_from(self._table, range(len(self))[index] * PHDR.size)[:7])

    def __iter__(self) -> Iterator[Segment]:
        return (Segment(*fields[:7]) for fields in PHDR.iter_unpack(self._table))


class ElfCore:
    """The skeleton of a core. Raises BadFormat in one line; what is behind ``fd`` stays the caller's.

    ``header`` and ``size``: of the file before something was added to it.
    """

    def __init__(self, fd: int, path: str, header: bytes | None = None, size: int | None = None) -> None:
        self.fd = fd
        self.path = path
        self.size = os.fstat(fd).st_size if size is None else min(size, os.fstat(fd).st_size)
        self.header = self.take(0, EHDR.size, "its ELF header") if header is None else header
        header_fields = EHDR.unpack(self.header)
        ident, kind, self.machine, _, _, phoff, self._shoff = header_fields[:7]
        phentsize, phnum, self._shentsize, self._shnum, self._shstrndx = header_fields[9:14]
        self._check(ident, kind)
        self.osabi: int = ident[7]
        if phnum and phentsize != PHDR.size:
            raise BadFormat(f"{path}: program headers of {phentsize} bytes")
        if phnum == PN_XNUM:
            self._check_sections()
            first = SHDR.unpack(self.take(self._shoff, SHDR.size, "its section header"))
            phnum = first[7]
        if phnum > SEGMENTS_MAX or not (phnum or self._shnum):
            raise BadFormat(f"{path}: {phnum} program headers")
        self.segments = Segments(self.take(phoff, phnum * PHDR.size, "its program headers"))
        self.missing = 0  # bytes of memory that the file was cut of

    def _check(self, ident: bytes, kind: int) -> None:
        if ident[:4] != b"\x7fELF":
            raise BadFormat(f"{self.path}: no ELF file")
        if ident[4:6] != b"\x02\x01" or self.machine not in (EM_X86_64, EM_AARCH64):
            named = MACHINES.get(self.machine) if ident[5] == 1 else "a big-endian machine"
            what = "core" if kind == ET_CORE else "file"
            raise BadFormat(
                f"{self.path}: an ELF {what} of {named or f'machine {self.machine}'}: only those of x86-64, "
                "and QEMU's of aarch64, are read"
            )
        if kind != ET_CORE:
            raise NoCore(f"{self.path}: an ELF file, but no core (an image is given with --image)")

    def take(self, offset: int, size: int, what: str) -> bytes:
        """Exactly ``size`` bytes of the file."""
        try:
            data = os.pread(self.fd, size, offset) if offset < self.size else b""
        except (OSError, OverflowError):
            data = b""
        if len(data) != size:
            raise BadFormat(
                f"{self.path}: cut short or garbled: {what} lies beyond its end ({self.size} bytes)"
            )
        return data

    def _check_sections(self) -> None:
        if self._shentsize != SHDR.size:
            raise BadFormat(f"{self.path}: section headers of {self._shentsize} bytes")

    def sections(self) -> dict[str, Section]:
        """Sections by name; the first of each name counts. Their contents are not checked to be there."""
        if not self._shnum:
            return {}
        self._check_sections()
        if self._shnum > SECTIONS_MAX or self._shstrndx >= self._shnum:
            raise BadFormat(f"{self.path}: {self._shnum} sections, names in the {self._shstrndx}th")
        table = self.take(self._shoff, self._shnum * SHDR.size, "its section headers")
        rows = list(SHDR.iter_unpack(table))
        offset, size = rows[self._shstrndx][4:6]
        if size > NAMES_MAX:
            raise BadFormat(f"{self.path}: {size} bytes of section names")
        names = self.take(offset, size, "its section names")
        found: dict[str, Section] = {}
        for row in rows:
            name = names[row[0] : row[0] + 64].split(b"\0", 1)[0].decode("ascii", "replace")
            found.setdefault(name, Section(row[1], row[4], row[5], row[9]))
        return found

    def notes(self) -> Iterator[Note]:
        """All notes of its segments, in order."""
        left, count = NOTES_MAX, 0
        for segment in self.segments:
            if segment.type != PT_NOTE:
                continue
            if segment.filesz > left:
                raise BadFormat(f"{self.path}: {segment.filesz} bytes of notes")
            left -= segment.filesz
            for note in notes_of(self.take(segment.offset, segment.filesz, "its notes"), self.path):
                count += 1
                if count > NOTES_COUNT:
                    raise BadFormat(f"{self.path}: more than {NOTES_COUNT} notes")
                yield note

    def notes_in(self, data: bytes) -> Iterator[Note]:
        return notes_of(data, self.path)

    def blocks(self, physical: bool = False) -> list[Block]:
        """What of the memory is in the file, by p_vaddr or p_paddr; sets ``missing``.

        Segments that follow each other, in memory and in the file, are one block.
        """
        found: list[Block] = []
        self.missing = 0
        for segment in self.segments:
            if segment.type != PT_LOAD or not segment.filesz:
                continue
            start = segment.paddr if physical else segment.vaddr
            if start + segment.filesz > 1 << 64 or segment.offset + segment.filesz > 1 << 63:
                raise BadFormat(f"{self.path}: a segment beyond the end of all addresses")
            there = min(segment.filesz, max(self.size - segment.offset, 0))
            self.missing += segment.filesz - there
            last = found[-1] if found else None
            if last is not None and (last.end, last.where + last.size) == (start, segment.offset):
                found[-1] = Block(last.start, last.size + there, last.where)
            else:
                found.append(Block(start, there, segment.offset))
        return found

    def memory(self, physical: bool = False) -> FileMemory:
        """What blocks() holds; it owns the file."""
        blocks = self.blocks(physical)
        try:
            return FileMemory(self.fd, blocks)
        except BadFormat as error:
            raise BadFormat(f"{self.path}: {error}") from None

    def cut_notice(self) -> tuple[str, ...]:
        """What to say after blocks(), when the file is cut short."""
        if not self.missing:
            return ()
        return (f"{self.path} is cut short: {self.missing} bytes of memory are missing",)


def notes_of(data: bytes, path: str) -> Iterator[Note]:
    """Names are padded to 4 bytes; namesz may count padding (Solo5) or not even the NUL (VirtualBox)."""
    at = 0
    while at + NOTE.size <= len(data):
        namesz, descsz, kind = NOTE.unpack_from(data, at)
        name_at = at + NOTE.size
        desc_at = name_at + (namesz + 3 & ~3)
        end = desc_at + descsz
        if end > len(data):
            raise BadFormat(f"{path}: a note of {descsz} bytes goes beyond its segment")
        name = data[name_at : name_at + namesz].split(b"\0", 1)[0].decode("ascii", "replace")
        yield Note(name, kind, data[desc_at:end])
        at = desc_at + (descsz + 3 & ~3)


def prstatus(data: bytes, names: Sequence[str] = USER_REGS) -> tuple[int, dict[str, int]] | None:
    """(pid, registers) of an NT_PRSTATUS note, or None when it is too short."""
    if len(data) < PRSTATUS_REGS + 8 * len(names):
        return None
    pid = int.from_bytes(data[PRSTATUS_PID : PRSTATUS_PID + 4], "little", signed=True)
    values = struct.unpack_from(f"<{len(names)}Q", data, PRSTATUS_REGS)
    return pid, dict(zip(names, values, strict=True))
