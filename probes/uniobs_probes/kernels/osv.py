"""The walker of unmodified OSv guests: the kernel's structures through the debug information of loader.elf.

Which members there are decides, never a version. What can't be walked to its end is cut and said.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, ClassVar, Final

from uniobs.errors import BadFormat, NotOffered, UniobsError, UnknownMemory
from uniobs.image import types_cxx as cxx
from uniobs.model.guest import Heap, Lock, Panic, Registers, Socket, Thread, ThreadState, Vitals, Wait
from uniobs_probes.kernels import osv_end, osv_log
from uniobs_probes.kernels.calls import functions
from uniobs_probes.kernels.osv_net import Network
from uniobs_probes.kernels.osv_threads import ENDED, QUEUED, UNSTARTED, Found, Look, Threads
from uniobs_probes.kernels.osv_waits import Object, Waits, kind_of, place_of
from uniobs_probes.kernels.silent import Silent
from uniobs_probes.kernels.switched import SOURCE

TRIES: Final = 3
WAITS_S: Final = 3.0  # for finding out what threads wait for
STACKS_MAX: Final = 1 << 16


class OsvWalker(Silent):
    """model.view.Walker over a proven loader.elf, and programs' images where they are known."""

    name = "osv"
    counts_cpu_time = True  # at each pass of the scheduler
    why_not: ClassVar = {
        "sockets": "this OSv's network stack isn't the one whose sockets are known",
        "interfaces": "the interfaces of OSv's FreeBSD stack aren't read",
        "counters": "the counters of OSv's FreeBSD stack aren't read",
        "trace": "OSv's trace points aren't read",
        "packets": "OSv keeps no packets",
        "sites": "OSv doesn't count allocations by call site",
    }

    def __init__(self, target: Any, module: Any) -> None:
        self._target, self._module = target, module
        self._threads = Threads(module)
        self._waits = Waits(module, [other for other in target.modules if other is not module])
        self._stacks: dict[tuple[int, int, int | None], list[str]] = {}  # functions of switched-out threads
        self._network: Network | None = None
        with suppress(NotOffered):
            self._network = Network(module)
        offers = {"threads", "panic"}
        offers |= {"sockets"} if self._network is not None else set()
        offers |= {"locks"} if self._waits.known else set()
        offers |= {"log"} if module.symbol("debug_buffer") else set()
        offers |= {"heap"} if module.types.has_variable("memory::free_memory") else set()
        self.answers = frozenset(offers)

    def _space(self) -> Any:
        return self._target.space

    def _note(self, text: str) -> None:
        if text not in self._target.notices:
            self._target.notices.append(text)

    # --- threads and locks ----------------------------------------------------------------------------

    def _look(self) -> Look:
        registers: Sequence[Registers] = ()
        if not self._target.live:
            with suppress(NotOffered):
                registers = self._target.registers()
        look = self._threads.look(self._space(), registers)
        for _ in range(TRIES if self._target.live else 0):
            if not look.problems:
                break
            look = self._threads.look(self._space())  # a table that was being changed is whole again soon
        for problem in look.problems:
            self._note(f"threads may be missing: {problem}")
        return look

    def threads(self) -> Sequence[Thread]:
        look = self._look()
        until = time.monotonic() + WAITS_S
        found = [self._thread(t, look, time.monotonic() < until) for t in look.threads]
        if time.monotonic() >= until:
            self._note(f"{len(found)} threads: what all of them wait for wasn't looked at, it takes too long")
        return found

    def _thread(self, t: Found, look: Look, closely: bool) -> Thread:
        cpu = look.running.get(t.address)
        state = _state(t, cpu is not None)
        wait = None
        if state == "blocked":
            wait = Wait("other", name="its start") if t.status in UNSTARTED else None
            if wait is None and closely:
                wait = self._wait(t, look)
            if wait is not None and wait.kind == "sleep":
                state = "sleeping"
        # a preempted thread's registers lie on its interrupt stack, from which its own goes on
        own = t.stack is not None and (cpu is not None or t.stack[0] <= t.rsp <= t.stack[1])
        return Thread(
            tid=t.tid,
            name=t.name,
            state=state,
            wait=wait,
            cpu=cpu,
            cpu_time_ns=look.cpu_time(t),
            switches=t.switches,
            stack_lo=t.stack[0] if own and t.stack is not None else None,
            stack_hi=t.stack[1] if own and t.stack is not None else None,
            saved_sp=None if cpu is not None else t.rsp,
            idle=t.address in look.idle,
            current=cpu is not None,
        )

    def _wait(self, t: Found, look: Look) -> Wait | None:
        """By the functions on its stack; of mutexes and condition variables by the object as well."""
        calls = self._calls(t)
        kind = kind_of(calls)
        if kind in ("mutex", "cond"):
            found = self._waits.of(t, self._space(), frozenset(o.address for o in look.threads))
            if found is None:
                return Wait(kind)
            owner = _tid(look, found.owner)
            return Wait(found.kind, found.address, found.name, owner or None)
        if kind == "join":
            joined = next((o for o in look.threads if o.joiner == t.address), None)
            return Wait("join", joined.tid, joined.name) if joined is not None else Wait("join")
        if kind is not None:
            return Wait(kind)
        place = place_of(calls)
        return Wait("other", name=place) if place is not None else None

    def _calls(self, t: Found) -> list[str]:
        key = (t.address, t.rsp, t.switches)
        if key not in self._stacks:
            if len(self._stacks) > STACKS_MAX:
                self._stacks.clear()
            try:
                self._stacks[key] = functions(self._module, self._space(), _registers(t))
            except UniobsError:
                self._stacks[key] = []
        return self._stacks[key]

    def locks(self) -> Sequence[Lock]:
        """Those that threads wait for, and the programs' pthread mutexes."""
        if not self._waits.known:
            raise NotOffered(f"{self._module.name}: its mutexes aren't ones whose members are known")
        look, space = self._look(), self._space()
        known = frozenset(t.address for t in look.threads)
        found: dict[int, Object] = {row.address: row for row in self._waits.globals(space, known)}
        until = time.monotonic() + WAITS_S
        for t in look.threads:
            if t.status != "waiting" or time.monotonic() >= until:
                continue
            if kind_of(self._calls(t)) not in ("mutex", "cond"):
                continue
            row = self._waits.of(t, space, known)
            if row is not None:
                found.setdefault(row.address, row)
        return [
            Lock(
                address=row.address,
                kind=row.kind,
                name=row.name,
                owner_tid=_tid(look, row.owner),
                waiters=len(row.waiters),
            )
            for row in sorted(found.values(), key=lambda row: row.address)
        ]

    def saved_registers(self, thread: Thread) -> Registers:
        """Where a switched-out thread goes on. Raises NotOffered."""
        found = next((t for t in self._look().threads if t.tid == thread.tid), None)
        if found is None:
            raise NotOffered("it is gone")
        return _registers(found)

    def is_on(self, thread: Thread, registers: Registers) -> bool | None:
        """Whether a vCPU runs that thread, by its fs register; None when that can't be told."""
        found = next((t for t in self._look().threads if t.tid == thread.tid), None)
        base = registers.get("fs_base")
        if found is None or not base or not found.tcb:
            return None
        return base in self._threads.bases(found.tcb, self._space())

    def vitals(self) -> Vitals:
        look = self._look()
        idle = all(address in look.idle for address in look.running) if look.running else None
        beats = [cpu.since for cpu in look.cpus if cpu.since is not None]
        ended = "panicked" if osv_end.aborted(self._module, self._space()) else None
        return Vitals(sum(beats) if beats else None, look.now, idle, ended)

    def now_ns(self) -> int | None:
        """Since boot, as of the scheduler's last pass."""
        return self._look().now

    def panic(self) -> Panic | None:
        look = self._look()
        tids = {t.address: t.tid for t in look.threads}
        running = {cpu: tids[address] for address, cpu in look.running.items()}
        return osv_end.find(self._target, self._module, running)

    # --- the rest -------------------------------------------------------------------------------------

    def heap(self) -> Heap:
        """All memory in pages that it manages, and what of it isn't free."""
        types, space = self._module.types, self._space()
        total = int(cxx.atomic(types.variable("memory::total_memory", space)))
        free = int(cxx.atomic(types.variable("memory::free_memory", space)))
        return Heap(total, total - free) if 0 <= free <= total < 1 << 60 else Heap(torn=True)

    def log(self) -> osv_log.DebugLog:
        if "log" not in self.answers:
            raise NotOffered(f"{self._module.name}: this OSv keeps no debug log")
        return osv_log.DebugLog(self._module, self._space)

    def sockets(self) -> Sequence[Socket]:
        if self._network is None:
            raise NotOffered(f"{self._module.name}: {self.why_not['sockets']}")
        notes: list[str] = []
        for _ in range(TRIES if self._target.live else 1):
            notes.clear()
            found = self._network.sockets(self._space(), notes)
            if not notes:
                break
        for note in notes:
            self._note(f"sockets may be missing: {note}")
        return found


def _state(t: Found, running: bool) -> ThreadState | None:
    if running:
        return "running"
    if t.status is None or t.status == "invalid":
        return None
    if t.status in ENDED:
        return "exited"
    return "ready" if t.status in (*QUEUED, "running") else "blocked"


def _tid(look: Look, address: int | None) -> int | None:
    """0 is nobody, None unknown."""
    if not address:
        return address
    return next((t.tid for t in look.threads if t.address == address), None)


def _registers(t: Found) -> Registers:
    return Registers({"rip": t.rip, "rsp": t.rsp, "rbp": t.rbp}, SOURCE)


def probe(target: Any) -> OsvWalker | None:
    """The walker when a proven image of the target is OSv's. Images that were named and aren't those in
    memory raise ImageMismatch."""
    try:
        if target.region is not None:
            return None
    except UniobsError:
        return None
    for module in target.modules:
        if module.dwarf is None or module.symbol("_ZN5sched10thread_mapE") is None:
            continue
        with suppress(NotOffered, BadFormat, UnknownMemory):
            return OsvWalker(target, module)
    return None
