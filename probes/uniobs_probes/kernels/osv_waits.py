"""What OSv's blocked threads wait for.

The functions on a thread's stack say what kind of wait it is. Of mutexes and condition variables the object
is found too: a waiter's wait_record lies on its own stack (include/osv/wait_record.hh), so does a pointer to
what it waits for, and only an object whose queue holds the record counts.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from uniobs.errors import NotOffered, UniobsError, UnknownMemory
from uniobs.image import types_cxx as cxx
from uniobs.model.guest import LockKind, WaitKind
from uniobs.model.row import frozen, replace
from uniobs_probes.kernels.osv_names import plain
from uniobs_probes.kernels.unikraft_waits import member_at

if TYPE_CHECKING:
    from uniobs.image.types_model import Type
    from uniobs.image.types_value import Value
    from uniobs_probes.kernels.osv_threads import Found

REACH: Final = 4096  # bytes of stack above the saved stack pointer that are searched
PAGE: Final = 4096
WAITERS_MAX: Final = 1024
LOCKS_MAX: Final = 4096
DATA_MAX: Final = 1 << 20  # bytes of variables that are searched for a lock's name
MUTEX, COND, PTHREAD = "lockfree::mutex", "condvar", "pthread_mutex_t"
MUTEXES: Final = (PTHREAD, MUTEX)
MUTEX_PARTS: Final = ("count", "depth", "owner", "waitqueue.pushlist", "waitqueue.poplist")
SCHEDULER: Final = (
    "sched::thread::switch_to", "sched::cpu::reschedule_from_interrupt", "sched::cpu::schedule",
    "sched::thread::wait", "sched::thread::yield", "thread_main_c", "thread_main",
)  # fmt: skip
# Functions whose frames say what a thread waits for, the most telling first.
CALLS: Final[tuple[tuple[WaitKind, tuple[str, ...]], ...]] = (
    ("mutex", ("lockfree::mutex::lock",)),
    ("accept", ("accept", "accept4", "kern_accept")),
    ("connect", ("connect", "kern_connect")),
    ("recv", ("recv", "recvfrom", "recvmsg", "soreceive", "soreceive_generic", "soreceive_stream")),
    ("send", ("send", "sendto", "sendmsg", "sosend", "sosend_generic")),
    ("poll", ("poll", "ppoll", "select", "pselect", "do_poll", "epoll_wait", "epoll_pwait")),
    ("join", ("pthread_join", "sched::thread::join")),
    ("sem", ("sem_wait", "sem_timedwait", "semaphore::wait")),
    ("sleep", ("nanosleep", "clock_nanosleep", "usleep", "sleep", "sched::thread::sleep_impl")),
    ("cond", ("pthread_cond_wait", "pthread_cond_timedwait", "condvar::wait")),
    ("irq", ("virtio::virtio_driver::wait_for_queue",)),
)


@frozen
class Object:
    """A mutex or a condition variable. ``owner``: a thread's address, 0 nobody, None unknown."""

    address: int
    kind: LockKind
    name: str | None
    owner: int | None
    waiters: tuple[int, ...]


def kind_of(functions: Iterable[str]) -> WaitKind | None:
    """The kind of wait that a stack's functions speak of, innermost first."""
    names = {plain(name) for name in functions}
    return next((kind for kind, calls in CALLS if not names.isdisjoint(calls)), None)


def place_of(functions: Iterable[str]) -> str | None:
    """The innermost function that isn't the scheduler's, where its name is plain."""
    for name in functions:
        shown = plain(name)
        if shown not in SCHEDULER:
            return shown
    return None


