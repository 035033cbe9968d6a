"""Recorder: looks at a guest again and again, and keeps the bytes that it saw, each with address and time.

With a stub that is the region, and the stacks of the threads that ran. Without one it is whatever bytes the
walkers read when they are asked: a replay that asks the same reads the same. What wasn't seen at a moment is
forgotten for that moment, so that no replay takes an old byte for a current one.
"""

import os
from contextlib import suppress
from typing import Any, Final

from uniobs.errors import BadFormat, Incomplete, NotOffered, TargetGone, UniobsError, UnknownMemory
from uniobs.export.moments import Moments
from uniobs.export.stacks import Stacks, Standing, standing, told
from uniobs.export.tape import Chunk, Tape
from uniobs.memory.mirror import LINE
from uniobs.memory.paging import PageTables
from uniobs.memory.tap import Tap
from uniobs.model.guest import Thread
from uniobs.region import _abi
from uniobs.region.reader import Region
from uniobs.target.recorded import tapped

ASK_NS: Final = 1_000_000_000
LIBRARIES_MAX: Final = 8 << 20  # bytes of shared libraries' text; of further ones the build-id is kept
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
        self._moments = Moments()
        self._wants_registers = registers
        self._asked = 0
        self._lines: set[int] = set()  # starts of those that were read at the last moment
        self._stacks = Stacks(self._tape, self._tap.memory)
        self._place: tuple[int, int, bytes] | None = None  # address, size, boot of the region
        self._noted: dict[str, Any] = {}  # what was noted last
        self.moments = 0
        self._begin()

    # --- what lasts -----------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Where the guest is, and its images: their text is read once, so that a replay can prove them."""
        guest = self.guest
        modules: list[dict[str, Any]] = []
        region = _region(guest)
        with suppress(NotOffered):
            modules = self._modules()
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
        if region is not None:
            self._place = _place(region)
        self._tape.base(self._moments.now(), {"guest": told}, self._tap.take())

    def _modules(self) -> list[dict[str, Any]]:
        """The images, and what proves them is in the tap."""
        guest = self.guest
        modules = [_module(module) for module in guest.modules]
        libraries: list[Any] = []
        if guest.live and guest.kind == "process":
            from uniobs.target.hosted import libraries as loaded

            libraries = list(loaded(guest))
        self._tap.take()  # where they are was searched for: only what proves them is kept
        guest.forget()
        for module in guest.modules:
            module.prove(guest.space)
        left = LIBRARIES_MAX
        for module in libraries:
            left -= sum(len(text) for _, text in module.elf.text)
            note = module.elf.build_id_note
            if left >= 0:
                module.prove(guest.space)
            elif note is not None and note[0]:
                guest.space.read(note[0] + module.bias, len(note[1]))
        return modules + [_module(module) for module in libraries]

    # --- one look -------------------------------------------------------------------------------------

    def tick(self, now: int | None = None) -> None:
        """Look once, at ``now`` (ns since the epoch). Raises TargetGone when the guest went away."""
        now = max(self._moments.now() if now is None else now, self._tape.last)
        self._tape.moment(now)
        self._note("clock", self._moments.set_by or None)
        try:
            self.guest.refresh()
            self._look()
            self._ask_registers(now)
        except TargetGone:
            self._tape.note({"end": "VMM gone" if self.guest.kind == "vm" else "its process is gone"})
            raise
        self.moments += 1

    def _note(self, name: str, value: Any) -> None:
        """When it isn't what was noted last, or not noted yet."""
        if self._noted.get(name) != value:
            self._noted[name] = value
            self._tape.note({name: value})

    def _look(self) -> None:
        try:
            region = self.guest.region
            if region is not None:
                self._settle(region)
                self._look_at_region(region)
                return
        except (BadFormat, UnknownMemory) as error:  # its guest boots anew at this very moment
            self._unsettle(str(error))
            return
        if self._place is not None:
            self._unsettle("it booted anew, and had no region yet")
        self._walk()

    def _unsettle(self, why: str) -> None:
        """At this moment there is no region: what was seen of it before isn't so any more."""
        self._note("region", {"why": why})
        self._stacks.forget()
        if self._place is not None:
            self._tape.forget(*self._place[:2])
            self._place = None
        self._tap.take()

    def _settle(self, region: Region) -> None:
        """Where the region is now: a guest that booted anew may have it elsewhere, and another image."""
        place = _place(region)
        if place == self._place:
            return
        self._stacks.forget()
        if self._place is not None:
            self._tape.forget(*self._place[:2])
        self._place = place
        self._note("region", {"address": region.address})
        with suppress(UniobsError):
            self._note("modules", self._modules())
        for at, data in self._tap.take():
            self._tape.keep(at, data)
        self._space = self.guest.space

    def _look_at_region(self, region: Region) -> None:
        """The region as it is, and the stacks of threads that don't run."""
        pid = self.guest.pid if self.guest.kind == "process" else None
        before = _standing(region, pid)
        fresh = self._stacks.fresh(self._space, before)
        self._tape.keep(region.address, _whole(region))
        for at, data in self._tap.take():  # the page tables that lead to the stacks
            if not region.address <= at < region.address + region.header.size:
                self._tape.keep(at, data)
        replay = Region(self._tape.mirror, region.address)
        after = _standing(replay, pid)
        self._stacks.keep(_marks(before), _marks(after), fresh)
        if pid is not None:
            os_tids = {row.value.tid: row.value.os_tid for row in replay.threads() if not row.torn}
            still = {tid: row for tid, row in after.items() if before.get(tid, row).mark == row.mark}
            self._note("stands", told(still, self._stacks, os_tids))

    def _walk(self) -> None:
        """What the walkers read when they are asked."""
        before = {tid: _thread(row) for tid, row in self._rows().items()}
        fresh = self._stacks.fresh(self._space, before)
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
        now = {tid: _thread(row).mark for tid, row in after.items()}
        self._stacks.keep(_marks(before), now, fresh)

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


def _region(guest: Any) -> Region | None:
    try:
        found: Region | None = guest.region
        return found
    except BadFormat:
        return None


def _place(region: Region) -> tuple[int, int, bytes]:
    return region.address, region.header.size, region.header.boot_id


def _standing(region: Region, pid: int | None) -> dict[int, Standing]:
    """tid -> where it stands. ``pid``: a hosted guest's."""
    rows = ((row.value.tid, standing(row.value, pid)) for row in region.threads() if not row.torn)
    return {tid: row for tid, row in rows if row is not None}


def _thread(row: Thread) -> Standing:
    """Of a walker's row: what changes of it when it runs."""
    mark = (row.state, row.switches, row.saved_sp, row.current, row.started_ns, row.cpu_time_ns)
    return Standing(mark, row.saved_sp, row.stack_lo, row.stack_hi)


def _marks(rows: dict[int, Standing]) -> dict[int, Any]:
    return {tid: row.mark for tid, row in rows.items()}


def _module(module: Any) -> dict[str, Any]:
    return {
        "path": _lasting(module.path),
        "debug": None if module.debug is None else _lasting(module.debug.path),
        "bias": module.bias,
        "build_id": module.build_id,
        "text_sha": module.text_sha,
    }


def _lasting(path: Any) -> str:
    """A file's name that holds when the process through which it was found is gone."""
    full = os.path.abspath(path)
    parts = full.split("/", 4)
    plain = f"/{parts[4]}" if len(parts) == 5 and parts[1] == "proc" and parts[3] == "root" else full
    return plain if os.path.isfile(plain) else full


def _registers(row: Any) -> dict[str, Any]:
    return {"cpu": row.cpu, "source": row.source, "values": dict(row.values)}
