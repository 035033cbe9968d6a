"""Guest memory in a file: a core, a raw image, or a VMM's shared RAM backend."""

import errno
import os
from collections.abc import Iterable, Iterator, Sequence

from uniobs.errors import AccessDenied, NoSuchTarget, TargetError, UnknownMemory
from uniobs.memory.base import Range
from uniobs.memory.blocks import Block, BlockMap

READ_MAX = 1 << 28
EXTENTS_MAX = 1 << 16  # data extents listed of one file; the rest is given as one range


def open_file(path: str | os.PathLike[str]) -> int:
    """A descriptor to read from; errors as the user needs them."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        raise NoSuchTarget(f"{os.fspath(path)}: no such file") from None
    except PermissionError:
        raise AccessDenied(f"{os.fspath(path)}: permission denied: run as its owner") from None
    except (OSError, ValueError) as error:
        raise TargetError(f"{os.fspath(path)}: {getattr(error, 'strerror', None) or error}") from None


class FileMemory:
    """Bytes of an open file. ``blocks`` say where guest-physical ranges lie in it (offsets).

    Only pread is used: a hole of a sparse file reads as zeros and stays a hole, and a file that gets
    shorter is UnknownMemory instead of SIGBUS. The descriptor is closed by close().
    """

    def __init__(self, fd: int, blocks: Iterable[Block], live: bool = False) -> None:
        self.fd = fd
        self.live = live
        self._map = BlockMap(blocks)

    @property
    def blocks(self) -> Sequence[Block]:
        return self._map.blocks

    def read(self, address: int, size: int) -> bytes:
        if size <= 0:
            return b""
        if address < 0 or size > READ_MAX:
            raise UnknownMemory(address, size)
        parts = []
        for where, length in list(self._map.pieces(address, size)):
            while length:
                try:
                    part = os.pread(self.fd, length, where)
                except OSError as error:
                    raise UnknownMemory(address, size, error.strerror or "can't be read") from None
                if not part:
                    raise UnknownMemory(address, size, "beyond the end of the file")
                parts.append(part)
                where += len(part)
                length -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def pieces(self, address: int, size: int) -> Iterator[tuple[int, int]]:
        """(file offset, bytes) of each piece of a range. Raises UnknownMemory."""
        return self._map.pieces(address, size)

    def ranges(self) -> Sequence[Range]:
        held: list[Range] = []
        for block in self._map.blocks:
            for offset, size in data_extents(self.fd, block.where, block.size, EXTENTS_MAX - len(held)):
                held.append(Range(block.start + offset - block.where, size))
        return held

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def data_extents(fd: int, start: int, size: int, limit: int) -> list[tuple[int, int]]:
    """(offset, size) of what isn't a hole in [start, start + size); without support: all of it."""
    found: list[tuple[int, int]] = []
    at, end = start, start + size
    while at < end:
        if len(found) >= max(limit, 0):
            found.append((at, end - at))
            break
        try:
            data = os.lseek(fd, at, os.SEEK_DATA)
            hole = os.lseek(fd, data, os.SEEK_HOLE)
        except OSError as error:
            if error.errno != errno.ENXIO:  # ENXIO: only a hole is left
                found.append((at, end - at))
            break
        if data >= end or hole <= data:
            break
        found.append((data, min(hole, end) - data))
        at = hole
    return found
