"""The walker of unmodified Unikraft guests: its structures, read through the debug information of its image.

Which members there are decides, never a version. A list that doesn't end, or leads out of memory, is cut
and said.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, ClassVar, Final

from uniobs.errors import BadFormat, NotOffered, UniobsError, UnknownMemory
from uniobs.memory.paging import PageTables
from uniobs.model.guest import (
    Counter,
    Heap,
    Interface,
    Lock,
    Panic,
    Registers,
    Socket,
    Thread,
    ThreadState,
    Vitals,
    Wait,
    WaitKind,
)
from uniobs_probes.kernels import lwip, unikraft_end, unikraft_heap, unikraft_trace
from uniobs_probes.kernels.calls import functions, inlined
from uniobs_probes.kernels.stub_rows import endpoint
from uniobs_probes.kernels.switched import resume
from uniobs_probes.kernels.unikraft_files import pollers
from uniobs_probes.kernels.unikraft_threads import EXITED, RUNNABLE, Found, Look, Threads
from uniobs_probes.kernels.unikraft_waits import Object, Waits, kind_of

TRIES: Final = 3
WAITS_S: Final = 3.0  # for finding out what threads wait for
KINDS_MAX: Final = 1 << 16
ROOT: Final = "x86_bpt_pml4"  # the page tables that it boots with, and keeps


class UnikraftWalker:
    """model.view.Walker over a proven image with Unikraft's scheduler in it."""

    name = "unikraft"
    why_not: ClassVar = {
        "log": "Unikraft keeps no log, what it prints goes to its console only",
        "packets": "Unikraft keeps no packets",
        "sites": "Unikraft doesn't count allocations by call site",
        "trace": "this Unikraft was built without trace points",
        "sockets": "this Unikraft was built without lwIP",
        "interfaces": "this Unikraft was built without lwIP",
        "counters": "this Unikraft was built without lwIP's statistics",
    }

    def __init__(self, target: Any, module: Any) -> None:
        self._target = target
        self._module = module
        self._threads = Threads(module)
        self._waits = Waits(module)
        self._network = lwip.Lwip.of(module)
        self._tids: dict[int, int] = {}  # by address, in the order in which they were first seen
        self._kinds: dict[tuple[int, int, int | None], WaitKind | None] = {}  # what stacks said of waits
        self._pollers: dict[int, Socket] | None = None  # as of the latest look
        self._now: int | None = None
        self.problems: list[str] = []  # what isn't whole of what was told
        self._end: unikraft_end.End | None = None
        self._end_looked = False
        offers = {"threads", "locks", "panic"}
        offers |= {"sockets", "interfaces"} if self._network else set()
        offers |= {"counters"} if self._network and self._network.has_counters else set()
        offers |= {"heap"} if unikraft_heap.offered(module) else set()
        offers |= {"trace"} if unikraft_trace.offered(module) else set()
        self.answers = frozenset(offers)

    def _space(self) -> Any:
        return self._target.space

    def _need(self, question: str) -> None:
        if question not in self.answers:
            raise NotOffered(f"{self._module.name}: {self.why_not.get(question, question)}")

    # --- threads and locks ----------------------------------------------------------------------------

    def _look(self) -> Look:
        look = self._threads.look(self._space())
        for _ in range(TRIES if self._target.live else 0):
            if not look.problems:
                break
            look = self._threads.look(self._space())  # a list that was being changed is whole again soon
        for problem in look.problems:
            self._problem(f"threads may be missing: {problem}")
        for found in look.threads:
            self._tids.setdefault(found.address, len(self._tids) + 1)
        self._now, self._pollers = look.switched, None
        return look

    def _problem(self, text: str) -> None:
        for known in (self.problems, self._target.notices):
            if text not in known:
                known.append(text)

    def now_ns(self) -> int | None:
        """When the scheduler last ran, as of the latest look at its threads; ns since boot."""
        if self._now is None:
            self._look()
        return self._now

    def threads(self) -> Sequence[Thread]:
        look = self._look()
        known = frozenset(t.address for t in look.threads)
        until = time.monotonic() + WAITS_S
        found = [self._thread(t, look, known, time.monotonic() < until) for t in look.threads]
        if time.monotonic() >= until:
            self._problem(
                f"{len(found)} threads: what all of them wait for wasn't looked at, it takes too long"
            )
        return found

    def _thread(self, t: Found, look: Look, known: frozenset[int], closely: bool) -> Thread:
        space, bits = self._space(), self._threads.bits
        cpu = look.current.index(t.address) if t.address in look.current else None
        current = cpu is not None
        exited = bool(t.flags & bits[EXITED])
        runnable = bool(t.flags & bits[RUNNABLE])
        state: ThreadState = "ready" if runnable else "blocked"
        if exited or current:
            state = "exited" if exited else "running"
        wait = None
        size = self._threads.stack_size(t.stack, space) if t.stack else None
        if state == "blocked" and closely:
            wait = self._wait(t, self._waits.of(t, space, known), size)
            if wait is not None and wait.kind == "sleep":
                state = "sleeping"
        return Thread(
            tid=self._tids[t.address],
            name=t.name,
            state=state,
            wait=wait,
            cpu=cpu,
            cpu_time_ns=None if current else t.exec_time,  # counted when it gives the CPU up
            stack_lo=t.stack if t.stack and size else None,
            stack_hi=t.stack + size if t.stack and size else None,
            saved_sp=None if current else t.sp,
            idle=t.address in look.idle,
            current=current,
        )

    def _wait(self, t: Found, on: Object | None, size: int | None) -> Wait:
        """By the object; where that isn't known or doesn't say why, by the functions on its stack."""
        until = t.wakeup or None
        if on is not None and on.kind == "mutex":
            owner = self._tids.get(on.owner) if on.owner else None
            return Wait("mutex", on.address, on.name, owner, until_ns=until)
        polled = self._polled(t) if on is None else None
        if polled is not None:
            name = endpoint(polled, polled.state == "LISTEN")
            return Wait("accept" if polled.state == "LISTEN" else "recv", name=name, until_ns=until)
        if on is None and until is not None:
            return Wait("sleep", until_ns=until)
        kind = self._kind(t, size) or ("sem" if on is not None and on.kind == "sem" else "other")
        if on is not None and on.kind == "queue" and kind in ("sem", "mbox"):
            on = self._waits.semaphore_of(on)
        if kind not in ("sem", "mbox", "cond", "other"):
            return Wait(kind, until_ns=until)
        address = on.address if on is not None else None
        return Wait(kind, address, on.name if on is not None else None, until_ns=until)

    def _polled(self, t: Found) -> Socket | None:
        """The socket whose poll queue a thread is in."""
        if self._network is None:
            return None
        if self._pollers is None:
            space = self._space()
            rows = {row.id: row for row in self._network.sockets(space, [])}
            found = pollers(self._module, space)
            self._pollers = {thread: rows[pcb] for thread, pcb in found.items() if pcb in rows}
        return self._pollers.get(t.address)

    def _kind(self, t: Found, size: int | None) -> WaitKind | None:
        key = (t.address, t.sp, t.exec_time)
        if key not in self._kinds:
            if len(self._kinds) > KINDS_MAX:
                self._kinds.clear()
            bounds = (t.stack, t.stack + size) if t.stack and size else None
            try:
                registers = resume(self._module, self._space(), t.ip, t.sp)
                calls = functions(self._module, self._space(), registers, bounds)
                found = kind_of(calls) or kind_of(inlined(self._module, registers))
            except UniobsError:
                found = None
            self._kinds[key] = found
        return self._kinds[key]

    def locks(self) -> Sequence[Lock]:
        look, space = self._look(), self._space()
        known = frozenset(t.address for t in look.threads)
        found = {row.address: row for row in self._waits.globals(space, known)}
        bits = self._threads.bits[EXITED] | self._threads.bits[RUNNABLE]
        until = time.monotonic() + WAITS_S
        for t in look.threads:
            if t.flags & bits or t.address in look.current or time.monotonic() >= until:
                continue
            row = self._waits.of(t, space, known)
            if row is not None and row.kind in ("mutex", "sem"):
                found.setdefault(row.address, row)
        return [
            Lock(
                address=row.address,
                kind=None if row.kind == "queue" else row.kind,
                name=row.name,
                owner_tid=(self._tids.get(row.owner) if row.owner else 0) if row.kind == "mutex" else None,
                waiters=len(row.waiters),
                value=row.value,
            )
            for row in sorted(found.values(), key=lambda row: row.address)
        ]

    def saved_registers(self, thread: Thread) -> Registers:
        """Where a switched-out thread goes on. Raises NotOffered."""
        address = next((a for a, tid in self._tids.items() if tid == thread.tid), None)
        found = next((t for t in self._threads.look(self._space()).threads if t.address == address), None)
        if found is None:
            raise NotOffered("it is gone")
        return resume(self._module, self._space(), found.ip, found.sp)

    def vitals(self) -> Vitals:
        """The scheduler's last pass, and whether it is the idle thread that has the CPU."""
        look = self._threads.look(self._space())
        running = [address for address in look.current if address]
        idle = all(address in look.idle for address in running) if running else None
        end = self._ended()
        return Vitals(
            beat=look.switched,
            now_ns=look.switched,
            idle=idle,
            ended=None if end is None else end.reason,
        )

    # --- how it ended ---------------------------------------------------------------------------------

    def _ended(self) -> unikraft_end.End | None:
        if not self._end_looked or self._target.live:
            look = self._look()
            current = next((self._tids.get(address) for address in look.current if address), None)
            self._end = unikraft_end.find(self._target, self._module, current)
            self._end_looked = True
        return self._end

    def panic(self) -> Panic | None:
        end = self._ended()
        return None if end is None else end.panic

    # --- the rest -------------------------------------------------------------------------------------

    def sockets(self) -> Sequence[Socket]:
        self._need("sockets")
        assert self._network is not None
        for _ in range(TRIES):
            notes: list[str] = []
            found = self._network.sockets(self._space(), notes)
            if not notes or not self._target.live:
                break
        for note in notes:
            self._problem(f"sockets may be missing: {note}")
        return found

    def interfaces(self) -> Sequence[Interface]:
        self._need("interfaces")
        assert self._network is not None
        return self._network.interfaces(self._space(), self._target.notices)

    def counters(self) -> Sequence[Counter]:
        self._need("counters")
        assert self._network is not None
        return self._network.counters(self._space())

    def heap(self) -> Heap:
        self._need("heap")
        return unikraft_heap.read(self._module, self._space())

    def heap_ranges(self) -> list[tuple[int, int]]:
        self._need("heap")
        return unikraft_heap.ranges(self._module, self._space())

    def trace(self) -> unikraft_trace.TraceBuffer:
        self._need("trace")
        return unikraft_trace.TraceBuffer(self._module, self._space)

    def sites(self) -> Sequence[Any]:
        raise NotOffered(self.why_not["sites"])

    def log(self) -> Any:
        raise NotOffered(self.why_not["log"])

    def packets(self) -> Any:
        raise NotOffered(self.why_not["packets"])


def probe(target: Any) -> UnikraftWalker | None:
    """The walker when a proven image of the target has Unikraft's scheduler. Images that were named and
    aren't those in memory raise ImageMismatch."""
    if _has_region(target):
        return None
    for module in target.modules:
        if module.dwarf is None or module.symbol("uk_sched_head") is None:
            continue
        with suppress(NotOffered, BadFormat):
            walker = UnikraftWalker(target, module)
            _page_tables(target, module)
            return walker
    return None


def _has_region(target: Any) -> bool:
    try:
        return target.region is not None
    except UniobsError:
        return True


def _page_tables(target: Any, module: Any) -> None:
    """Without registers: the page tables by their symbol, when they map themselves to where they are."""
    if target.space_note is None:
        return
    symbol = module.symbol(ROOT)
    if symbol is None:
        return
    tables = PageTables(target.memory, symbol[0])
    with suppress(UnknownMemory):
        if tables.translate(symbol[0]) == symbol[0]:
            target.adopt_space(tables)
