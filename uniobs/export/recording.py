"""Writing a recording: chunks appended one by one, and the oldest dropped when it grows beyond its bounds.

The format is uniobs.cores.recording's. A chunk is on its way to the disk as soon as it is written; what a
crash can take is the one that was being put together.
"""

import os
import tempfile
from contextlib import suppress
from typing import Final

from uniobs.cores import recording as format
from uniobs.errors import OutputError

LEVEL: Final = 3  # of zstd: 1 is hardly quicker on a second's worth of records
SLACK: Final = 4  # a bounded file is rewritten when it is 1/SLACK too large


class RecordingWriter:
    """Appends to a new file. ``bytes_max`` and ``age_max`` (ns) bound what is kept; 0: no bound.
    ``nameless``: ``path`` is a directory, and the file in it has no name: it ends with its last descriptor.

    Raises OutputError; what was written before it is whole.
    """

    def __init__(
        self,
        path: str,
        *,
        bytes_max: int = 0,
        age_max: int = 0,
        overwrite: bool = False,
        nameless: bool = False,
    ) -> None:
        import zstandard

        self.path = path
        self._nameless = nameless
        self._bytes_max, self._age_max = bytes_max, age_max
        self._compress = zstandard.ZstdCompressor(level=LEVEL, write_content_size=True)
        self._chunks: list[tuple[int, int, int, int]] = []  # kind, offset, size, last
        self._key = 0
        self.generation = 0  # counts up when a new file takes the place of the old one
        try:
            self._fd = _nameless(path) if nameless else _named(path, os.O_TRUNC if overwrite else os.O_EXCL)
        except FileExistsError:
            raise OutputError(f"{path} is there already: name another, or -f to overwrite it") from None
        except OSError as error:
            raise OutputError(f"{path}: {error.strerror}") from error
        self.size = 0
        try:
            self._append(format.start_bytes())
        except OutputError:
            self.close()
            raise

    @property
    def last(self) -> int | None:
        """The last moment that is in the file, in ns since the epoch."""
        return next((last for kind, _, _, last in reversed(self._chunks) if kind != format.BASE), None)

    def opened(self) -> int:
        """A descriptor of its own, to read the file as it is now."""
        return os.dup(self._fd)

    def chunk(self, kind: int, first: int, last: int, records: bytes) -> None:
        """One more chunk; ``records`` as in the format, at most CHUNK_MAX bytes."""
        if len(records) > format.CHUNK_MAX:
            raise OutputError(f"{self.path}: {len(records)} bytes in one second are too many to record")
        if kind == format.KEY:
            self._key = self.size
        key = 0 if kind == format.BASE else self._key
        data = format.chunk_bytes(kind, first, last, key, records, self._compress.compress(records))
        row = (kind, self.size, len(data), last)
        self._append(data)
        self._chunks.append(row)
        if kind == format.KEY:
            self._bound(last)

    def _append(self, data: bytes) -> None:
        try:
            _write(self._fd, data, self.size)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._fd, self.size)  # no half chunk at the end
            raise OutputError(f"{self.path}: {error.strerror}") from error
        self.size += len(data)

    def _bound(self, now: int) -> None:
        """Drop the oldest chunks when there are too many: up to a KEY, so that the rest stands by itself."""
        keys = [i for i, (kind, *_) in enumerate(self._chunks) if kind == format.KEY]
        start = 0
        old = [i for i in keys if self._age_max and i and self._chunks[i][3] < now - self._age_max]
        if old and now - self._chunks[keys[0]][3] > self._age_max + self._age_max // SLACK:
            start = old[-1]
        if self._bytes_max and self.size > self._bytes_max + self._bytes_max // SLACK:
            fits = (i for i in keys if self.size - self._chunks[i][1] <= self._bytes_max)
            start = max(start, next(fits, keys[-1]))
        if start > keys[0]:
            self._rewrite(start)

    def _rewrite(self, start: int) -> None:
        """Keep what lasts and the chunks from ``start`` on, in a new file that takes the old one's place."""
        kept = [row for i, row in enumerate(self._chunks) if i >= start or row[0] == format.BASE]
        temporary = f"{self.path}.new"
        fd = -1
        try:
            fd = _nameless(self.path) if self._nameless else _named(temporary, os.O_TRUNC)
            _write(fd, format.start_bytes(), 0)
            chunks, end, key = self._copied(kept, fd)
            if not self._nameless:
                os.replace(temporary, self.path)
        except OSError as error:
            if fd >= 0:
                os.close(fd)
                if not self._nameless:
                    os.unlink(temporary)
            raise OutputError(f"{self.path}: {error.strerror}, while its oldest were dropped") from error
        os.close(self._fd)
        self._fd, self._chunks, self.size, self._key = fd, chunks, end, key
        self.generation += 1

    def _copied(
        self, kept: list[tuple[int, int, int, int]], fd: int
    ) -> tuple[list[tuple[int, int, int, int]], int, int]:
        """(the chunks in the new file, its size, where its last KEY is)."""
        chunks, end, key = [], format.HEAD, 0
        for kind, offset, size, last in kept:
            data = os.pread(self._fd, size, offset)
            if kind == format.KEY:
                key = end
            if kind != format.BASE:
                data = format.moved(data, key)
            _write(fd, data, end)
            chunks.append((kind, end, size, last))
            end += size
        return chunks, end, key

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _named(path: str, how: int) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | how, 0o600)


def _nameless(directory: str) -> int:
    try:
        return os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError:  # not every file system has them
        fd, path = tempfile.mkstemp(prefix="uniobs-", dir=directory)
        os.unlink(path)
        return fd


def _write(fd: int, data: bytes, offset: int) -> None:
    at = 0
    while at < len(data):
        at += os.pwrite(fd, data[at:], offset + at)
