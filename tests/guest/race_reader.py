"""A reader of trace rings written from SPEC.md alone, sharing nothing with the engine.

It reads another process with process_vm_readv, follows the rings that it is told to, checks each
event's words (tests/guest/race.c) and accounts for every slot and every event.
"""

from __future__ import annotations

import ctypes
import os
import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]

SECTION_TRACE = 11
RING_HEAD = 64
SLOT = np.dtype([("seq", "<u4"), ("info", "<u2"), ("low", "<u2"), ("q", "<u8", (3,))])
CONT = 15
libc = ctypes.CDLL(None, use_errno=True)


class Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))


def read_in_order(pid: int, ranges: list[tuple[int, int]]) -> list[bytearray]:
    """Read (address, size) ranges of a process, one after the other."""
    out = [bytearray(size) for _, size in ranges]
    pins = [(ctypes.c_char * len(b)).from_buffer(b) for b in out]
    local = (Iovec * len(out))(*[Iovec(ctypes.addressof(p), len(b)) for p, b in zip(pins, out, strict=True)])
    remote = (Iovec * len(out))(*[Iovec(address, size) for address, size in ranges])
    n = libc.process_vm_readv(pid, local, len(out), remote, len(out), 0)
    if n != sum(size for _, size in ranges):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return out


def find_region(pid: int) -> int:
    """Address of the region: the mapping of the memfd that is named after it."""
    with open(f"/proc/{pid}/maps") as maps:
        for line in maps:
            if "/memfd:uniobs-region" in line:
                return int(line.split("-")[0], 16)
    raise LookupError(f"no region in process {pid}")


def find_rings(pid: int) -> dict[int, tuple[int, int]]:
    """Index -> (address of the ring's head, slots)."""
    base = find_region(pid)
    (page,) = read_in_order(pid, [(base, 4096)])
    (count,) = struct.unpack_from("<I", page, 48)
    rings = {}
    for i in range(count):
        kind, index, offset, _size, entry_size, entries = struct.unpack_from("<IIQQII", page, 512 + 32 * i)
        if kind == SECTION_TRACE:
            assert entry_size == SLOT.itemsize
            rings[index] = (base + offset, entries)
    return rings


def word(number: U64, k: U64) -> U64:
    """race.c's word()."""
    one = np.uint64(1)
    x = (number + one) * np.uint64(0x9E3779B97F4A7C15) ^ (k + one) * np.uint64(0xC2B2AE3D27D4EB4F)
    out: U64 = x ^ x >> np.uint64(29)
    return out


def check_words(slots: npt.NDArray[np.void]) -> npt.NDArray[np.uint32]:
    """SPEC.md, "Check words": of the 32 bits beside seq, then of the slot's other three words."""
    factor = np.uint64(0x9E3779B97F4A7C15)
    beside = slots["info"].astype(np.uint64) | slots["low"].astype(np.uint64) << np.uint64(16)
    total: U64 = (beside << np.uint64(32)) * factor
    for i in range(3):
        total = (total ^ slots["q"][:, i]) * factor
    return (total >> np.uint64(32)).astype(np.uint32)


@dataclass
class Reader:
    """One ring's cursor and its account."""

    pid: int
    address: int
    slots: int
    cursor: int = 0
    received: int = 0  # slots of accepted events
    lost: int = 0  # slots that were overwritten before they could be accepted
    events: int = 0
    lost_events: int = 0  # by the numbers that the events carry
    torn: int = 0  # accepted, but its words are of two events: must stay 0
    refused: int = 0  # times that a slot in the window was under way
    total_events: int = 0  # ring.events, at the last look
    next_number: int = 0

    def step(self) -> int:
        """Read what is there; the number of slots that the cursor moved.

        Sequences come from one copy and fields from a second, later one. SPEC allows it, and it is the
        reader's worst case: whatever the writer does in between has to be noticed through the head.
        """
        n = self.slots
        slots_at = (self.address + RING_HEAD, n * 32)
        before, early, late, after = read_in_order(
            self.pid, [(self.address, 16), slots_at, slots_at, (self.address, 16)]
        )
        h0 = int.from_bytes(before[:8], "little")
        h1, self.total_events = struct.unpack("<QQ", after)
        start = self.cursor
        low = min(max(start, h1 - n), h0) if h1 - n > start else start
        self.lost += low - start
        self.cursor = low
        if low < h0:
            positions: I64 = np.arange(low, h0, dtype=np.int64)
            slots = np.frombuffer(bytes(late), SLOT)[positions & (n - 1)]
            slots["seq"] = np.frombuffer(bytes(early), SLOT)["seq"][positions & (n - 1)]
            self._take(positions, slots)
        return self.cursor - start

    def _take(self, positions: I64, slots: npt.NDArray[np.void]) -> None:
        valid = slots["seq"] ^ check_words(slots) == ((positions + 1) & 0xFFFFFFFF).astype(np.uint32)
        ready = len(valid) if valid.all() else int(np.argmin(valid))
        self.refused += ready < len(valid)
        parts = (slots["info"] >> 12).astype(np.int64)[:ready]
        firsts = np.flatnonzero(parts != CONT)
        if not len(firsts):
            self.lost += ready  # the tails of an event whose first slot is gone
            self.cursor += ready
            return
        whole = firsts + parts[firsts] < ready
        firsts = firsts[whole]  # only the last can be unfinished
        end = (
            int(firsts[-1] + parts[firsts[-1]] + 1) if len(firsts) else int(np.flatnonzero(parts != CONT)[0])
        )
        begin = int(firsts[0]) if len(firsts) else end
        self.lost += begin
        self.received += end - begin
        self.cursor += end
        if len(firsts):
            self._check(slots[begin:end], firsts - begin, parts[firsts])

    def _check(self, slots: npt.NDArray[np.void], firsts: I64, parts: I64) -> None:
        sizes = parts + 1
        if sizes.sum() != len(slots):  # accepted slots that can't be whole events, one after the other
            self.torn += 1
            return
        number = slots["q"][firsts, 1]
        owner = np.repeat(np.arange(len(firsts)), sizes)
        good = np.bincount(owner, minlength=len(firsts)) == sizes
        part = np.arange(len(slots)) - firsts[owner]
        is_cont = part > 0
        one = np.uint64(1)
        good &= slots["q"][firsts, 2] == word(number, np.full(len(firsts), one))
        cont = slots[is_cont]
        base = (part[is_cont] * 3 - 1).astype(np.uint64)  # words 2, 3, 4 lie in part 1
        fine = (cont["info"] >> 12 == CONT) & (cont["low"] == part[is_cont])
        for i in range(3):
            fine &= cont["q"][:, i] == word(number[owner[is_cont]], base + np.uint64(i))
        wrong = np.bincount(owner[is_cont][~fine], minlength=len(firsts)) > 0
        good &= ~wrong
        self.torn += int((~good).sum())
        self.events += len(firsts)
        numbers = number.astype(np.int64)
        gaps = np.diff(np.concatenate(([self.next_number - 1], numbers))) - 1
        self.torn += int((gaps < 0).sum())  # received twice, or out of order
        self.lost_events += int(gaps.sum())
        self.next_number = int(numbers[-1]) + 1
