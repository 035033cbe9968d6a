"""Where a region may be: pages that begin with its magic, found without reading all of the memory.

Process memory: only pages that were ever touched (pagemap), 16 bytes of each. Files: holes are skipped.
The region's own finder then judges the candidates.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from uniobs.errors import UniobsError
from uniobs.memory.base import Memory, Range
from uniobs.memory.file import EXTENTS_MAX, FileMemory, data_extents
from uniobs.memory.pages import PagedMemory
from uniobs.region import find as finder
from uniobs.region._abi import MAGIC

PAGE = 4096
CHUNK = 1 << 18  # bytes read at once: stays in a CPU's second-level cache
WINDOW = 1 << 15  # pages judged at once: bounds memory at 512 KiB of heads
DENSE = 4  # pages in a row from which on reading them through is quicker than one by one
BATCH = 4  # chunks
PARALLEL = 64 << 20  # bytes after which a second thread helps
MAX_CANDIDATES = finder.MAX_CANDIDATES
_TOUCHED = bytes(1 if value & 0xC0 else 0 for value in range(256))  # bit 63 present, bit 62 swapped
Extent = tuple[int, int]  # start, size
Fill = Callable[[int, bytearray, int], int]  # (position, buffer, bytes wanted) -> bytes got


def touched_pages(pid: int, start: int, size: int) -> Iterator[range]:
    """Runs of addresses of pages that exist in the process; every page when pagemap can't be read."""
    import re

    try:
        fd = os.open(f"/proc/{pid}/pagemap", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        fd = -1
    try:
        for window in range(start, start + size, WINDOW * PAGE):
            end = min(window + WINDOW * PAGE, start + size)
            try:
                entries = os.pread(fd, (end - window) // PAGE * 8, window // PAGE * 8) if fd >= 0 else b""
            except OSError:
                entries = b""
            if len(entries) != (end - window) // PAGE * 8:
                yield range(window, end, PAGE)
                continue
            for run in re.finditer(b"\x01+", entries[7::8].translate(_TOUCHED)):
                yield range(window + run.start() * PAGE, window + run.end() * PAGE, PAGE)
    finally:
        if fd >= 0:
            os.close(fd)


def _heads(heads: bytes, addresses: Sequence[int]) -> Iterator[int]:
    """The addresses whose 16-byte head is the magic."""
    at = heads.find(MAGIC)
    while at >= 0:
        if at % 16 == 0:
            yield addresses[at // 16]
        at = heads.find(MAGIC, at + 1)


def magic_in_process(pid: int, start: int, size: int) -> Iterator[int]:
    """VMM addresses of pages that begin with the magic. Raises TargetGone or AccessDenied."""
    from uniobs.memory.process import gather, read_into

    scattered: list[int] = []
    dense: list[Extent] = []
    for run in touched_pages(pid, start, size):
        if len(run) >= DENSE:
            dense.append((run.start, len(run) * PAGE))
            continue
        scattered += run
        if len(scattered) >= WINDOW:
            yield from _heads(gather(pid, scattered, 16), scattered)
            scattered = []
    yield from _heads(gather(pid, scattered, 16), scattered)
    yield from _sweep(dense, lambda at, buffer, length: read_into(pid, at, buffer, length))


def magic_in_file(memory: FileMemory) -> Iterator[int]:
    """Guest-physical addresses of pages that begin with the magic. Holes are skipped."""
    extents: list[Extent] = []
    for block in memory.blocks:
        shift = block.where - block.start
        for offset, size in data_extents(memory.fd, block.where, block.size, EXTENTS_MAX - len(extents)):
            begin, end = -(-(offset - shift) // PAGE) * PAGE, offset - shift + size
            if begin < end:
                extents.append((begin, end - begin))

    def fill(at: int, buffer: bytearray, length: int) -> int:
        where, _ = next(memory.pieces(at, 1))
        try:
            return os.preadv(memory.fd, [memoryview(buffer)[:length]], where)
        except OSError:
            return 0

    yield from _sweep(extents, fill)


def _sweep(extents: Sequence[Extent], fill: Fill) -> Iterator[int]:
    """Positions, every page from an extent's start, of the magic; by two threads when it's much."""
    chunks = (
        (at, min(CHUNK, start + size - at))
        for start, size in extents
        for at in range(start, start + size, CHUNK)
    )
    for _ in range(0, PARALLEL // CHUNK, BATCH):  # kernels lie low: who takes the first hit needs no more
        yield from _look(list(islice(chunks, BATCH)), fill)
    if rest := list(chunks):
        yield from _together(rest, fill)


def _together(chunks: Sequence[Extent], fill: Fill) -> list[int]:
    found: list[int] = []
    failed: list[UniobsError] = []

    def work(share: Sequence[Extent]) -> None:
        try:
            found.extend(_look(share, fill))
        except UniobsError as error:
            failed.append(error)

    import threading

    half = len(chunks) // 2
    other = threading.Thread(target=work, args=(chunks[half:],))
    other.start()
    try:
        work(chunks[:half])
    finally:
        other.join()
    if failed:
        raise failed[0]
    return found


def _look(chunks: Sequence[Extent], fill: Fill) -> list[int]:
    buffer = bytearray(max((size for _, size in chunks), default=0))
    found: list[int] = []
    for base, length in chunks:
        got = fill(base, buffer, length)
        firsts = buffer[0:got:PAGE]
        at = firsts.find(MAGIC[:1])
        while at >= 0 and len(found) < MAX_CANDIDATES:
            if at * PAGE + len(MAGIC) <= got and buffer.startswith(MAGIC, at * PAGE):
                found.append(base + at * PAGE)
            at = firsts.find(MAGIC[:1], at + 1)
    return found


def candidates(memory: Memory) -> list[int]:
    """Guest-physical addresses that carry the magic, at most MAX_CANDIDATES."""
    found: list[int] = []
    for address in _addresses(memory):
        found.append(address)
        if len(found) == MAX_CANDIDATES:
            break
    return sorted(found)


def _addresses(memory: Memory) -> Iterator[int]:
    if isinstance(memory, FileMemory):
        yield from magic_in_file(memory)
        return
    if isinstance(memory, PagedMemory):
        yield from (address for address, head in memory.heads(len(MAGIC)) if head == MAGIC)
        return
    from uniobs.memory.process import ProcessMemory

    if isinstance(memory, ProcessMemory) and memory.blocks:
        for block in memory.blocks:
            for where in magic_in_process(memory.pid, block.where, block.size):
                yield where - block.where + block.start
    else:
        yield from finder.candidates(memory)


class _Window:
    """A memory that seems to hold only some pages: what the finder has to look at."""

    def __init__(self, memory: Memory, pages: Sequence[int]) -> None:
        self.memory = memory
        self.live = memory.live
        self.pages = pages

    def read(self, address: int, size: int) -> bytes:
        return self.memory.read(address, size)

    def ranges(self) -> Sequence[Range]:
        return [Range(page, PAGE) for page in self.pages]

    def close(self) -> None:
        pass


def find_region(
    memory: Memory, hint: int | None = None, accept: Callable[[int], bool] | None = None
) -> int | None:
    """As uniobs.region.find.find, but quick on processes and files.

    ``accept`` may say of a valid region that it is the guest's for certain: then no other is looked for.
    """
    pages: list[int] = []
    for address in _addresses(memory):
        pages.append(address)
        if accept is not None and _is_valid(memory, address) and accept(address):
            return address
        if len(pages) == MAX_CANDIDATES:
            break
    return finder.find(_Window(memory, sorted(pages)), hint) if pages else None


def _is_valid(memory: Memory, address: int) -> bool:
    try:
        return finder.find(_Window(memory, [address])) == address
    except UniobsError:
        return False


def find_at(memory: Memory, pages: Sequence[int], hint: int | None = None) -> int | None:
    """The region among addresses where one is mapped (hosted guests)."""
    return finder.find(_Window(memory, pages), hint) if pages else None
