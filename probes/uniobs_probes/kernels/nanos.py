"""The walker of unmodified Nanos guests: the kernel's structures through its debug information, and the
program's locks through the program's.

Which members there are decides, never a version. What can't be walked to its end is cut and said.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, ClassVar, Final

from uniobs.errors import BadFormat, NotOffered, UniobsError, UnknownMemory
from uniobs.model.guest import (
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
)
from uniobs.model.row import replace
from uniobs_probes.kernels import lwip, nanos_end, nanos_log
from uniobs_probes.kernels.nanos_files import Files
from uniobs_probes.kernels.nanos_program import Program
from uniobs_probes.kernels.nanos_threads import Cpu, Found, Look, Threads
from uniobs_probes.kernels.nanos_waits import Waits
from uniobs_probes.kernels.silent import Silent

CLOCK: Final = "__vdso_vdso_dat"  # struct vdso_dat_struct: what clocks are made from
REALTIME: Final = ("CLOCK_ID_REALTIME", "CLOCK_ID_REALTIME_COARSE")
RSP: Final = 7
EXITS: Final = ("exit_group", "exit")
KERNEL_PID: Final = 1  # its one thread never runs: it stands for the kernel where a thread is asked for


class NanosWalker(Silent):
    """model.view.Walker over a proven kernel image, and programs' images where they are known."""

    name = "nanos"
    why_not: ClassVar = {
        "counters": "Nanos counts nothing that can be read (its lwIP is built without statistics)",
        "sites": "Nanos doesn't count allocations by call site",
        "trace": "Nanos keeps none of system calls",
        "packets": "Nanos keeps none",
    }
    counts_cpu_time = True  # as threads run, at each interrupt

    def __init__(self, target: Any, module: Any) -> None:
        self._target, self._module = target, module
        self._threads = Threads(module)
        self._waits = Waits(module)
        self._files = Files(module)
        self._program = Program([other for other in target.modules if other is not module])
        self._network = lwip.Lwip.of(module)
        self._seen: Look | None = None
        offers = {"threads", "locks", "panic", "log"}
        offers |= {"sockets", "interfaces"} if self._network else set()
        offers |= {"heap"} if module.symbol("page_heap") else set()
        self.answers = frozenset(offers)

    def _space(self) -> Any:
        return self._target.space

    def _note(self, text: str) -> None:
        if text not in self._target.notices:
            self._target.notices.append(text)

    # --- threads and locks ----------------------------------------------------------------------------

    def _look(self) -> Look:
        if self._seen is not None and not self._target.live:
            return self._seen
        look = self._seen = self._threads.look(self._space())
        for problem in look.problems:
            self._note(f"threads may be missing: {problem}")
        return look

    def threads(self) -> Sequence[Thread]:
        look = self._look()
        users = tuple(t for t in look.threads if t.pid != KERNEL_PID)
        descriptors = self._files.sockets(look.processes, self._space())
        return [self._thread(t, look, users, frozenset(descriptors)) for t in users]

    def _thread(self, t: Found, look: Look, users: tuple[Found, ...], sockets: frozenset[int]) -> Thread:
        cpu = _cpu_of(t, look.cpus)
        blocked = cpu is None and t.call is not None
        state: ThreadState = "running" if cpu is not None else "blocked" if blocked else "ready"
        wait: Wait | None = None
        if blocked:
            wait = self._waits.of(t, users, sockets, self._until(t), self._program, self._space())
            if wait is not None and wait.kind == "sleep":
                state = "sleeping"
        return Thread(
            tid=t.tid,
            name=t.name,
            state=state,
            wait=wait,
            cpu=cpu.number if cpu is not None else None,
            cpu_time_ns=t.cpu_time,
            saved_sp=t.frame[RSP] if cpu is None and t.frame else None,
            idle=False,
            current=cpu is not None,
        )

    def _until(self, t: Found) -> int | None:
        """When a blocked thread's timer fires, in ns since boot."""
        if t.call is None or t.call.until is None or t.call.clock is None:
            return None
        base = 0
        if t.call.clock in REALTIME:
            offset = self._clock_offset()
            if offset is None:
                return None
            base = offset
        return max(0, t.call.until - base) * 10**9 >> 32

    def _clock_offset(self) -> int | None:
        symbol = self._module.symbol(CLOCK)
        if symbol is None:
            return None
        with suppress(UniobsError):
            clock = self._module.types.at("struct vdso_dat_struct", symbol[0], self._space())
            return int(clock.member("rtc_offset"))
        return None

    def locks(self) -> Sequence[Lock]:
        """Futexes: what the program's debug information says of each, else the word and its waiters alone."""
        look, space = self._look(), self._space()
        tids = {t.tid for t in look.threads}
        ends = {t.clear_tid for t in look.threads}
        found = []
        for futex in self._waits.futexes(look.processes, space):
            if futex.address in ends:
                continue  # waited on to join a thread
            known = self._program.object(futex.address, space)
            if known is None and not futex.waiters:
                continue
            owner = known.owner if known is not None and known.owner in {0, *tids} else None
            found.append(
                Lock(
                    address=futex.address,
                    kind=known.kind if known is not None else None,
                    name=known.name if known is not None else None,
                    owner_tid=owner,
                    waiters=futex.waiters,
                    value=futex.value,
                )
            )
        return sorted(found, key=lambda lock: lock.address)

    def saved_registers(self, thread: Thread) -> Registers:
        """Where a thread left user mode. Raises NotOffered."""
        found = next((t for t in self._look().threads if t.tid == thread.tid), None)
        registers = nanos_end.user_registers(found) if found is not None else None
        if registers is None:
            raise NotOffered("the kernel keeps no user registers of it")
        return registers

    def vitals(self) -> Vitals:
        look = self._look()
        now = look.now
        end = self._end(look)
        idle = all(cpu.idle for cpu in look.cpus) if look.cpus else None
        return Vitals(now, now, idle, end.reason if end is not None else None)

    def now_ns(self) -> int | None:
        """Since boot, as of the kernel's last look at its clock."""
        return self._look().now

    def system_time(self, tid: int) -> int | None:
        """How long a thread was in system calls, in ns: each adds to it."""
        return next((t.system_time for t in self._look().threads if t.tid == tid), None)

    def panic(self) -> Panic | None:
        end = self._end(self._look())
        return end.panic if end is not None else None

    def exit_code(self) -> int | None:
        end = self._end(self._look())
        return end.code if end is not None else None

    def _end(self, look: Look) -> nanos_end.End | None:
        space = self._space()
        calls = {t.call.number for t in look.threads if t.call is not None}
        exits = any(self._waits.call_name(number, space) in EXITS for number in calls)
        return nanos_end.find(self._module, space, look.threads, exits)

    # --- the rest -------------------------------------------------------------------------------------

    def sockets(self) -> Sequence[Socket]:
        if self._network is None:
            raise NotOffered(f"{self._module.name}: this Nanos was built without a network")
        space = self._space()
        rows = self._network.sockets(space, self._target.notices)
        descriptors = {pcb: fd for fd, pcb in self._files.sockets(self._look().processes, space).items()}
        return [replace(row, fd=descriptors.get(row.id)) for row in rows]

    def interfaces(self) -> Sequence[Interface]:
        if self._network is None:
            raise NotOffered(f"{self._module.name}: this Nanos was built without a network")
        return self._network.interfaces(self._space(), self._target.notices)

    def heap(self) -> Heap:
        """The page heap: all memory that is handed out comes from it."""
        heap = self._module.types.variable("page_heap", self._space())
        if not heap.has("total", "allocated"):
            raise NotOffered(f"{self._module.name}: its page heap isn't one whose members are known")
        total, used = int(heap.member("total")), int(heap.member("allocated"))
        return Heap(total, used) if 0 <= used <= total else Heap(torn=True)

    def log(self) -> nanos_log.KernelLog:
        return nanos_log.KernelLog(self._module, self._space)


def _cpu_of(t: Found, cpus: tuple[Cpu, ...]) -> Cpu | None:
    """The CPU that runs a thread, or its system call."""
    return next((cpu for cpu in cpus if not cpu.idle and t.address in (cpu.context, cpu.syscall_of)), None)


def probe(target: Any) -> NanosWalker | None:
    """The walker when a proven image of the target is Nanos' kernel. Images that were named and aren't those
    in memory raise ImageMismatch."""
    try:
        if target.region is not None:
            return None
    except UniobsError:
        return None
    for module in target.modules:
        if module.dwarf is None or any(module.symbol(name) is None for name in ("processes", "klog")):
            continue
        with suppress(NotOffered, BadFormat, UnknownMemory):
            return NanosWalker(target, module)
    return None
