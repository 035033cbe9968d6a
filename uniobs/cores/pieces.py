"""Pieces of a file, read where they lie."""

import os
from collections.abc import Iterable, Iterator

from uniobs.errors import BadFormat
from uniobs.memory.blocks import Block


def pread(fd: int, size: int, offset: int) -> bytes:
    """What there is; nothing when it can't be read."""
    try:
        return os.pread(fd, size, offset)
    except (OSError, OverflowError):
        return b""


def take(fd: int, offset: int, size: int, path: str, what: str) -> bytes:
    """Exactly ``size`` bytes. Raises BadFormat; ``what`` says whose they are."""
    data = pread(fd, size, offset)
    if len(data) != size:
        raise BadFormat(f"{path}: cut short or garbled: {what} at {offset:#x} isn't whole")
    return data


def within(blocks: Iterable[Block], size: int) -> tuple[list[Block], int]:
    """(blocks as far as a file of ``size`` bytes has them, how many bytes of them it lacks)."""
    given = list(blocks)
    held = [block._replace(size=max(min(block.size, size - block.where), 0)) for block in given]
    return held, sum(block.size for block in given) - sum(block.size for block in held)


def cut_notice(path: str, missing: int) -> tuple[str, ...]:
    """What to say of a file that lacks so many bytes of memory."""
    return (f"{path} is cut short: {missing} bytes of memory are missing",) if missing else ()


def runs_of_bits(parts: Iterable[tuple[int, bytes]], count: int) -> Iterator[range]:
    """Runs of bits that are set, ascending. ``parts``: (number of the first bit, bytes) of ``count`` bits."""
    start = None
    for first, bits in parts:
        if not bits.strip(b"\0" if start is None else b"\xff"):
            continue
        for index, byte in enumerate(bits):
            if byte == (0 if start is None else 255):
                continue
            for bit in range(8):
                number = first + index * 8 + bit
                if byte >> bit & 1 and number < count:
                    start = number if start is None else start
                elif start is not None:
                    yield range(start, number)
                    start = None
    if start is not None:
        yield range(start, count)
