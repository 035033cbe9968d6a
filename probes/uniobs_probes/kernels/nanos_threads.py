"""Nanos' processes and threads, and what its CPUs run.

Shapes: struct process, struct thread and struct syscall_context of src/unix/unix_internal.h, struct cpuinfo
of src/kernel/kernel.h. What an image's structs don't have is left unknown.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from uniobs.errors import NotOffered, UniobsError, UnknownMemory
from uniobs.image.types_walk import tree
from uniobs.model.row import frozen

if TYPE_CHECKING:
    from uniobs.image.types_value import Value

PROCESSES_MAX: Final = 64
THREADS_MAX: Final = 1 << 16
CPUS_MAX: Final = 256
POINTERS_MAX: Final = 1 << 16
CPU_IDLE: Final = 1  # cpu_idle of src/kernel/kernel.h
THREAD: Final = ("context", "name", "syscall", "tid", "n")
INVALID: Final = (1 << 64) - 1  # INVALID_ADDRESS
FRAME_WORDS: Final = 28  # up to FRAME_FULL of src/x86_64/frame.h
REGISTERS: Final = (
    "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
    "r15", "rip", "rflags", "cs", "ss",
)  # fmt: skip
FSBASE, VECTOR, ERROR, CR2 = 22, 24, 25, 27
SECOND: Final = 10**9


@frozen
class Call:
    """The system call a thread is in. ``queue``: the name of what it is blocked on; "" when that has none."""

    number: int
    blocked: bool
    queue: str
    until: int | None  # when its timer fires: a timestamp of the clock ``clock``
    clock: str | None


@frozen
class Found:
    """One struct thread as it was when it was read. ``frame``: what the processor ran in user mode last."""

    address: int
    pid: int
    tid: int
    name: str | None
    call: Call | None
    frame: tuple[int, ...]
    cpu_time: int | None  # ns, without what it runs now
    system_time: int | None  # ns of it that were in system calls
    runs_since: int | None  # ns since boot; None when it doesn't
    clear_tid: int | None  # the word that its end clears and wakes


@frozen
class Cpu:
    """``context``: what it runs, a thread's context or a kernel's."""

    number: int
    idle: bool
    context: int
    syscall_of: int | None  # the thread (its address) whose system call it runs
    seen: int | None  # ns since boot: when it last set its timer


@frozen
class Look:
    """All threads at one moment. ``problems``: what couldn't be walked to its end."""

    threads: tuple[Found, ...]
    cpus: tuple[Cpu, ...]
    processes: tuple[int, ...]  # addresses
    problems: tuple[str, ...]

    @property
    def now(self) -> int | None:
        """ns since boot: the latest thing that the kernel noted the time of."""
        stamps = [cpu.seen for cpu in self.cpus] + [t.runs_since for t in self.threads]
        return max((stamp for stamp in stamps if stamp is not None), default=None)


