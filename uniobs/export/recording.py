"""Writing a recording: chunks appended one by one, and the oldest dropped when it grows beyond its bounds.

The format is uniobs.cores.recording's. A chunk is on its way to the disk as soon as it is written; what a
crash can take is the one that was being put together.
"""

import os
from typing import Final

from uniobs.cores import recording as format
from uniobs.errors import OutputError

LEVEL: Final = 3  # of zstd: 1 is hardly quicker on a second's worth of records
SLACK: Final = 4  # a bounded file is rewritten when it is 1/SLACK too large


class RecordingWriter:
    """Appends to a new file. ``bytes_max`` and ``age_max`` (ns) bound what is kept; 0: no bound.

    Raises OutputError.
    """

    def __init__(self, path: str, *, bytes_max: int = 0, age_max: int = 0, overwrite: bool = False) -> None:
        import zstandard

        self.path = path
        self._bytes_max, self._age_max = bytes_max, age_max
        self._compress = zstandard.ZstdCompressor(level=LEVEL, write_content_size=True)
        self._chunks: list[tuple[int, int, int, int]] = []  # kind, offset, size, last
        self._key = 0
        self.generation = 0  # counts up when a new file takes the place of the old one
        try:
            mode = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if overwrite else os.O_EXCL)
            self._fd = os.open(path, mode, 0o600)
        except FileExistsError:
            raise OutputError(f"{path} is there already: name another, or -f to overwrite it") from None
        except OSError as error:
            raise OutputError(f"{path}: {error.strerror}") from error
        self.size = 0
        self._append(format.start_bytes())

    def chunk(self, kind: int, first: int, last: int, records: bytes) -> None:
        """One more chunk; ``records`` as in the format, at most CHUNK_MAX bytes."""
        if len(records) > format.CHUNK_MAX:
            raise OutputError(f"{self.path}: {len(records)} bytes in one second are too many to record")
        if kind == format.KEY:
            self._key = self.size
        key = 0 if kind == format.BASE else self._key
        data = format.chunk_bytes(kind, first, last, key, records, self._compress.compress(records))
        self._chunks.append((kind, self.size, len(data), last))
        self._append(data)
        if kind == format.KEY:
            self._bound(last)

    def _append(self, data: bytes) -> None:
        at = 0
        try:
            while at < len(data):
                at += os.pwrite(self._fd, data[at:], self.size + at)
        except OSError as error:
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
        old, path, temporary = self._fd, self.path, f"{self.path}.new"
        try:
            self._fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise OutputError(f"{temporary}: {error.strerror}") from error
        self.size, self._chunks = 0, []
        try:
            self._append(format.start_bytes())
            for kind, offset, size, last in kept:
                data = os.pread(old, size, offset)
                if kind == format.KEY:
                    self._key = self.size
                if kind != format.BASE:
                    data = format.moved(data, self._key)
                self._chunks.append((kind, self.size, size, last))
                self._append(data)
            os.replace(temporary, path)
            self.generation += 1
        except OSError as error:
            raise OutputError(f"{path}: {error.strerror}") from error
        finally:
            os.close(old)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
