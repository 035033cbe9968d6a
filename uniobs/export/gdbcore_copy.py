"""Copies of cores: as they lie, or another format's memory written as an ELF core. Zeros become holes."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from uniobs.cores import fixed
from uniobs.errors import NotOffered, UnknownMemory
from uniobs.export import gdbcore
from uniobs.memory.base import Memory, Range
from uniobs.memory.blocks import Block
from uniobs.memory.file import FileMemory, data_extents

if TYPE_CHECKING:
    from uniobs.target.guest import Guest

FICLONE: Final = 0x40049409
PAGE: Final = 4096
CHUNK, PIECE = 1 << 20, 1 << 16
ZEROS: Final = bytes(PIECE)
EXTENTS_MAX: Final = 1 << 16
BLOCKS_MAX: Final = 1 << 16
TRIES_MAX: Final = 1 << 16  # chunks that are looked for zeros


class Source(NamedTuple):
    """An ELF core as it is in the file: its header, its size, and where its memory lies. ``unread``: bytes
    of memory that another format's file should hold, and doesn't."""

    header: bytes
    size: int
    blocks: Sequence[Block]
    unread: int = 0


def converted(guest: "Guest", fd: int) -> Source:
    """Memory of another format, written as an ELF core; pages of zeros become holes."""
    memory = guest.memory
    if isinstance(memory, FileMemory):
        ranges = [Range(block.start, block.size) for block in memory.blocks]
    else:
        ranges = _with_zeros(memory)
    if guest.origin.frames is not None:
        raise NotOffered("a paravirtual guest of Xen is fixed as xl dump-core wrote it, and not from a copy")
    at = PAGE
    blocks: list[Block] = []
    unread = 0
    for start, size in ranges:
        held = 0
        for low, data in _pieces(memory, start, size):
            _put(fd, data, at + low - start)
            last = blocks[-1] if held else None
            if last is not None and last.end == low:
                blocks[-1] = last._replace(size=last.size + len(data))
            else:
                blocks.append(Block(low, len(data), at + low - start))
            held += len(data)
            if len(blocks) > BLOCKS_MAX:
                raise NotOffered(f"{guest.name}: what can be read of its memory lies in too many pieces")
        unread += size - held
        at += size + -size % PAGE
    registers = tuple(guest.registers()) if _has_registers(guest) else ()
    told = fixed.state(registers, guest.origin.identity, guest.origin.notices)
    plain = [gdbcore.Load(block.start, block.start, block.size, block.where, 7) for block in blocks]
    data, header = gdbcore.tail(at, gdbcore.note(fixed.NAME, fixed.STATE, told), plain)
    write(fd, data, at)
    return Source(header, at + len(data), blocks, unread)


def _pieces(memory: Memory, start: int, size: int) -> Iterator[tuple[int, bytes]]:
    """(address, bytes) of what can be read of a range; page by page where a file was cut or garbled."""
    for at in range(start, start + size, CHUNK):
        end = min(at + CHUNK, start + size)
        try:
            yield at, memory.read(at, end - at)
        except UnknownMemory:
            for page in range(at, end, PAGE):
                with suppress(UnknownMemory):
                    yield page, memory.read(page, min(PAGE, end - page))


def _with_zeros(memory: Memory) -> list[Range]:
    """What a memory holds, and the zeros between that it knows of without holding them."""
    found: list[Range] = []
    tries = TRIES_MAX
    at = 0

    def add(start: int, size: int) -> None:
        if found and found[-1].end == start:
            found[-1] = Range(found[-1].start, found[-1].size + size)
        else:
            found.append(Range(start, size))

    for held in (*memory.ranges(), Range(1 << 52, 0)):
        while at < held.start and tries:
            tries -= 1
            size = min(CHUNK - at % CHUNK, held.start - at)
            known = _known(memory, at, size)
            for start in known:
                add(start, min(PAGE, at + size - start))
            at += size
            if not known and not held.size:
                break  # behind all RAM
        if held.size:
            add(held.start, held.size)
            at = held.end
    return found


def _known(memory: Memory, start: int, size: int) -> range:
    """Pages that can be read at the beginning of a range, or else at its end."""

    def there(at: int, size: int) -> bool:
        try:
            memory.read(at, size)
        except UnknownMemory:
            return False
        return True

    end = start + size
    if there(start, size):
        return range(start, end, PAGE)
    ahead = next((at for at in range(start, end, PAGE) if not there(at, min(PAGE, end - at))), end)
    if ahead > start:
        return range(start, ahead, PAGE)
    if not there(max(start, end - PAGE), min(PAGE, size)):
        return range(0)
    behind = next(at for at in range(end - PAGE, start - PAGE, -PAGE) if not there(at, PAGE))
    return range(behind + PAGE, end, PAGE)


def _has_registers(guest: "Guest") -> bool:
    try:
        guest.origin.registers()
    except NotOffered:
        return False
    return True


def clone(source: int, fd: int, size: int) -> None:
    """The first ``size`` bytes: shared with the source where the file system can, holes for zeros else."""
    try:
        fcntl.ioctl(fd, FICLONE, source)
    except OSError:
        for offset, length in data_extents(source, 0, size, EXTENTS_MAX):
            for at in range(offset, offset + length, CHUNK):
                _put(fd, os.pread(source, min(CHUNK, offset + length - at), at), at)
    os.ftruncate(fd, size)


def _put(fd: int, data: bytes, at: int) -> None:
    """Write what isn't zero."""
    for offset in range(0, len(data), PIECE):
        piece = data[offset : offset + PIECE]
        if piece != ZEROS[: len(piece)]:
            write(fd, piece, at + offset)


def write(fd: int, data: bytes, at: int) -> None:
    left = memoryview(data)
    while left:
        done = os.pwrite(fd, left, at)
        left, at = left[done:], at + done
