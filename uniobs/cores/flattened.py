"""Files as one reads them: plain ones, and makedumpfile's flattened ones, whose pieces lie in any order.

Source: makedumpfile.h (struct makedumpfile_header, makedumpfile_data_header): after 4096 bytes come records
{be64 offset, be64 size, bytes}, the last with offset -1. Later ones overwrite what earlier ones wrote.
"""

import heapq
import os
import struct
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from uniobs.cores.pieces import pread
from uniobs.errors import BadFormat

MAGIC = b"makedumpfile\0\0\0\0"
HEADER = struct.Struct(">16sqq")
HEADER_SIZE = 4096
RECORD = struct.Struct(">qq")
RUN = 64  # records that are found by walking from the first of them
RUNS_MAX = 1 << 18
RECORDS_MAX = 1 << 22
KEPT_RUNS = 64


class Source(Protocol):
    size: int
    cut: bool  # it ends before it should

    def read(self, offset: int, size: int) -> bytes:
        """``size`` bytes, or fewer at the end of what there is."""


class Plain:
    cut = False

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.size = os.fstat(fd).st_size

    def read(self, offset: int, size: int) -> bytes:
        return pread(self.fd, size, offset)


class _Record(NamedTuple):
    start: int  # where its bytes belong
    size: int
    where: int  # where they lie in the file


class Flattened:
    """Random access to the file that its records make. The index holds runs of records in a row.

    Raises BadFormat when its records can't be that.
    """

    def __init__(self, fd: int, path: str) -> None:
        self.fd = fd
        self.path = path
        self.cut = False
        self._length = os.fstat(fd).st_size
        head = pread(fd, HEADER.size, 0)
        if len(head) != HEADER.size or HEADER.unpack(head) != (MAGIC, 1, 1):
            raise BadFormat(f"{path}: a flattened core of an unknown version")
        starts, ends, wheres = self._walk()
        self._wheres = wheres
        self.size = max(ends, default=0)
        self._starts, self._ends, self._runs = _order(starts, ends)
        self._run_starts = starts
        self._run_ends = ends
        self._kept: dict[int, list[_Record]] = {}

    def _walk(self) -> tuple["array[int]", "array[int]", "array[int]"]:
        starts, ends, wheres = array("Q"), array("Q"), array("Q")
        at, inside = HEADER_SIZE, RUN
        for _ in range(RECORDS_MAX):
            record = self._record(at)
            if record is None:
                return starts, ends, wheres
            if inside < RUN and ends[-1] == record.start:
                ends[-1] += record.size
                inside += 1
            else:
                if len(starts) == RUNS_MAX:
                    break
                starts.append(record.start)
                ends.append(record.start + record.size)
                wheres.append(at)
                inside = 1
            at = record.where + record.size
        raise BadFormat(f"{self.path}: too many pieces: makedumpfile -R puts them together")

    def _record(self, at: int) -> _Record | None:
        """None at the end; what is cut off counts as the end."""
        head = pread(self.fd, RECORD.size, at)
        if len(head) != RECORD.size:
            self.cut = True
            return None
        offset, size = RECORD.unpack(head)
        if offset == -1:
            return None
        if offset < 0 or size <= 0 or offset + size >= 1 << 63:
            raise BadFormat(f"{self.path}: a garbled record at {at:#x} ({size} bytes for {offset:#x})")
        where = at + RECORD.size
        there = min(size, self._length - where)
        if there < size:
            self.cut = True
        return _Record(offset, there, where) if there > 0 else None

    def read(self, offset: int, size: int) -> bytes:
        parts = []
        at, end = offset, min(offset + size, self.size)
        while at < end:
            index = bisect_right(self._starts, at) - 1
            if index >= 0 and at < self._ends[index]:
                part = self._in_run(self._runs[index], at, min(end, self._ends[index]) - at)
            elif self.cut:
                break  # who knows what belongs here
            else:  # nobody wrote here
                until = self._starts[index + 1] if index + 1 < len(self._starts) else end
                part = bytes(min(end, until) - at)
            if not part:
                break
            parts.append(part)
            at += len(part)
        return b"".join(parts)

    def _in_run(self, run: int, at: int, size: int) -> bytes:
        """Up to ``size`` bytes: as many as one record has."""
        for record in self._records(run):
            if record.start <= at < record.start + record.size:
                there = min(size, record.start + record.size - at)
                return pread(self.fd, there, record.where + at - record.start)
        return b""

    def _records(self, run: int) -> list[_Record]:
        records = self._kept.pop(run, None)
        if records is None:
            records = list(self._walk_run(run))
            if len(self._kept) >= KEPT_RUNS:
                del self._kept[next(iter(self._kept))]
        self._kept[run] = records
        return records

    def _walk_run(self, run: int) -> Iterator[_Record]:
        at, belongs, end = self._wheres[run], self._run_starts[run], self._run_ends[run]
        while belongs < end:
            record = self._record(at)
            if record is None or record.start != belongs:  # the file was changed meanwhile
                return
            yield record
            at = record.where + record.size
            belongs += record.size


def _order(
    starts: "array[int]", ends: "array[int]"
) -> tuple["array[int]", "array[int]", "array[int]"]:
    """(start, end, run) of disjoint pieces, ascending; of runs that overlap the last written counts."""
    order = array("Q", sorted(range(len(starts)), key=starts.__getitem__))
    reach = 0
    for run in order:
        if starts[run] < reach:
            return _latest(starts, ends, order)
        reach = ends[run]
    return array("Q", [starts[run] for run in order]), array("Q", [ends[run] for run in order]), order


def _latest(
    starts: "array[int]", ends: "array[int]", order: "array[int]"
) -> tuple["array[int]", "array[int]", "array[int]"]:
    piece_starts, piece_ends, runs = array("Q"), array("Q"), array("Q")
    active: list[int] = []  # runs that cover the place, the last written first (negated)
    at = coming = 0
    while active or coming < len(order):
        while active and ends[-active[0]] <= at:
            heapq.heappop(active)
        if not active:
            if coming == len(order):
                break
            at = max(at, starts[order[coming]])
        while coming < len(order) and starts[order[coming]] <= at:
            heapq.heappush(active, -order[coming])
            coming += 1
        while active and ends[-active[0]] <= at:
            heapq.heappop(active)
        if not active:
            continue
        run = -active[0]
        until = ends[run]
        if coming < len(order):
            until = min(until, starts[order[coming]])
        if runs and runs[-1] == run and piece_ends[-1] == at:
            piece_ends[-1] = until
        else:
            piece_starts.append(at)
            piece_ends.append(until)
            runs.append(run)
        at = until
    return piece_starts, piece_ends, runs
