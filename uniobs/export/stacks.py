"""Stacks of threads that don't run, as a recording keeps them: for as long as their threads stand still."""

from contextlib import suppress
from typing import Any, Final, NamedTuple

from uniobs.errors import NotOffered, UnknownMemory
from uniobs.export.tape import Tape
from uniobs.memory.base import AddressSpace, Memory
from uniobs.model.guest import Registers
from uniobs.target.hosted import waiting

STACK_MAX: Final = 16384  # bytes kept of a stack, from its top
Pieces = list[tuple[int, bytes]]


class Standing(NamedTuple):
    """Where a thread stands: ``mark`` changes whenever it runs; ``registers`` when Linux has told them."""

    mark: Any
    sp: int | None
    low: int | None
    high: int | None
    registers: Registers | None = None


class Stacks:
    """What was kept of each thread's stack, and is still so."""

    def __init__(self, tape: Tape, memory: Memory) -> None:
        self._tape, self._memory = tape, memory
        self._kept: dict[int, tuple[Any, list[tuple[int, int]]]] = {}  # tid -> (mark, what was kept)

    def fresh(self, space: AddressSpace, rows: dict[int, Standing]) -> dict[int, Pieces]:
        """The stacks of threads that ran since theirs were kept."""
        return {
            tid: self._read(space, row)
            for tid, row in rows.items()
            if row.sp and (tid not in self._kept or self._kept[tid][0] != row.mark)
        }

    def keep(self, before: dict[int, Any], after: dict[int, Any], fresh: dict[int, Pieces]) -> None:
        """Those that moved are forgotten, and taken anew when they didn't move from before the stack was read
        until after the rows were. ``before`` and ``after`` are marks."""
        for tid in [tid for tid, (mark, _) in self._kept.items() if after.get(tid) != mark]:
            self._forget(tid)
        for tid, parts in fresh.items():
            if parts and after.get(tid) == before[tid]:
                for at, data in parts:
                    self._tape.keep(at, data)
                self._kept[tid] = (before[tid], [(at, len(data)) for at, data in parts])

    def forget(self) -> None:
        """All of them: the guest began anew."""
        for tid in list(self._kept):
            self._forget(tid)

    def holds(self, tid: int) -> bool:
        return tid in self._kept

    def _forget(self, tid: int) -> None:
        for at, size in self._kept.pop(tid)[1]:
            self._tape.forget(at, size)

    def _read(self, space: AddressSpace, row: Standing) -> Pieces:
        """(physical address, bytes) from a stack's top; [] when there is none."""
        sp, low, high = row.sp, row.low, row.high
        if not sp or (low and high and not low <= sp < high):
            return []
        end = min(high or sp + STACK_MAX, sp + STACK_MAX)
        found: Pieces = []
        while sp < end:
            length = min(end - sp, 4096 - sp % 4096)
            try:
                at = space.translate(sp)
                found.append((at, self._memory.read(at, length)))
            except UnknownMemory:
                break
            sp += length
        return found


def standing(row: Any, pid: int | None) -> Standing | None:
    """Of a region's thread row: as its scheduler saved it, or (``pid``: a hosted guest's) as Linux tells."""
    if pid is None:
        return Standing(row.seq, row.saved_sp, row.stack_lo, row.stack_hi)
    with suppress(NotOffered):
        mark, registers = waiting(pid, row.os_tid)
        return Standing(mark, registers.get("rsp"), row.stack_lo, row.stack_hi, registers)
    return None


def told(rows: dict[int, Standing], kept: Stacks, os_tids: dict[int, int]) -> dict[str, list[int]]:
    """What a recording notes of hosted threads whose stack it has: os_tid -> [rip, rsp]."""
    found = {}
    for tid, row in rows.items():
        if row.registers is not None and kept.holds(tid):
            found[str(os_tids[tid])] = [row.registers.values["rip"], row.registers.values["rsp"]]
    return found
