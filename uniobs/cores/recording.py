"""A recording: guest memory over time, in one file that zstd can unpack, whole up to its last chunk.

The file is a row of zstd frames (RFC 8878). Each chunk is a skippable frame with its header, then one frame
with its records; so a reader finds the chunks without unpacking them, and what was cut off by a crash or a
full disk is the last chunk only.

    file    = start chunk...          start = skippable frame: START
    chunk   = skippable frame: CHUNK, then a zstd frame of records
    record  = RECORD {u8 type, u8[3] 0, u32 size, u64 address}, then ``size`` bytes when the type has them

A record is MOMENT (address = ns since the epoch, UTC: what follows was seen then), BYTES (physical address),
FORGET (that range isn't known any more; ``size`` bytes of memory, none here), or NOTE (JSON). A chunk is
BASE (notes and bytes that last for all of the recording: image text, where the guest is), KEY (it begins with
all that was known, so that nothing before it but BASE is needed) or DELTA.
All numbers are little-endian. Nothing in the file is trusted.
"""

import os
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from struct import Struct
from typing import Final, NamedTuple

from uniobs.errors import BadFormat

SKIPPABLE: Final = 0x184D2A5A
FRAME: Final = Struct("<II")  # magic, size of the skippable frame's content
MAGIC: Final = b"uniobs-recording"
VERSION: Final = 1
START: Final = Struct("<16sII")  # MAGIC, version, CRC-32 of what comes before
CHUNK: Final = Struct("<4sIQQQIIII")  # mark, kind, first, last, key, 2 sizes, CRC of the frame, CRC of this
MARK: Final = b"uobC"
RECORD: Final = Struct("<B3xIQ")
BASE, KEY, DELTA = 1, 2, 3
MOMENT, BYTES, FORGET, NOTE = 1, 2, 3, 4
CHUNK_MAX: Final = 64 << 20  # bytes of records in a chunk
RECORDS_MAX: Final = 1 << 20  # in a chunk
CHAIN_MAX: Final = 256 << 20  # bytes of records from a KEY to the last chunk that stands on it; and of BASE
PAGES_MAX: Final = 1 << 16  # of 4 KiB, which may be known in part, at one moment
TIME_MAX: Final = 1 << 63
CHUNKS_MAX: Final = 1 << 22
HEAD: Final = FRAME.size + START.size
CHUNK_HEAD: Final = FRAME.size + CHUNK.size


class Chunk(NamedTuple):
    """Where a chunk lies; times in ns since the epoch; ``key``: file offset of the KEY it stands on."""

    kind: int
    first: int
    last: int
    key: int
    offset: int
    stored: int
    size: int
    crc: int

    @property
    def end(self) -> int:
        return self.offset + CHUNK_HEAD + self.stored


class Record(NamedTuple):
    type: int
    address: int
    size: int
    data: bytes


def is_recording(head: bytes) -> bool:
    """Whether a file that begins so (24 bytes are enough) is a recording."""
    return len(head) >= 24 and FRAME.unpack_from(head)[0] == SKIPPABLE and head[8:24] == MAGIC


def start_bytes() -> bytes:
    body = START.pack(MAGIC, VERSION, 0)[:-4]
    return FRAME.pack(SKIPPABLE, START.size) + body + zlib.crc32(body).to_bytes(4, "little")


def chunk_bytes(kind: int, first: int, last: int, key: int, records: bytes, frame: bytes) -> bytes:
    body = CHUNK.pack(MARK, kind, first, last, key, len(frame), len(records), zlib.crc32(frame), 0)[:-4]
    head = FRAME.pack(SKIPPABLE, CHUNK.size) + body + zlib.crc32(body).to_bytes(4, "little")
    return head + frame


def moved(chunk: bytes, key: int) -> bytes:
    """A chunk's bytes for another place in a file, where the KEY that it stands on is at ``key``."""
    mark, kind, first, last, _, stored, size, crc, _ = CHUNK.unpack_from(chunk, FRAME.size)
    body = CHUNK.pack(mark, kind, first, last, key, stored, size, crc, 0)[:-4]
    return chunk[: FRAME.size] + body + zlib.crc32(body).to_bytes(4, "little") + chunk[CHUNK_HEAD:]


