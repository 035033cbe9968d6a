"""Recorder: looks at a guest again and again, and keeps the bytes that it saw, each with address and time.

With a stub that is the region, and the stacks of the threads that ran. Without one it is whatever bytes the
walkers read when they are asked: a replay that asks the same reads the same. What wasn't seen at a moment is
forgotten for that moment, so that no replay takes an old byte for a current one.
"""

import os
import time
from contextlib import suppress
from typing import Any, Final

from uniobs.errors import BadFormat, Incomplete, NotOffered, TargetGone, UniobsError, UnknownMemory
from uniobs.export.tape import Chunk, Tape
from uniobs.memory.mirror import LINE
from uniobs.memory.paging import PageTables
from uniobs.memory.tap import Tap
from uniobs.model.guest import Thread
from uniobs.region import _abi
from uniobs.region.reader import Region
from uniobs.target.recorded import tapped

ASK_NS: Final = 1_000_000_000
STACK_MAX: Final = 16384  # bytes kept of a stack, from its top
RINGS: Final = (_abi.SECTION_TRACE, _abi.SECTION_LOG, _abi.SECTION_PACKETS)
QUESTIONS: Final = ("threads", "locks", "sockets", "interfaces", "counters", "heap", "panic")


class Recorder:
    """``guest`` is an opened target; ``chunk`` takes what is complete.

    ``tick()`` looks once. ``registers``: ask for the vCPUs' too, once a second.
    """

    def __init__(self, guest: Any, chunk: Chunk, *, registers: bool = False) -> None:
        self._tap = Tap(guest.memory)
        self.guest = tapped(guest, self._tap)
        self._tape = Tape(chunk)
        self._wants_registers = registers
        self._asked = 0
        self._lines: set[int] = set()  # starts of those that were read at the last moment
        self._stacks: dict[int, tuple[Any, list[tuple[int, int]]]] = {}  # tid -> (its row, what was kept)
        self.moments = 0
        self._begin()

    # --- what lasts -----------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Where the guest is, and its images: their text is read once, so that a replay can prove them."""
        guest = self.guest
        modules = []
        region = guest.region
        with suppress(NotOffered):
            modules = [_module(module) for module in guest.modules]
            self._tap.take()  # where they are was searched for: only what proves them is kept
            guest.forget()
            for module in guest.modules:
                module.prove(guest.space)
        told = {
            "name": guest.name,
            "kind": guest.kind,
            "vmm": guest.vmm,
            "pid": guest.pid,
            "region": None if region is None else region.address,
            "identity": guest.origin.identity,
            "modules": modules,
        }
        with suppress(UniobsError):  # where its page tables are
            told["registers"] = [_registers(row) for row in guest.registers()]
        self._space = guest.space
        self._tape.base(time.time_ns(), {"guest": told}, self._tap.take())

    # --- one look -------------------------------------------------------------------------------------

    def tick(self, now: int | None = None) -> None:
        """Look once, at ``now`` (ns since the epoch). Raises TargetGone when the guest went away."""
        now = max(time.time_ns() if now is None else now, self._tape.last)
        self._tape.moment(now)
        try:
            self.guest.refresh()
            region = self.guest.region
            if region is not None:
                self._look_at_region(region)
            else:
                self._walk()
            self._ask_registers(now)
        except TargetGone:
            self._tape.note({"end": "VMM gone" if self.guest.kind == "vm" else "its process is gone"})
            raise
        self.moments += 1

    def _look_at_region(self, region: Region) -> None:
        """The region as it is, and the stacks of threads that moved."""
        before = {row.value.tid: row.value for row in region.threads() if not row.torn}
        fresh = {
            tid: self._stack(row.saved_sp, row.stack_lo, row.stack_hi)
            for tid, row in before.items()
            if row.saved_sp and (tid not in self._stacks or self._stacks[tid][0] != row.seq)
        }
        self._tape.keep(region.address, _whole(region))
        for at, data in self._tap.take():  # the page tables that lead to the stacks
            if not region.address <= at < region.address + region.header.size:
                self._tape.keep(at, data)
        replay = Region(self._tape.mirror, region.address)
        after = {row.value.tid: row.value.seq for row in replay.threads() if not row.torn}
        self._keep_stacks({tid: row.seq for tid, row in before.items()}, after, fresh)

    def _walk(self) -> None:
        """What the walkers read when they are asked."""
        before = self._rows()
        fresh = {
            row.tid: self._stack(row.saved_sp, row.stack_lo, row.stack_hi)
            for row in before.values()
            if row.saved_sp and (row.tid not in self._stacks or self._stacks[row.tid][0] != _moved_by(row))
        }
        self._tap.take()
        self._space = self.guest.space
        if isinstance(self._space, PageTables):
            self._space.refresh()  # page tables are part of what a replay reads
        after = self._rows()
        self._ask_all(after)
        seen: set[int] = set()
        for address, data in self._tap.take():
            self._tape.keep(address, data)
            seen.update(range(address & -LINE, address + len(data), LINE))
        for line in self._lines - seen - self._tape.lasting:
            self._tape.forget(line, LINE)
        self._lines = seen
        was = {tid: _moved_by(row) for tid, row in before.items()}
        self._keep_stacks(was, {tid: _moved_by(row) for tid, row in after.items()}, fresh)

    def _rows(self) -> dict[int, Thread]:
        try:
            rows = self.guest.walker("threads").threads()
        except NotOffered:
            return {}
        return {row.tid: row for row in rows if not row.torn}

    def _ask_all(self, threads: dict[int, Thread]) -> None:
        guest = self.guest
        for question in QUESTIONS:
            with suppress(NotOffered, Incomplete, BadFormat):
                getattr(guest.walker(question), question)()
        for question in ("log", "trace"):
            with suppress(NotOffered, Incomplete, BadFormat):
                getattr(guest.walker(question), question)().poll()
        with suppress(NotOffered, Incomplete, BadFormat):
            walker = guest.walker("threads")
            if (look := getattr(walker, "vitals", None)) is not None:
                look()
            if (saved := getattr(walker, "saved_registers", None)) is not None:
                for row in threads.values():
                    with suppress(NotOffered, Incomplete):
                        saved(row)

    # --- stacks ---------------------------------------------------------------------------------------

    def _stack(self, sp: int | None, low: int | None, high: int | None) -> list[tuple[int, bytes]]:
        """(physical address, bytes) of a switched-out thread's stack, from its top; [] when there is none."""
        if not sp or (low and high and not low <= sp < high):
            return []
        end = min(high or sp + STACK_MAX, sp + STACK_MAX)
        found: list[tuple[int, bytes]] = []
        while sp < end:
            length = min(end - sp, 4096 - sp % 4096)
            try:
                at = self._space.translate(sp)
                found.append((at, self._tap.memory.read(at, length)))
            except UnknownMemory:
                break
            sp += length
        return found

    def _keep_stacks(
        self, before: dict[int, Any], after: dict[int, Any], fresh: dict[int, list[tuple[int, bytes]]]
    ) -> None:
        """Stacks are kept while their threads stand still: those that moved are forgotten, and taken anew
        when they didn't move from before the stack was read until after the rows were."""
        for tid, (mark, pieces) in list(self._stacks.items()):
            if after.get(tid) != mark:
                for at, size in pieces:
                    self._tape.forget(at, size)
                del self._stacks[tid]
        for tid, parts in fresh.items():
            if parts and after.get(tid) == before[tid]:
                for at, data in parts:
                    self._tape.keep(at, data)
                self._stacks[tid] = (before[tid], [(at, len(data)) for at, data in parts])

    # --- registers ------------------------------------------------------------------------------------

    def _ask_registers(self, now: int) -> None:
        """Once a second when they're wanted; and those that the walkers asked for."""
        wanted = self._wants_registers and now - self._asked >= ASK_NS
        if not wanted and self.guest.asked_registers is None:
            return
        self._asked = now
        try:
            rows = [_registers(row) for row in self.guest.registers()]
            self._tape.note({"registers": {"when": now, "rows": rows}})
        except NotOffered as error:
            self._tape.note({"registers": {"why": str(error)}})

    def flush(self) -> None:
        """Hand over what was seen so far."""
        self._tape.flush()


