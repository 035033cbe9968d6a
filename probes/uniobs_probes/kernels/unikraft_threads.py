"""Unikraft's threads, as its scheduler keeps them.

Shapes: struct uk_sched and struct uk_thread of lib/uksched, struct schedcoop of lib/ukschedcoop. What an
image's structs don't have is left unknown.
"""

from typing import TYPE_CHECKING, Any, Final

from uniobs.errors import NotOffered, UniobsError, UnknownMemory
from uniobs.image.types_walk import chain, queue
from uniobs.model.row import frozen
from uniobs_probes.kernels.macros import macro

if TYPE_CHECKING:
    from uniobs.image.types_value import Value

SCHEDS_MAX: Final = 64
THREADS_MAX: Final = 1 << 14
NAME_MAX: Final = 128
CPUS_MAX: Final = 256
RUNNABLE, EXITED = "UK_THREADF_RUNNABLE", "UK_THREADF_EXITED"
FLAGS: Final = {RUNNABLE: 0x8, EXITED: 0x10}  # since the flags have these names (0.11)
MEMBERS: Final = ("ctx.ip", "ctx.sp", "flags", "thread_list")


@frozen
class Found:
    """One struct uk_thread as it was when it was read."""

    address: int
    name: str | None
    flags: int
    ip: int
    sp: int
    stack: int | None
    exec_time: int | None
    wakeup: int | None  # ns since boot; 0: by itself it doesn't wake


@frozen
class Look:
    """All threads at one moment. ``problems``: lists that couldn't be walked to their end."""

    threads: tuple[Found, ...]
    current: tuple[int, ...]  # one a CPU; 0: nobody
    idle: frozenset[int]
    switched: int | None  # ns since boot: when the scheduler last chose a thread
    problems: tuple[str, ...]


class Threads:
    """Reads them of one image in one address space."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._types = module.types
        thread = self._types.type("struct uk_thread")
        if not thread.has(*MEMBERS):
            raise NotOffered(f"{module.name}: its struct uk_thread isn't one whose members are known")
        self.thread = thread
        self.bits = {name: macro(module, name) or bit for name, bit in FLAGS.items()}
        self.coop = self._types.type("struct schedcoop") if self._types.has_type("struct schedcoop") else None

    def look(self, space: Any) -> Look:
        problems: list[str] = []
        found: dict[int, Found] = {}
        idle: set[int] = set()
        switched: int | None = None
        scheds = chain(self._types.variable("uk_sched_head", space), "next", SCHEDS_MAX)
        if scheds.problem:
            problems.append(scheds.problem)
        for sched in scheds:
            for member in ("thread_list", "exited_threads"):
                if not sched.has(member):
                    continue
                walk = queue(sched.member(member), "thread_list", THREADS_MAX)
                if walk.problem:
                    problems.append(walk.problem)
                for item in walk:
                    if item.address not in found:
                        found[item.address] = self._thread(item)
            mine, when = self._cooperative(sched)
            idle.update(mine)
            switched = when if switched is None else max(switched, when or 0)
        named = {t.address for t in found.values() if t.name == "idle"} if self.coop is None else set()
        return Look(tuple(found.values()), self.current(space), frozenset(idle | named), switched,
                    tuple(problems))  # fmt: skip

    def _thread(self, item: "Value") -> Found:
        def number(member: str) -> int | None:
            return int(item.member(member)) if item.has(member) else None

        stack = int(item.member("_mem").member("stack")) if item.has("_mem.stack") else None
        context = item.member("ctx")
        return Found(
            address=item.address,
            name=_text(item, "name"),
            flags=int(item.member("flags")),
            ip=int(context.member("ip")),
            sp=int(context.member("sp")),
            stack=stack,
            exec_time=number("exec_time"),
            wakeup=number("wakeup_time"),
        )

    def _cooperative(self, sched: "Value") -> tuple[set[int], int | None]:
        """(its idle thread, when it last switched) of a cooperative scheduler that this one is part of."""
        coop = self.coop
        if coop is None or not coop.has("sched") or not sched.has("yield"):
            return set(), None
        choose = self._module.function(int(sched.member("yield")))
        if choose is None or not choose[0].startswith("schedcoop_"):
            return set(), None
        try:
            whole = self._types.at(coop, sched.address - coop.offset("sched"), sched.space)
            idle = {whole.member("idle").address} if whole.has("idle") else set()
            if not whole.has("ts_prev_switch"):
                return idle, None
            return idle, int(whole.member("ts_prev_switch"))
        except UnknownMemory:
            return set(), None

    def current(self, space: Any) -> tuple[int, ...]:
        """The thread of each CPU: one pointer, or an array of them."""
        try:
            value = self._types.variable("__uk_sched_thread_current", space)
            try:
                count = min(len(value), CPUS_MAX)
            except NotOffered:
                return (int(value),)
            return tuple(int(value[n]) for n in range(count))
        except UniobsError:
            return ()

    def stack_size(self, stack: int, space: Any) -> int | None:
        """What was asked of the page allocator for a stack: it keeps that in front of the memory it gives."""
        name = "struct metadata_ifpages"
        if not self._types.has_type(name):
            return None
        kind = self._types.type(name)
        if not kind.has("base", "num_pages"):
            return None
        page = stack & -4096
        page -= 4096 if page == stack else 0
        try:
            row = self._types.at(kind, page, space)
            base, pages = int(row.member("base")), int(row.member("num_pages"))
            size = int(row.member("size")) if row.has("size") else 0
        except UnknownMemory:
            return None
        end = base + 4096 * pages
        if not (base <= page < stack < end and pages < 1 << 20):
            return None
        if not row.has("size"):
            return end - stack
        return size if 0 < size <= end - stack else None


def _text(item: "Value", member: str) -> str | None:
    """A name: None when there is none, or where it should be isn't memory or isn't text."""
    if not item.has(member):
        return None
    try:
        text, ended = item.member(member).text(NAME_MAX)
    except UnknownMemory:
        return None
    return text if ended and text and text.isprintable() else None