class RecordingFile:
    """The chunks of a file. ``lost`` bytes at its end are no whole chunk. Raises BadFormat in one line."""

    def __init__(self, fd: int, path: str) -> None:
        self.fd = fd
        self.path = path
        self.chunks: list[Chunk] = []
        self.base: list[Chunk] = []
        self.lost = 0
        self._chain = self._base_size = 0
        head = os.pread(fd, HEAD, 0)
        if not is_recording(head):
            raise BadFormat(f"{path}: no recording")
        _, version, crc = START.unpack_from(head.ljust(HEAD, b"\0"), FRAME.size)
        if len(head) < HEAD or zlib.crc32(head[FRAME.size : HEAD - 4]) != crc:
            raise BadFormat(f"{path}: a recording whose first bytes are garbled")
        if version != VERSION:
            raise BadFormat(f"{path}: a recording of version {version}; this uniobs reads version {VERSION}")
        self._end = HEAD
        self.extend()

    def extend(self) -> bool:
        """Take in the chunks that were written since. Whether there were any."""
        size, before = os.fstat(self.fd).st_size, self._end
        while len(self.chunks) < CHUNKS_MAX:
            chunk = self._chunk(self._end, size)
            if chunk is None:
                break
            if chunk.kind == BASE:
                self.base.append(chunk)
                self._base_size += chunk.size
            else:
                self.chunks.append(chunk)
                self._chain = chunk.size + (self._chain if chunk.kind == DELTA else 0)
            self._end = chunk.end
        self.lost = size - self._end
        return self._end > before

    def _chunk(self, offset: int, size: int) -> Chunk | None:
        raw = os.pread(self.fd, CHUNK_HEAD, offset)
        if len(raw) < CHUNK_HEAD or FRAME.unpack_from(raw) != (SKIPPABLE, CHUNK.size):
            return None
        mark, kind, first, last, key, stored, unpacked, crc, own = CHUNK.unpack_from(raw, FRAME.size)
        if mark != MARK or zlib.crc32(raw[FRAME.size : -4]) != own or kind not in (BASE, KEY, DELTA):
            return None
        chunk = Chunk(kind, first, last, key, offset, stored, unpacked, crc)
        previous = self.chunks[-1] if self.chunks else None
        in_order = first <= last < TIME_MAX and (
            kind == BASE or previous is None or previous.last <= first
        )
        before = {BASE: self._base_size, KEY: 0, DELTA: self._chain}[kind]
        stands_on = offset if kind == KEY else previous.key if previous is not None else None
        founded = kind == BASE or key == stands_on
        fits = chunk.end <= size and unpacked <= CHUNK_MAX and before + unpacked <= CHAIN_MAX
        return chunk if fits and in_order and founded else None

    @property
    def first(self) -> int | None:
        """ns since the epoch of the first moment; None when there is none."""
        return self.chunks[0].first if self.chunks else None

    @property
    def last(self) -> int | None:
        return self.chunks[-1].last if self.chunks else None

    def index_at(self, when: int) -> int:
        """The last chunk that begins at or before ``when``; -1 when all begin later."""
        return bisect_right(self.chunks, when, key=lambda chunk: chunk.first) - 1

    def index_of(self, offset: int) -> int:
        """The chunk at a file offset. Raises BadFormat when none begins there."""
        index = bisect_right(self.chunks, offset, key=lambda chunk: chunk.offset) - 1
        if index < 0 or self.chunks[index].offset != offset or self.chunks[index].kind != KEY:
            raise BadFormat(f"{self.path}: a garbled recording: no key chunk at {offset}")
        return index

    def records(self, chunk: Chunk) -> Iterator[Record]:
        """What a chunk holds. Raises BadFormat when it isn't what its header says."""
        import zstandard

        frame = os.pread(self.fd, chunk.stored, chunk.offset + CHUNK_HEAD)
        if len(frame) != chunk.stored or zlib.crc32(frame) != chunk.crc:
            raise BadFormat(f"{self.path}: the chunk at {chunk.offset} is garbled")
        try:
            if zstandard.frame_content_size(frame) != chunk.size:
                raise BadFormat(f"{self.path}: the chunk at {chunk.offset} says two sizes")
            data = zstandard.ZstdDecompressor().decompress(frame, max_output_size=chunk.size)
        except zstandard.ZstdError as error:
            raise BadFormat(f"{self.path}: the chunk at {chunk.offset} can't be unpacked ({error})") from None
        return _records(data, self.path, chunk.offset)

    def close(self) -> None:
        os.close(self.fd)


def _records(data: bytes, path: str, offset: int) -> Iterator[Record]:
    at, size, count = 0, len(data), 0
    while at < size:
        count += 1
        if count > RECORDS_MAX:
            raise BadFormat(f"{path}: the chunk at {offset} holds more than {RECORDS_MAX} records")
        if at + RECORD.size > size:
            raise BadFormat(f"{path}: the chunk at {offset} ends within a record")
        kind, length, address = RECORD.unpack_from(data, at)
        at += RECORD.size
        held = length if kind in (BYTES, NOTE) else 0
        if kind not in (MOMENT, BYTES, FORGET, NOTE) or at + held > size or address + length > 1 << 64:
            raise BadFormat(f"{path}: the chunk at {offset} holds a garbled record")
        yield Record(kind, address, length, data[at : at + held])
        at += held
