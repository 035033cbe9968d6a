"""Where guest-physical ranges lie in a process or a file."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator

from uniobs.errors import BadFormat, UnknownMemory
from uniobs.lean import NamedTuple


class Block(NamedTuple):
    """``size`` bytes of guest-physical memory from ``start``, at ``where``: a VMM address or file offset."""

    start: int
    size: int
    where: int

    @property
    def end(self) -> int:
        return self.start + self.size


class BlockMap:
    """Disjoint blocks in ascending order. Raises BadFormat when two of them overlap."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        self.blocks = sorted(block for block in blocks if block.size > 0)
        self._starts = [block.start for block in self.blocks]
        for one, two in zip(self.blocks, self.blocks[1:], strict=False):
            if one.end > two.start:
                raise BadFormat(f"two ranges of memory overlap at {two.start:#x}")

    def pieces(self, address: int, size: int) -> Iterator[tuple[int, int]]:
        """(where, size) of each piece, in order. Raises UnknownMemory at the first byte that isn't held."""
        at, left = address, size
        while left > 0:
            index = bisect_right(self._starts, at) - 1
            if index < 0 or at >= self.blocks[index].end:
                raise UnknownMemory(address, size)
            block = self.blocks[index]
            piece = min(left, block.end - at)
            yield block.where + at - block.start, piece
            at += piece
            left -= piece