class Threads:
    """Reads them of one image."""

    def __init__(self, module: Any) -> None:
        self._types = module.types
        self.thread = self._types.type("struct thread")
        self.process = self._types.type("struct process")
        if not self.thread.has(*THREAD) or not self.process.has("pid", "threads.root"):
            raise NotOffered(f"{module.name}: its struct thread isn't one whose members are known")
        self._call = self._types.type("struct syscall_context")

    def look(self, space: Any) -> Look:
        problems: list[str] = []
        found: list[Found] = []
        processes: list[int] = []
        table = self._types.variable("processes", space)
        for index in range(min(len(table), PROCESSES_MAX)):
            if not (address := int(table[index])):
                continue
            process = table[index].deref()
            processes.append(address)
            try:
                pid = int(process.member("pid"))
                root = process.member("threads").deref().member("root")
            except UnknownMemory as error:
                problems.append(f"the process at {address:#x}: {error}")
                continue
            walk = tree(root, self.thread, "n", THREADS_MAX)
            if walk.problem:
                problems.append(walk.problem)
            for item in walk:
                try:
                    found.append(self._thread(item, pid))
                except UnknownMemory as error:
                    problems.append(f"the thread at {item.address:#x}: {error}")
        return Look(tuple(found), tuple(self._cpus(space, problems)), tuple(processes), tuple(problems))

    def _thread(self, item: "Value", pid: int) -> Found:
        raw = item.member("name").raw().partition(b"\0")[0].decode("utf-8", "replace")
        user, system, since = (
            int(item.member(name)) if item.has(name) else None for name in ("utime", "stime", "start_time")
        )
        frame = item.member("context").member("frame")
        words = len(frame) if len(frame) >= FRAME_WORDS else 0
        return Found(
            address=item.address,
            pid=pid,
            tid=int(item.member("tid")),
            name=raw if raw.isprintable() and raw else None,
            call=self._syscall(item.member("syscall")),
            frame=tuple(int(frame[n]) for n in range(words)),
            cpu_time=_ns(user + system) if user is not None and system is not None else None,
            system_time=_ns(system) if system is not None else None,
            runs_since=_ns(since) if since else None,
            clear_tid=int(item.member("clear_tid")) or None if item.has("clear_tid") else None,
        )

    def _syscall(self, pointer: "Value") -> Call | None:
        if not int(pointer):
            return None
        context = pointer.deref()
        unix = context.member("uc")
        blocked = int(unix.member("blocked_on"))
        queue, until, clock = "", None, None
        if blocked not in (0, INVALID):
            queue = _sstring(unix.member("blocked_on").deref().member("name"))
        if unix.has("bq_timer_pending", "bq_timer.expiry") and int(unix.member("bq_timer_pending")):
            until = int(unix.member("bq_timer").member("expiry"))
            clock = unix.member("bq_clkid").enum if unix.has("bq_clkid") else None
        return Call(int(context.member("call")), blocked != 0, queue, until, clock)

    def _cpus(self, space: Any, problems: list[str]) -> Iterator[Cpu]:
        try:
            cpu_type = self._types.type("struct cpuinfo")
            table = self._types.variable("cpuinfos", space).deref()
            for address in pointers(table)[:CPUS_MAX]:
                cpu = self._types.at(cpu_type, address, space)
                context = int(cpu.member("m").member("current_context"))
                seen = int(cpu.member("last_timer_update")) if cpu.has("last_timer_update") else 0
                yield Cpu(
                    number=int(cpu.member("id")),
                    idle=int(cpu.member("state")) == CPU_IDLE,
                    context=context,
                    syscall_of=self._syscall_of(context, space),
                    seen=_ns(seen) if seen else None,
                )
        except UniobsError as error:
            problems.append(f"its CPUs: {error}")

    def _syscall_of(self, context: int, space: Any) -> int | None:
        """The thread of a system call's context; a context of another kind has no such thread."""
        try:
            call = self._types.at(self._call, context, space)
            thread = call.member("t")
            if not int(thread) or int(thread.deref().member("syscall")) != context:
                return None
            return int(thread)
        except UniobsError:
            return None


def pointers(vector: "Value") -> list[int]:
    """The elements of a vector (a struct buffer of src/runtime/buffer.h with addresses in it)."""
    start, end = int(vector.member("start")), int(vector.member("end"))
    if not 0 <= start <= end or end - start > 8 * POINTERS_MAX:
        raise NotOffered(f"the vector at {vector.address:#x} is garbled")
    data = vector.space.read(int(vector.member("contents")) + start, end - start)
    return [int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data) - 7, 8)]


def _ns(timestamp: int) -> int:
    """Nanoseconds of 32.32 fixed-point seconds (src/runtime/clock.h)."""
    return timestamp * SECOND >> 32


def _sstring(value: "Value") -> str:
    """A struct sstring {len, ptr}; "" for what can't be a name."""
    try:
        length = int(value.member("len"))
        if not 0 < length <= 64:
            return ""
        text = value.space.read(int(value.member("ptr")), length).decode("utf-8", "replace")
    except UnknownMemory:
        return ""
    return text if text.isprintable() else ""
