"""ELF cores as files: headers, segments and notes, read piece by piece (System V gABI, elf.h).

e_ehsize isn't looked at: QEMU 7.2 writes 8 there.
"""

import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

from uniobs.errors import BadFormat
from uniobs.memory.blocks import Block

ET_CORE = 4
EM_X86_64 = 62
PT_LOAD, PT_NOTE = 1, 4
PN_XNUM = 0xFFFF
NT_PRSTATUS, NT_AUXV, NT_FILE = 1, 6, 0x46494C45
SEGMENTS_MAX = 1 << 16
NOTES_MAX = 1 << 24  # bytes
EHDR = struct.Struct("<16sHHIQQQIHHHHHH")
PHDR = struct.Struct("<IIQQQQQQ")
NOTE = struct.Struct("<III")
# pt_regs of an NT_PRSTATUS note on x86-64 (struct elf_prstatus, asm/user_64.h)
PRSTATUS_PID, PRSTATUS_REGS = 32, 112
_NAMES = """
r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs rflags rsp ss fs_base
gs_base ds es fs gs
"""
USER_REGS = _NAMES.split()


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


class Note(NamedTuple):
    name: str
    type: int
    data: bytes


class ElfCore:
    """The skeleton of a core. Raises BadFormat in one line; what is behind ``fd`` stays the caller's."""

    def __init__(self, fd: int, path: str) -> None:
        self.fd = fd
        self.path = path
        self.size = os.fstat(fd).st_size
        header = EHDR.unpack(self.take(0, EHDR.size, "its ELF header"))
        ident, kind, machine, _, _, phoff, shoff = header[:7]
        phentsize, phnum, shentsize = header[9], header[10], header[11]
        if ident[:4] != b"\x7fELF":
            raise BadFormat(f"{path}: no ELF file")
        if ident[4:6] != b"\x02\x01" or machine != EM_X86_64:
            raise BadFormat(f"{path}: an ELF file, but not of x86-64")
        self.osabi = ident[7]
        if kind != ET_CORE:
            raise NoCore(f"{path}: an ELF file, but no core (an image is given with --image)")
        if phentsize != PHDR.size:
            raise BadFormat(f"{path}: program headers of {phentsize} bytes")
        if phnum == PN_XNUM:
            if shentsize != 64:
                raise BadFormat(f"{path}: section headers of {shentsize} bytes")
            phnum = struct.unpack_from("<I", self.take(shoff, 64, "its section header"), 44)[0]
        if not 0 < phnum <= SEGMENTS_MAX:
            raise BadFormat(f"{path}: {phnum} program headers")
        table = self.take(phoff, phnum * PHDR.size, "its program headers")
        self.segments = [Segment(*fields[:7]) for fields in PHDR.iter_unpack(table)]
        self.missing = 0  # bytes of memory that the file was cut of

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

    def notes(self) -> Iterator[Note]:
        """All notes, in order."""
        left = NOTES_MAX
        for segment in self.segments:
            if segment.type != PT_NOTE:
                continue
            if segment.filesz > left:
                raise BadFormat(f"{self.path}: {segment.filesz} bytes of notes")
            left -= segment.filesz
            yield from self._notes_in(self.take(segment.offset, segment.filesz, "its notes"))

    def _notes_in(self, data: bytes) -> Iterator[Note]:
        at = 0
        while at + NOTE.size <= len(data):
            namesz, descsz, kind = NOTE.unpack_from(data, at)
            name_at = at + NOTE.size
            desc_at = name_at + (namesz + 3 & ~3)
            end = desc_at + descsz
            if end > len(data):
                raise BadFormat(f"{self.path}: a note of {descsz} bytes goes beyond its segment")
            name = data[name_at : name_at + namesz].split(b"\0", 1)[0].decode("ascii", "replace")
            yield Note(name, kind, data[desc_at:end])
            at = desc_at + (descsz + 3 & ~3)

    def blocks(self, physical: bool = False) -> list[Block]:
        """What of the memory is in the file, by p_vaddr or p_paddr; sets ``missing``."""
        found = []
        self.missing = 0
        for segment in self.segments:
            if segment.type != PT_LOAD or not segment.filesz:
                continue
            start = segment.paddr if physical else segment.vaddr
            if start + segment.filesz > 1 << 64 or segment.offset + segment.filesz > 1 << 63:
                raise BadFormat(f"{self.path}: a segment beyond the end of all addresses")
            there = min(segment.filesz, max(self.size - segment.offset, 0))
            self.missing += segment.filesz - there
            found.append(Block(start, there, segment.offset))
        return found


def prstatus(data: bytes) -> tuple[int, dict[str, int]] | None:
    """(pid, registers) of an NT_PRSTATUS note, or None when it is too short."""
    if len(data) < PRSTATUS_REGS + 8 * len(USER_REGS):
        return None
    pid = int.from_bytes(data[PRSTATUS_PID : PRSTATUS_PID + 4], "little", signed=True)
    values = struct.unpack_from(f"<{len(USER_REGS)}Q", data, PRSTATUS_REGS)
    return pid, dict(zip(USER_REGS, values, strict=True))
