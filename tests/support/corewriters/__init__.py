"""Writers of core files from published layouts, for VMMs that aren't at hand: same guest, any format.

``snapshot(core)`` takes memory and registers of an opened core; each module's ``write(path, snapshot)``
makes a file of its format from them. Files are sparse, so big memories cost nothing.
"""

import os
from collections.abc import Iterable
from typing import BinaryIO, NamedTuple

from uniobs.cores import Core
from uniobs.memory.base import Range
from uniobs.model.guest import Registers

PAGE = 4096
_ZERO = bytes(PAGE)


class Snapshot(NamedTuple):
    """What isn't in ``contents`` is zero. Registers are those of one vCPU each, by uniobs' names."""

    blocks: tuple[Range, ...]  # RAM, ascending and disjoint, in whole pages
    contents: tuple[tuple[int, bytes], ...]  # (guest-physical address, bytes), ascending and disjoint
    registers: tuple[dict[str, int], ...]

    def read(self, address: int, size: int) -> bytes:
        """Bytes of RAM; zeros where nothing is held."""
        out = bytearray(size)
        for start, data in self.contents:
            low, high = max(start, address), min(start + len(data), address + size)
            if low < high:
                out[low - address : high - address] = data[low - start : high - start]
        return bytes(out)

    def pages(self) -> Iterable[tuple[int, bytes]]:
        """(address, page) of every page of RAM that isn't zero, ascending."""
        for start, data in self.contents:
            for at in range(0, len(data), PAGE):
                page = data[at : at + PAGE]
                if page != _ZERO:
                    yield start + at, page


def snapshot(core: Core) -> Snapshot:
    """Everything an opened core holds: registers as told, RAM by its blocks. Reads all of it."""
    blocks = tuple(Range(block.start, block.size) for block in core.memory.blocks)
    contents = []
    for held in core.memory.ranges():  # holes may begin within a page of the guest
        block = next(block for block in blocks if block.start <= held.start < block.end)
        start, end = held.start & -PAGE, min(held.end + -held.end % PAGE, block.end)
        for at in range(max(start, block.start), end, 1 << 20):
            data = core.memory.read(at, min(1 << 20, end - at))
            if data.strip(b"\0"):
                contents.append((at, data))
    return Snapshot(blocks, tuple(contents), tuple(dict(one.values) for one in core.registers))


def sparse(
    blocks: Iterable[tuple[int, int]],
    contents: Iterable[tuple[int, bytes]] = (),
    registers: Iterable[Registers | dict[str, int]] = ({},),
) -> Snapshot:
    """One by hand: (start, size) of each block of RAM."""
    known = (dict(one.values) if isinstance(one, Registers) else one for one in registers)
    return Snapshot(tuple(Range(*block) for block in blocks), tuple(sorted(contents)), tuple(known))


def put(file: BinaryIO, offset: int, taken: Snapshot, start: int, size: int) -> None:
    """RAM [start, start + size) at a file offset; zero pages stay holes. The file is made long enough."""
    for address, data in taken.contents:
        low, high = max(start, address), min(start + size, address + len(data))
        for at in range(low, high, PAGE):
            page = data[at - address : min(at + PAGE, high) - address]
            if page.strip(b"\0"):
                file.seek(offset + at - start)
                file.write(page)
    file.flush()
    if os.fstat(file.fileno()).st_size < offset + size:
        os.truncate(file.fileno(), offset + size)
