"""OSv's threads: sched::thread_map, and what each of its CPUs runs (include/osv/sched.hh).

A thread's number is its ``_id``. What isn't among the members that an image has is left unknown.
"""

from typing import TYPE_CHECKING, Any, Final

from uniobs.errors import NotOffered, UniobsError, UnknownMemory
from uniobs.image import types_cxx as cxx
from uniobs.model.row import frozen

if TYPE_CHECKING:
    from uniobs.image.types_value import Value

THREADS_MAX: Final = 1 << 16
CPUS_MAX: Final = 256
STACK_MAX: Final = 1 << 40
NAME_MAX: Final = 64
THREAD: Final = ("_id", "_state.rsp", "_state.rbp", "_state.rip", "_detached_state", "_attr._name")
RUNNING, QUEUED, ENDED = ("running",), ("queued", "waking"), ("terminating", "terminated")
UNSTARTED: Final = ("unstarted", "prestarted")


@frozen
class Found:
    """One sched::thread as it was when it was read. ``status``: as its enum names it; None when garbled."""

    address: int
    tid: int
    name: str | None
    status: str | None
    cpu: int  # address of its sched::cpu
    rsp: int
    rbp: int
    rip: int
    stack: tuple[int, int] | None  # (lowest address, end)
    cpu_time: int | None  # ns, as of the scheduler's last look
    switches: int | None
    joiner: int | None  # the thread that waits for its end
    tcb: int | None


@frozen
class Cpu:
    """``since``: when its scheduler last ran, in ns since boot."""

    address: int
    number: int
    idle_thread: int
    since: int | None


@frozen
class Look:
    """All threads at one moment, and which of them each CPU runs. ``problems``: what couldn't be walked."""

    threads: tuple[Found, ...]
    cpus: tuple[Cpu, ...]
    running: dict[int, int]  # thread's address -> CPU's number
    problems: tuple[str, ...]

    @property
    def now(self) -> int | None:
        """ns since boot, as of the latest pass of a scheduler."""
        return max((cpu.since for cpu in self.cpus if cpu.since is not None), default=None)

    def cpu_time(self, t: Found) -> int | None:
        """In ns; with what a thread that runs has had since its CPU's last pass, as far as others tell."""
        since = next((cpu.since for cpu in self.cpus if cpu.number == self.running.get(t.address)), None)
        if t.cpu_time is None or since is None or self.now is None:
            return t.cpu_time
        return t.cpu_time + self.now - since

    @property
    def idle(self) -> frozenset[int]:
        """The idle threads' addresses."""
        return frozenset(cpu.idle_thread for cpu in self.cpus)


class Threads:
    """Reads them of one image."""

    def __init__(self, module: Any) -> None:
        self._types = module.types
        self._thread = self._types.type("sched::thread")
        if not self._thread.has(*THREAD):
            raise NotOffered(f"{module.name}: its sched::thread isn't one whose members are known")
        self._types.locate("sched::thread_map")

    def look(self, space: Any, registers: Any = ()) -> Look:
        """``registers``: of vCPUs that stand still; they tell what each runs better than a status does."""
        problems: list[str] = []
        found: dict[int, Found] = {}
        walk = cxx.hashed(self._types.variable("sched::thread_map", space), THREADS_MAX)
        if walk.problem:
            problems.append(walk.problem)
        for pair in walk:
            try:
                address = int(pair.member("second"))
                row = self._one(self._types.at(self._thread, address, space))
                if row.tid != int(pair.member("first")):
                    problems.append(f"the thread at {address:#x} has another number than its table says")
                    continue
                found[address] = row
            except UnknownMemory as error:
                problems.append(f"a thread of the table: {error}")
        rows = tuple(sorted(found.values(), key=lambda t: t.tid))
        cpus = self._cpus(space, problems)
        return Look(rows, cpus, _running(rows, cpus, registers), tuple(problems))

    def bases(self, tcb: int, space: Any) -> tuple[int, ...]:
        """What fs may be while a thread runs: its control block, or that of its program's C library."""
        kind = self._thread.path("_tcb")[1].target
        if not kind.has("app_tcb"):
            return (tcb,)
        try:
            return tcb, int(self._types.at(kind, tcb, space).member("app_tcb"))
        except UnknownMemory:
            return (tcb,)

    def _one(self, item: "Value") -> Found:
        state = item.member("_state")
        status: str | None = None
        cpu = 0
        detached = cxx.owned(item.member("_detached_state"))
        if int(detached):
            inside = detached.deref()
            if int(inside.member("t")) == item.address:
                status = (cxx.atomic(inside.member("st")).enum or "").rpartition("::")[2] or None
                cpu = int(inside.member("_cpu"))
        return Found(
            address=item.address,
            tid=int(item.member("_id")),
            name=_name(item),
            status=status,
            cpu=cpu,
            rsp=int(state.member("rsp")),
            rbp=int(state.member("rbp")),
            rip=int(state.member("rip")),
            stack=_stack(item),
            cpu_time=_unsigned(item, "_total_cpu_time.__r"),
            switches=_counter(item, "stat_switches._counter"),
            joiner=_counter(item, "_joiner"),
            tcb=_unsigned(item, "_tcb"),
        )

    def _cpus(self, space: Any, problems: list[str]) -> tuple[Cpu, ...]:
        found = []
        try:
            for pointer in cxx.vector(self._types.variable("sched::cpus", space), CPUS_MAX):
                cpu = pointer.deref()
                found.append(
                    Cpu(
                        address=cpu.address,
                        number=int(cpu.member("id")),
                        idle_thread=int(cpu.member("idle_thread")) if cpu.has("idle_thread") else 0,
                        since=_unsigned(cpu, "running_since.__d.__r"),
                    )
                )
        except UniobsError as error:
            problems.append(f"its CPUs: {error}")
        return tuple(found)


def _running(threads: tuple[Found, ...], cpus: tuple[Cpu, ...], registers: Any) -> dict[int, int]:
    """The thread of each CPU: whose control block its fs register holds, else the one that says it runs."""
    numbers = {cpu.address: cpu.number for cpu in cpus}
    found: dict[int, int] = {}
    for row in registers:
        base = row.get("fs_base")
        mine = next((t for t in threads if base and t.tcb == base), None)
        if mine is not None and row.cpu is not None:
            found[mine.address] = row.cpu
    taken = set(found.values())
    for t in threads:
        number = numbers.get(t.cpu)
        if t.status in RUNNING and number is not None and number not in taken:
            found[t.address] = number
            taken.add(number)
    return found


def _name(item: "Value") -> str | None:
    value = item.member("_attr").member("_name")
    if (value.type.size or 0) > NAME_MAX:
        return None
    text = value.raw().partition(b"\0")[0].decode("utf-8", "replace")
    return text if text and text.isprintable() else None


def _stack(item: "Value") -> tuple[int, int] | None:
    if not item.has("_attr._stack.begin", "_attr._stack.size"):
        return None
    stack = item.member("_attr").member("_stack")
    begin, size = int(stack.member("begin")), int(stack.member("size"))
    return (begin, begin + size) if begin and 0 < size < STACK_MAX else None


def _unsigned(value: "Value", path: str) -> int | None:
    if not value.has(path):
        return None
    number = int(value.member(path))
    return number if 0 <= number < 1 << 63 else None


def _counter(value: "Value", path: str) -> int | None:
    """What an atomic holds; None when this image has none there."""
    try:
        return int(cxx.atomic(value.member(path))) if value.has(path) else None
    except NotOffered:
        return None