def _whole(region: Region) -> bytes:
    """All bytes of a region of which the rings agree with their heads: each head is as it was after its slots
    were copied, and the slots that were written meanwhile are copied again."""
    rings = [section for section in region.sections if section.kind in RINGS]
    heads = [region.read(section.offset, _abi.RING_SIZE) for section in rings]
    data = bytearray(region.read(0, region.header.size))
    for section, raw in zip(rings, heads, strict=True):
        old, head = _abi.Ring(*_abi.RING.unpack(raw)).head, region.read(section.offset, _abi.RING_SIZE)
        new = _abi.Ring(*_abi.RING.unpack(head)).head
        if not 0 <= new - old < section.entry_count:
            continue
        for position in range(old, new):
            slot = position & (section.entry_count - 1)
            at = section.offset + _abi.RING_SIZE + slot * section.entry_size
            data[at : at + section.entry_size] = region.read(at, section.entry_size)
        data[section.offset : section.offset + _abi.RING_SIZE] = head
    return bytes(data)


def _moved_by(row: Thread) -> tuple[Any, ...]:
    """What changes of a thread's row when it runs."""
    return (row.state, row.switches, row.saved_sp, row.current, row.started_ns, row.cpu_time_ns)


def _module(module: Any) -> dict[str, Any]:
    debug = module.debug.path if module.debug is not None else None
    return {
        "path": os.path.abspath(module.path),
        "debug": None if debug is None else os.path.abspath(debug),
        "bias": module.bias,
        "build_id": module.build_id,
        "text_sha": module.text_sha,
    }


def _registers(row: Any) -> dict[str, Any]:
    return {"cpu": row.cpu, "source": row.source, "values": dict(row.values)}
