"""x86-64 virtual memory: page tables in guest memory (Intel SDM vol. 3A, 4.5), and the identity."""

import functools
import struct
from collections.abc import Callable, Iterator

from uniobs.errors import Incomplete, UnknownMemory
from uniobs.lean import NamedTuple
from uniobs.memory.base import Memory

CR4_LA57 = 1 << 12
PRESENT, WRITABLE, USER, LARGE, NO_EXECUTE = 1, 2, 4, 1 << 7, 1 << 63
FRAME = 0x000F_FFFF_FFFF_F000
PAGE = 4096
LARGE_MAX = 1 << 21
READ_MAX = 1 << 28
TLB_MAX = 1 << 16
TABLES_MAX = 1 << 14  # tables that one walk over all mappings may visit


class Page(NamedTuple):
    """A mapping: ``size`` bytes at ``virtual`` are at ``physical``."""

    virtual: int
    physical: int
    size: int
    writable: bool = True
    user: bool = False
    executable: bool = True


class PageTables:
    """The address space under ``cr3``; 5 levels when cr4 has LA57. Translations are kept until refresh().

    ``frames`` gives the guest-physical address of what the tables and cr3 say (a PV guest of Xen); it may
    raise UnknownMemory. Each page of 4 KiB then lies on its own.
    """

    def __init__(
        self, memory: Memory, cr3: int, cr4: int = 0, frames: Callable[[int], int] | None = None
    ) -> None:
        self.memory = memory
        self.frames = frames
        self.root = cr3 & FRAME
        self.levels = 5 if cr4 & CR4_LA57 else 4
        self._tlb: dict[int, int] = {}

    def refresh(self) -> None:
        self._tlb.clear()

    def translate(self, address: int) -> int:
        known = self._tlb.get(address >> 12)
        if known is not None:
            return known | (address & 0xFFF)
        page = self.page(address)
        physical = page.physical + (address - page.virtual)
        if len(self._tlb) >= TLB_MAX:
            self._tlb.clear()
        self._tlb[address >> 12] = physical & ~0xFFF
        return physical

    def page(self, address: int) -> Page:
        """The page that holds ``address``. Raises UnknownMemory when there is none, or a table is missing."""
        bits = 12 + 9 * self.levels
        top = address >> (bits - 1)
        if top not in (0, (1 << (65 - bits)) - 1):
            raise UnknownMemory(address, 1, "not a canonical address")
        table, flags = self.root, WRITABLE | USER
        no_execute = 0
        for level in range(self.levels, 0, -1):
            shift = 12 + 9 * (level - 1)
            try:
                base = table if self.frames is None else self.frames(table)
                slot = base + 8 * (address >> shift & 511)
                entry = int.from_bytes(self.memory.read(slot, 8), "little")
            except UnknownMemory:
                why = f"its page table at {table:#x} isn't in this memory"
                raise UnknownMemory(address, 1, why) from None
            if not entry & PRESENT:
                raise UnknownMemory(address, 1, "not mapped")
            flags &= entry
            no_execute |= entry & NO_EXECUTE
            if level == 1 or (entry & LARGE and level <= 3):
                size = 1 << shift
                physical = entry & FRAME & -size
                if self.frames is not None:
                    physical = self.frames(physical + (address & size - 1 & -PAGE))
                    size = PAGE
                return Page(
                    address & -size,
                    physical,
                    size,
                    bool(flags & WRITABLE),
                    bool(flags & USER),
                    not no_execute,
                )
            table = entry & FRAME
        raise UnknownMemory(address, 1, "not mapped")

    def read(self, address: int, size: int) -> bytes:
        if size <= 0:
            return b""
        if address < 0 or size > READ_MAX or address + size > 1 << 64:
            raise UnknownMemory(address, size)
        parts: list[bytes] = []
        run_start, run_size, at, end = 0, 0, address, address + size
        while at < end:
            physical = self.translate(at)
            length = min(end - at, 4096 - (at & 4095))
            if run_size and physical == run_start + run_size:
                run_size += length
            else:
                if run_size:
                    parts.append(self.memory.read(run_start, run_size))
                run_start, run_size = physical, length
            at += length
        parts.append(self.memory.read(run_start, run_size))
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def mappings(self, limit: int = TABLES_MAX) -> Iterator[Page]:
        """Every mapping, ascending, neighbours joined. Raises Incomplete after ``limit`` tables."""
        joined: Page | None = None
        for page in self._walk(self.root, self.levels, 0, WRITABLE | USER, 0, [limit]):
            if (
                joined is not None
                and joined.virtual + joined.size == page.virtual
                and joined.physical + joined.size == page.physical
                and joined[3:] == page[3:]
            ):
                joined = joined._replace(size=joined.size + page.size)
                continue
            if joined is not None:
                yield joined
            joined = page
        if joined is not None:
            yield joined

    def _walk(
        self, table: int, level: int, base: int, flags: int, no_execute: int, budget: list[int]
    ) -> Iterator[Page]:
        budget[0] -= 1
        if budget[0] < 0:
            raise Incomplete("the page tables have more tables than are walked")
        try:
            data = self.memory.read(table if self.frames is None else self.frames(table), 4096)
        except UnknownMemory:
            return
        size = 1 << (12 + 9 * (level - 1))
        whole = _one_run(data, level) if self.frames is None else 0
        entries = (whole,) if whole else struct.unpack("<512Q", data)
        run: tuple[int, int, int, int] | None = None  # virtual, physical, size, rights
        for index, entry in enumerate(entries):
            if not entry & PRESENT:
                continue
            virtual = base + index * size
            if level == self.levels and index >= 256:
                virtual |= -1 << (12 + 9 * self.levels) & (1 << 64) - 1
            here, never = flags & entry, no_execute | (entry & NO_EXECUTE)
            if level == 1 or (entry & LARGE and level <= 3):
                physical, rights = entry & FRAME & -size, here & (WRITABLE | USER) | never
                length = 512 * size if whole else size
                if run is not None:
                    start, to, done, same = run
                    if virtual == start + done and physical == to + done and rights == same:
                        run = start, to, done + size, same
                        continue
                    yield from self._pages(run)
                run = virtual, physical, length, rights
            elif level > 1:
                if run is not None:
                    yield from self._pages(run)
                    run = None
                yield from self._walk(entry & FRAME, level - 1, virtual, here, never, budget)
        if run is not None:
            yield from self._pages(run)

    def _pages(self, run: tuple[int, int, int, int]) -> Iterator[Page]:
        virtual, physical, size, rights = run
        writable, user = bool(rights & WRITABLE), bool(rights & USER)
        page = Page(virtual, physical, size, writable, user, not rights & NO_EXECUTE)
        return iter((page,)) if self.frames is None else self._own(page)

    def _own(self, page: Page) -> Iterator[Page]:
        """A page whose place is told in other frames than the memory's, 4 KiB by 4 KiB."""
        if self.frames is None or page.size > LARGE_MAX:
            raise Incomplete(f"a page of {page.size} bytes at {page.virtual:#x} isn't looked at")
        for at in range(0, page.size, PAGE):
            try:
                physical = self.frames(page.physical + at)
            except UnknownMemory:
                continue
            yield page._replace(virtual=page.virtual + at, physical=physical, size=PAGE)


def _one_run(data: bytes, level: int) -> int:
    """The first entry of a table whose 512 entries map one stretch of memory with the same rights; else 0."""
    if level > 2:
        return 0
    lane, ones, ramp = _lanes(level)
    entries = int.from_bytes(data, "little") & lane * ones
    first = entries & lane
    leaf = first & PRESENT and (level == 1 or first & LARGE)
    return first if leaf and entries == first * ones + ramp else 0


@functools.cache
def _lanes(level: int) -> tuple[int, int, int]:
    """What counts of an entry; a one in each of 512; the addresses that follow each other, from 0."""
    size = 1 << (12 + 9 * (level - 1))
    lane = PRESENT | WRITABLE | USER | NO_EXECUTE | FRAME & -size | (LARGE if level > 1 else 0)
    ones = int.from_bytes(struct.pack("<Q", 1) * 512, "little")
    ramp = int.from_bytes(struct.pack("<512Q", *range(0, 512 * size, size)), "little")
    return lane, ones, ramp


class Identity:
    """Virtual address = physical address: a hosted guest, or a kernel with an identity map."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory

    def translate(self, address: int) -> int:
        return address

    def read(self, address: int, size: int) -> bytes:
        return self.memory.read(address, size)
