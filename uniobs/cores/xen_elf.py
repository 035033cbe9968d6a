"""Xen's `xl dump-core`: ELF sections instead of segments; pages by their frame number.

Source: tools/libs/ctrl/xc_core.c, xc_core.h and xen/include/public/arch-x86/xen.h of Xen. Addresses of
memory are guest-physical (pfn). A PV guest's own page tables hold machine frames: .xen_p2m tells them.
"""

import struct
from array import array
from collections.abc import Iterator
from typing import Final

from uniobs.cores.core import Core
from uniobs.cores.elf import EM_X86_64, ElfCore, Section
from uniobs.cores.pieces import cut_notice, within
from uniobs.cores.xen_frames import MachineFrames
from uniobs.errors import BadFormat
from uniobs.memory.blocks import Block
from uniobs.memory.file import FileMemory
from uniobs.model.guest import Registers

KIND: Final = "xen"
PAGE: Final = 4096
NOTE_HEADER, NOTE_VERSION, NOTE_FORMAT = 0x2000001, 0x2000002, 0x2000003
MAGIC_PV, MAGIC_HVM = 0xF00FEBED, 0xF00FEBEE
FORMAT: Final = 1  # major 0, minor 1: the only one there is
PAGE_SIZE_AT: Final = 1272  # of the version note; 4 bytes before it for a 32-bit guest
CONTEXT: Final = 5168  # bytes of a vcpu_guest_context on x86-64
CPUS_MAX: Final = 4096
NOTES_MAX: Final = 1 << 16
PFN_MAX: Final = 1 << 40
INVALID: Final = (1 << 64) - 1
BLOCKS_MAX: Final = 1 << 17
CHUNK: Final = 1 << 14  # rows of the table of pages looked at together
_NAMES = "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi - rip cs rflags rsp ss es ds fs gs"
NAMES = _NAMES.split()  # the words of cpu_user_regs; "-" is the error code and vector
SELECTORS: Final = ("cs", "ss", "es", "ds", "fs", "gs")  # 16 bits, then padding
USER_AT, FLAGS_AT, LDT_AT, CONTROL_AT, BASES_AT = 520, 512, 4816, 4984, 5144
IN_KERNEL: Final = 1 << 2
PAGING: Final = 1 << 31


def is_xen(elf: ElfCore) -> bool:
    return not len(elf.segments) and ".xen_pages" in elf.sections()


def read(elf: ElfCore) -> Core:
    """Raises BadFormat."""
    sections = elf.sections()
    if elf.machine != EM_X86_64:
        raise BadFormat(f"{elf.path}: a core of Xen on another machine than x86-64")
    cpus, pages, is_hvm = _header(elf, _section(elf, sections, ".note.Xen"))
    table = _section(elf, sections, ".xen_pfn" if is_hvm else ".xen_p2m")
    data = _section(elf, sections, ".xen_pages")
    width = 1 if is_hvm else 2  # words in a row of the table
    if data.size != pages * PAGE or table.size != pages * 8 * width or not pages:
        raise BadFormat(
            f"{elf.path}: {pages} pages, but {data.size} bytes of them and {table.size} of their table"
        )
    registers = _contexts(elf, _section(elf, sections, ".xen_prstatus"), cpus, is_hvm)
    blocks, missing = within(_blocks(elf, table, data, width), elf.size)
    notices = cut_notice(elf.path, missing)
    memory = FileMemory(elf.fd, blocks)
    frames = None if is_hvm else MachineFrames(elf.fd, elf.path, table.offset, pages)
    return Core(KIND, elf.path, memory, registers, notices=notices, frames=frames)


def _section(elf: ElfCore, sections: dict[str, Section], name: str) -> Section:
    if name not in sections:
        raise BadFormat(f"{elf.path}: a core of Xen without {name}")
    found = sections[name]
    if found.offset + found.size > 1 << 62:
        raise BadFormat(f"{elf.path}: {name} lies beyond the end of all files")
    return found


