"""Tape: what was seen of a guest, put together as a recording's records and chunks.

It knows what it has told so far, so that only what changed is told again.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from uniobs.cores import recording as format
from uniobs.errors import OutputError
from uniobs.memory.mirror import LINE, Mirror

CHUNK_NS: Final = 1_000_000_000  # of time in a chunk
CHUNK_SIZE: Final = 8 << 20  # bytes of records after which it ends earlier
KEY_NS: Final = 10_000_000_000
KEY_SIZE: Final = 32 << 20  # bytes of records after a KEY from which on the next one comes earlier
PIECE: Final = 1 << 20
Chunk = Callable[[int, int, int, bytes], None]  # kind, first, last, records


class Tape:
    """``chunk`` takes each chunk when it is complete."""

    def __init__(self, chunk: Chunk) -> None:
        self._chunk = chunk
        self.mirror = Mirror()
        self.lasting: set[int] = set()  # starts of the lines that BASE holds
        self._dynamic: set[int] = set()  # ... that changed since
        self._notes: dict[str, Any] = {}
        self._records = bytearray()
        self._kind = format.KEY
        self.last = self._begun = self._key_begun = self._since_key = 0

    def base(self, now: int, told: dict[str, Any], seen: list[tuple[int, bytes]]) -> None:
        """What lasts: notes, and bytes that a replay needs at every moment."""
        records = bytearray(_note(told))
        for address, data in seen:
            self.lasting.update(range(address & -LINE, address + len(data), LINE))
            for at, changed in self.mirror.update(address, data):
                records += _bytes(at, changed)
        self._chunk(format.BASE, now, now, bytes(records))

    def moment(self, now: int) -> None:
        """What is told from here on was seen at ``now``, in ns since the epoch."""
        if not self._records or now - self._begun >= CHUNK_NS or len(self._records) >= CHUNK_SIZE:
            self.flush()
            self._begun, self._kind = now, format.DELTA
            if not self._key_begun or now - self._key_begun >= KEY_NS or self._since_key >= KEY_SIZE:
                self._kind, self._key_begun, self._since_key = format.KEY, now, 0
                self._records += self._all()
        self._records += format.RECORD.pack(format.MOMENT, 0, now)
        self.last = now

    def keep(self, address: int, data: bytes) -> None:
        """These bytes are there. Raises OutputError when it is too much to be recorded."""
        if self.mirror.pages > format.PAGES_MAX - (len(data) >> 12) - 2:
            raise OutputError("more memory than can be recorded is read of this guest")
        for at, changed in self.mirror.update(address, data):
            self._records += _bytes(at, changed)
            self._dynamic.update(range(at & -LINE, at + len(changed), LINE))

    def forget(self, address: int, size: int) -> None:
        self.mirror.forget(address, size)
        self._records += format.RECORD.pack(format.FORGET, size, address)

    def note(self, told: dict[str, Any]) -> None:
        """Facts that hold from this moment on."""
        self._notes.update(told)
        self._records += _note(told)

    def flush(self) -> None:
        """Hand over what was told so far."""
        if self._records:
            self._since_key += len(self._records)
            records = bytes(self._records)
            self._records.clear()
            self._chunk(self._kind, self._begun, self.last, records)

    def _all(self) -> bytes:
        """All that is known now, but for what lasts."""
        records = bytearray(_note(self._notes) if self._notes else b"")
        still = self.lasting - self._dynamic
        for held in self.mirror.ranges():
            for start, size in _outside(held.start, held.size, still):
                for at in range(start, start + size, PIECE):
                    records += _bytes(at, self.mirror.read(at, min(PIECE, start + size - at)))
        return bytes(records)


def _outside(start: int, size: int, lines: set[int]) -> Iterator[tuple[int, int]]:
    """The parts of a range that aren't among ``lines``."""
    if not lines:
        yield start, size
        return
    at, end, begun = start, start + size, start
    while at < end:
        following = (at | LINE - 1) + 1
        if at & -LINE in lines:
            if begun < at:
                yield begun, at - begun
            begun = following
        at = following
    if begun < end:
        yield begun, end - begun


def _bytes(address: int, data: bytes) -> bytes:
    return format.RECORD.pack(format.BYTES, len(data), address) + data


def _note(told: dict[str, Any]) -> bytes:
    data = json.dumps(told, separators=(",", ":")).encode()
    return format.RECORD.pack(format.NOTE, len(data), 0) + data