class Waits:
    """Of one kernel image, with the programs' images for names."""

    def __init__(self, module: Any, programs: list[Any]) -> None:
        self._types = module.types
        self._modules = [*programs, module]
        self._programs = programs
        self._record = self._type("wait_record", "t", "next")
        self._mutex = self._type(MUTEX, *MUTEX_PARTS)
        self._cond = self._type(COND, "_waiters_fifo.oldest", "_waiters_fifo.newest")
        # else a pthread mutex is a pointer to the one that OSv made at its first use (lazy_indirect)
        self._direct = not self._types.has_type("indirect_mutex")

    @property
    def known(self) -> bool:
        return self._record is not None and self._mutex is not None

    def _type(self, name: str, *members: str) -> "Type | None":
        if not self._types.has_type(name):
            return None
        kind: Type = self._types.type(name)
        return kind if kind.has(*members) else None

    def of(self, thread: "Found", space: Any, threads: frozenset[int]) -> Object | None:
        """What a blocked thread waits for; None when no queue that its stack points to holds it."""
        if self._record is None or self._mutex is None:
            return None
        data = _stack(thread.rsp, space)
        shift = self._record.offset("t")
        wanted = thread.address.to_bytes(8, "little")
        records, at = set(), data.find(wanted)
        while at >= 0:
            if (thread.rsp + at) % 8 == 0:
                records.add(thread.rsp + at - shift)
            at = data.find(wanted, at + 1)
        if not records:
            return None
        words = (
            int.from_bytes(data[at : at + 8], "little") for at in range(-thread.rsp % 8, len(data) - 7, 8)
        )
        for word in dict.fromkeys(words):
            if word % 8 or not PAGE <= word < 1 << 63:
                continue
            for found in (self.mutex(word, space, threads, records), self._condition(word, space, records)):
                if found is not None:
                    return found
        return None

    def mutex(
        self, address: int, space: Any, threads: frozenset[int], records: set[int] | None = None
    ) -> Object | None:
        """The mutex at an address; None when what is there can't be one, or no ``records`` wait there."""
        assert self._mutex is not None
        try:
            value = self._types.at(self._mutex, address, space)
            heads = [int(cxx.atomic(value.member(f"waitqueue.{name}"))) for name in ("pushlist", "poplist")]
            if records is not None and not any(heads):
                return None
            count, depth = int(cxx.atomic(value.member("count"))), int(value.member("depth"))
            owner = int(cxx.atomic(value.member("owner")))
            rows = [row for head in heads for row in self._queue(head, space)]
        except (UnknownMemory, NotOffered):
            return None
        if records is not None and records.isdisjoint(row for row, _ in rows):
            return None
        if not 0 <= count < 1 << 20 or any(thread not in threads for _, thread in rows if thread):
            return None
        if owner and owner not in threads:
            return None
        held = owner if count and depth else None if count else 0
        return Object(
            address, "mutex", self.name(address, space, MUTEXES), held, tuple(t for _, t in rows if t)
        )

    def _condition(self, address: int, space: Any, records: set[int]) -> Object | None:
        if self._cond is None:
            return None
        try:
            queue = self._types.at(self._cond, address, space).member("_waiters_fifo")
            first, last = int(queue.member("oldest")), int(queue.member("newest"))
            if not first or first % 8 or not last:
                return None
            rows = list(self._queue(first, space))
        except (UnknownMemory, NotOffered):
            return None
        if records.isdisjoint(row for row, _ in rows) or rows[-1][0] != last:
            return None
        return Object(
            address, "cond", self.name(address, space, (COND,)), None, tuple(t for _, t in rows if t)
        )

    def _queue(self, head: int, space: Any) -> Iterator[tuple[int, int]]:
        """(record, its thread) of each waiter; UnknownMemory where it leads to nowhere, or around."""
        assert self._record is not None
        seen: set[int] = set()
        while head:
            if head in seen or len(seen) >= WAITERS_MAX or head % 8:
                raise UnknownMemory(head, 8, "no queue of waiters")
            seen.add(head)
            record: Value = self._types.at(self._record, head, space)
            yield head, int(cxx.atomic(record.member("t")))
            head = int(record.member("next"))

    def name(self, address: int, space: Any, kinds: tuple[str, ...]) -> str | None:
        """The variable at an address (or that leads to the mutex there), with the part of it that is it."""
        for module in self._modules:
            row = module.variable_at(address)
            if row is None:
                continue
            label = plain(row[0])
            if label is None or address == row[1]:
                return label
            return label + (
                self._part(module, (label, *row[1:]), address, kinds) or f"+{address - row[1]:#x}"
            )
        return self._named_by(address, space)

    def _named_by(self, address: int, space: Any) -> str | None:
        """The program's variable that points to a mutex that OSv made for it."""
        if self._direct:
            return None
        wanted, left = address.to_bytes(8, "little"), DATA_MAX
        for module in self._programs:
            for name, start, size in module.variables():
                if not 8 <= size <= left:
                    continue
                left -= size
                try:
                    data = space.read(start, size)
                except UnknownMemory:
                    continue
                at = data.find(wanted)
                while at >= 0:
                    path = self._part(module, (name, start, size), start + at, MUTEXES)
                    if path is not None:
                        return f"{name}{path}"
                    at = data.find(wanted, at + 1)
        return None

    def _part(
        self, module: Any, row: tuple[str, int, int], address: int, kinds: tuple[str, ...]
    ) -> str | None:
        for wanted in kinds:
            try:
                start, made = module.types.locate(row[0])
                path = member_at(made, address - start, module.types.type(wanted))
            except UniobsError:
                continue
            if path is not None and start == row[1]:
                return path
        return None

    def globals(self, space: Any, threads: frozenset[int]) -> Iterator[Object]:
        """The programs' variables that are pthread mutexes: OSv's own, or pointers to those that it made."""
        if not self.known:
            return
        assert self._mutex is not None
        for module in self._programs:
            try:
                size = module.types.type(PTHREAD).size
            except UniobsError:
                continue
            if not size or size < (self._mutex.size or 0 if self._direct else 8):
                continue
            for name, address, _ in module.variables({size})[:LOCKS_MAX]:
                try:
                    if module.types.locate(name)[1].name != PTHREAD:
                        continue
                except UniobsError:
                    continue
                try:
                    real = address if self._direct else int.from_bytes(space.read(address, 8), "little")
                except UnknownMemory:
                    continue
                found = self.mutex(real, space, threads) if real and real % 8 == 0 else None
                if found is not None:
                    yield replace(found, name=name)


def _stack(sp: int, space: Any) -> bytes:
    """Up to REACH bytes from a stack pointer, as far as they are there."""
    at, end, parts = sp, sp + REACH, []
    while at < end:
        step = min(PAGE - at % PAGE, end - at)
        try:
            parts.append(space.read(at, step))
        except UnknownMemory:
            break
        at += step
    return b"".join(parts)