def _header(elf: ElfCore, section: Section) -> tuple[int, int, bool]:
    """(vCPUs, pages, whether it is HVM)."""
    if section.size > NOTES_MAX:
        raise BadFormat(f"{elf.path}: {section.size} bytes of notes")
    notes = {
        note.type: note.data
        for note in elf.notes_in(elf.take(section.offset, section.size, "its notes"))
        if note.name == "Xen"
    }
    if len(notes.get(NOTE_HEADER, b"")) < 32 or len(notes.get(NOTE_FORMAT, b"")) < 8:
        raise BadFormat(f"{elf.path}: a core of Xen without its header note")
    magic, cpus, pages, size = struct.unpack_from("<4Q", notes[NOTE_HEADER])
    (version,) = struct.unpack_from("<Q", notes[NOTE_FORMAT])
    if magic not in (MAGIC_PV, MAGIC_HVM) or version != FORMAT or size != PAGE:
        raise BadFormat(
            f"{elf.path}: a core of Xen of kind {magic:#x}, format {version:#x}, with pages of {size} bytes"
        )
    about = notes.get(NOTE_VERSION, b"")
    if magic == MAGIC_PV and about[PAGE_SIZE_AT : PAGE_SIZE_AT + 8] != PAGE.to_bytes(8, "little"):
        raise BadFormat(f"{elf.path}: a core of a 32-bit guest of Xen, which isn't read")
    if not 0 < cpus <= CPUS_MAX or pages > PFN_MAX:
        raise BadFormat(f"{elf.path}: a core of Xen with {cpus} vCPUs and {pages} pages")
    return cpus, pages, magic == MAGIC_HVM


def _contexts(elf: ElfCore, section: Section, cpus: int, is_hvm: bool) -> tuple[Registers, ...]:
    if section.size != cpus * CONTEXT:
        raise BadFormat(f"{elf.path}: {section.size} bytes of registers for {cpus} vCPUs")
    found = []
    for cpu in range(cpus):
        data = elf.take(section.offset + cpu * CONTEXT, CONTEXT, "its registers")
        words = zip(NAMES, struct.unpack_from(f"<{len(NAMES)}Q", data, USER_AT), strict=True)
        values = {name: word & 0xFFFF if name in SELECTORS else word for name, word in words if name != "-"}
        flags, ldt = (struct.unpack_from("<Q", data, at)[0] for at in (FLAGS_AT, LDT_AT))
        for number in (0, 2, 3, 4):
            (values[f"cr{number}"],) = struct.unpack_from("<Q", data, CONTROL_AT + 8 * number)
        fs, gs_kernel, gs_user = struct.unpack_from("<3Q", data, BASES_AT)
        kernel = is_hvm or bool(flags & IN_KERNEL)
        values |= {"fs_base": fs, "gs_base": gs_kernel if kernel else gs_user}
        if not is_hvm:
            values |= {"cr0": values["cr0"] | PAGING, "ldt_base": ldt}  # PV: paging is always on
        found.append(Registers(values, "core note", cpu))
    return tuple(found)


def _blocks(elf: ElfCore, table: Section, data: Section, width: int) -> Iterator[Block]:
    """Runs of pages whose frame numbers follow each other. They ascend; ~0 fills up the end of the table."""
    start = begun = -1
    end = count = 0  # end: one past the last number
    filled = False
    for row, pfn, length in _runs(elf, table, width):
        if pfn == INVALID:
            filled = True
            continue
        if filled or pfn < end or pfn + length > PFN_MAX:
            raise BadFormat(f"{elf.path}: its pages aren't in the order of their numbers")
        if begun < 0 or pfn - start != row - begun:
            if begun >= 0:
                yield _block(data, start, end, begun)
            start, begun, count = pfn, row, count + 1
            if count > BLOCKS_MAX:
                raise BadFormat(f"{elf.path}: its pages lie in more than {BLOCKS_MAX} ranges")
        end = pfn + length
    if begun >= 0:
        yield _block(data, start, end, begun)


def _block(data: Section, start: int, end: int, row: int) -> Block:
    return Block(start * PAGE, (end - start) * PAGE, data.offset + row * PAGE)


def _runs(elf: ElfCore, table: Section, width: int) -> Iterator[tuple[int, int, int]]:
    """(row, frame number, how many count up from it): a whole chunk at once where that can be."""
    rows = table.size // 8 // width
    for first in range(0, rows, CHUNK):
        words = array("Q")
        size = min(CHUNK, rows - first) * width * 8
        words.frombytes(elf.take(table.offset + first * width * 8, size, "its table of pages"))
        chunk = words[::width]
        if chunk[-1] != INVALID and chunk == array("Q", range(chunk[0], chunk[0] + len(chunk))):
            yield first, chunk[0], len(chunk)
        else:
            yield from ((first + at, pfn, 1) for at, pfn in enumerate(chunk))
