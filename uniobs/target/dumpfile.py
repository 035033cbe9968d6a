"""Packets that QEMU writes into files while we read them: one file a card and direction, merged by time.

Source: net/dump.c of QEMU. The format is pcap; a record's time is the machine's clock (it stands still
while the guest is paused) plus the second in which the dump began, so only differences of it mean anything:
a file's time of change says when its last record was written.
"""

import ctypes
import fcntl
import os
from collections.abc import Sequence
from struct import Struct
from typing import Final, Literal

from uniobs.errors import BadFormat, TargetGone
from uniobs.model.guest import Loss, Packet
from uniobs.model.row import frozen
from uniobs.target import procfs

HEAD: Final = Struct("<IHHiIII")
RECORD: Final = Struct("<IIII")
MAGIC: Final = 0xA1B2C3D4
ETHERNET: Final = 1
FRAME_MAX: Final = 1 << 18
READ_MAX: Final = 16 << 20  # bytes of a file in one poll
FREE_EVERY: Final = 4 << 20  # bytes that were read are given back to the disk
PUNCH_HOLE_KEEP_SIZE: Final = 3  # linux/falloc.h
JUMP_NS: Final = 1_000_000_000  # the machine's clock was held for certain
TICK_NS: Final = 10_000_000  # times of change are no finer
DRIFT_NS: Final = 50_000_000  # ... or perhaps: it must be seen a few times
DRIFTS: Final = 3


@frozen
class Source:
    """A file that is being written: what passes card ``iface`` in one direction, as the guest sees it."""

    path: str
    iface: int
    direction: Literal["rx", "tx"]


@frozen
class _Record:
    time_us: int  # of the machine's clock; comparable among files
    rank: int  # breaks ties: an answer comes after what it answers
    length: int
    data: bytes
    source: Source


class DumpFile:
    """Reads what is complete of one file. Raises BadFormat when it isn't what QEMU writes."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._fd = os.open(source.path, os.O_RDWR | os.O_CLOEXEC)
        self._at = 0
        self._freed = 0
        self._freed_mtime = -1
        self.behind = False
        fcntl.flock(self._fd, fcntl.LOCK_EX)  # shows others that somebody reads it
        info = os.fstat(self._fd)
        self.identity = (info.st_dev, info.st_ino)

    def poll(self) -> tuple[list[_Record], int | None]:
        """(records since, host time minus machine time in ns when the last of them tells it).

        ``behind`` is then whether the file holds more.
        """
        info = os.fstat(self._fd)
        data = os.pread(self._fd, min(info.st_size - self._at, READ_MAX), self._at)
        self.behind = len(data) == READ_MAX
        at = 0
        if self._at == 0:
            if len(data) < HEAD.size:
                return [], None
            magic, *_, link = HEAD.unpack_from(data)
            if magic != MAGIC or link != ETHERNET:
                raise BadFormat(f"{self.source.path}: QEMU's dump isn't Ethernet in pcap (link type {link})")
            at = HEAD.size
        found: list[_Record] = []
        while at + RECORD.size <= len(data):
            seconds, micros, captured, length = RECORD.unpack_from(data, at)
            if captured > FRAME_MAX or length > FRAME_MAX or captured > length or micros >= 1_000_000:
                raise BadFormat(f"{self.source.path}: a garbled packet in QEMU's dump")
            end = at + RECORD.size + captured
            if end > len(data):
                break
            rank = 0 if self.source.direction == "tx" else 1
            time_us = seconds * 1_000_000 + micros
            found.append(_Record(time_us, rank, length, data[end - captured : end], self.source))
            at = end
        self._at += at
        offset = None
        if found and self._at == info.st_size and info.st_mtime_ns != self._freed_mtime:
            offset = info.st_mtime_ns - found[-1].time_us * 1000
        self._free()
        return found, offset

    def _free(self) -> None:
        """A capture may run for days: what was read needs no disk any more."""
        until = self._at & ~0xFFF
        if until - self._freed < FREE_EVERY:
            return
        size = ctypes.c_int64(until)
        ctypes.CDLL(None).fallocate(self._fd, PUNCH_HOLE_KEEP_SIZE, ctypes.c_int64(0), size)
        self._freed = until
        self._freed_mtime = os.fstat(self._fd).st_mtime_ns

    def close(self) -> None:
        os.close(self._fd)


class Clock:
    """Host time minus machine time, from what each file's time of change says."""

    def __init__(self) -> None:
        self.offset: int | None = None
        self._drifts: list[int] = []

    def learn(self, offset: int) -> None:
        """A write that was late makes an offset too large, never too small: the smallest is right, until
        the guest was paused and all of them have grown. Differences within a tick say nothing."""
        if self.offset is None or offset < self.offset - TICK_NS or offset - self.offset > JUMP_NS:
            self.offset = offset
            self._drifts = []
        elif offset - self.offset < DRIFT_NS:
            self._drifts = []
        else:
            self._drifts.append(offset)
            if len(self._drifts) >= DRIFTS:
                self.offset = min(self._drifts)
                self._drifts = []


class DumpFollow:
    """model.view.Follow of Packet over files that the VMM ``pid`` (started at ``start``) writes."""

    is_ring = False  # nothing is overwritten

    def __init__(self, files: Sequence[DumpFile], pid: int, start: int) -> None:
        self._files = files
        self._pid, self._start = pid, start
        self._clock = Clock()
        self._held: list[_Record] = []
        self._bound = -1  # nothing earlier than this can still come
        self._position = 0
        self.loss = Loss()

    @property
    def captured(self) -> int:
        return self._position

    def seek_end(self) -> None:
        """It begins where it was attached."""

    def poll(self) -> list[Packet]:
        gone = procfs.start_time(self._pid) != self._start
        self._read()
        if gone:
            raise TargetGone(f"pid {self._pid} is gone")
        return self._release(self._bound)

    def flush(self) -> list[Packet]:
        self._read()
        return self._release(None)

    def _read(self) -> None:
        """The files are read one after the other: what a later one says may be newer than what an earlier
        one didn't show yet, and waits for the next time."""
        bound = max((record.time_us for record in self._held), default=self._bound)
        limits = []
        for number, file in enumerate(self._files):
            records, offset = file.poll()
            self._held += records
            if offset is not None:
                self._clock.learn(offset)
            if number == 0 and records:
                bound = max(bound, records[-1].time_us)
            if file.behind:
                limits.append(records[-1].time_us if records else self._bound)
        bound = min([bound, *limits])
        self._bound = max(self._bound, bound)

    def _release(self, bound: int | None) -> list[Packet]:
        offset = self._clock.offset
        if offset is None:
            return []
        self._held.sort(key=lambda record: (record.time_us, record.rank))
        ready = [record for record in self._held if bound is None or record.time_us <= bound]
        self._held = self._held[len(ready) :]
        return [self._packet(record, offset) for record in ready]

    def _packet(self, record: _Record, offset: int) -> Packet:
        position = self._position
        self._position += 1
        return Packet(
            position=position,
            time_ns=None,
            wall_ns=record.time_us * 1000 + offset,
            iface=record.source.iface,
            direction=record.source.direction,
            length=record.length,
            data=record.data,
        )
