"""What Unikraft's blocked threads wait for.

A waiter's queue entry lies on its own stack (lib/uksched: struct uk_waitq_entry, struct uk_poll_ticket), and
so does a pointer to what it waits for. A pointer counts only when the list at it holds the entry.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, Literal

from uniobs.errors import NotOffered, UniobsError, UnknownMemory
from uniobs.image.types_model import Kind
from uniobs.image.types_walk import queue
from uniobs.model.guest import WaitKind
from uniobs.model.row import frozen, replace

if TYPE_CHECKING:
    from uniobs.image.types_model import Type
    from uniobs_probes.kernels.unikraft_threads import Found

REACH: Final = 4096  # bytes of stack above the saved stack pointer that are searched
WAITERS_MAX: Final = 1024
MUTEX, SEMAPHORE, QUEUE = "struct uk_mutex", "struct uk_semaphore", "struct uk_waitq"
OBJECTS: Final = (MUTEX, SEMAPHORE, QUEUE)
PAGE: Final = 4096
DEPTH_MAX: Final = 16
INSIDE: Final = 2048  # bytes of what a stack points to that are searched


@frozen
class Object:
    """Something to wait for. ``kind``: mutex, sem or queue; ``waiters``: threads, first come first."""

    address: int
    kind: Literal["mutex", "sem", "queue"]
    owner: int | None = None  # a thread's address; 0: nobody
    value: int | None = None
    waiters: tuple[int, ...] = ()
    name: str | None = None


class Waits:
    """Of one image in one address space."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._types = module.types
        self._entry = self._type("struct uk_waitq_entry", "waiting", "thread", "thread_list")
        self._kinds: dict[str, tuple[Type, int]] = {}
        for name in OBJECTS:
            kind = self._type(name)
            path = "wait_list" if name == QUEUE else "wait.wait_list"
            if kind is not None and kind.has(path):
                self._kinds[name] = (kind, kind.offset(path))

    def _type(self, name: str, *members: str) -> "Type | None":
        if not self._types.has_type(name):
            return None
        kind: Type = self._types.type(name)
        return kind if kind.has(*members) else None

    def of(self, thread: "Found", space: Any, threads: frozenset[int]) -> Object | None:
        """What a blocked thread waits for; None when no list that its stack points to holds it."""
        if self._entry is None or not self._kinds:
            return None
        data = _stack(thread.sp, space)
        entries = set(self._entries(thread.sp, data, thread.address))
        if not entries:
            return None
        words = dict.fromkeys(
            int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data) - 7, 8)
        )
        heads: dict[int, set[tuple[str, int]]] = {}
        for word in words:
            if not word or word % 8 or not PAGE <= word < 1 << 48:
                continue
            for name, (_, offset) in self._kinds.items():
                heads.setdefault(word + offset, set()).add((name, word))
        for head in heads:
            if any(entry in entries for entry in self._list(head, space)):
                return self._which(head, heads[head], space, threads)
        return self._behind(words, entries, space, threads)

    def _behind(
        self, words: Iterable[int], entries: set[int], space: Any, threads: frozenset[int]
    ) -> Object | None:
        """An object inside something that the stack points to: a list of the waiter's entry alone."""
        assert self._entry is not None
        step = self._entry.offset("thread_list.stqe_next")
        marks = [entry.to_bytes(8, "little") + (entry + step).to_bytes(8, "little") for entry in entries]
        for word in words:
            if word % 8 or not PAGE <= word < 1 << 48:
                continue
            try:
                data = space.read(word, min(INSIDE, PAGE - word % PAGE))
            except UnknownMemory:
                continue
            for mark in marks:
                at = data.find(mark)
                if at >= 0 and at % 8 == 0:
                    return self._which(word + at, set(), space, threads) or Object(word + at, "queue")
        return None

    def _entries(self, start: int, data: bytes, thread: int) -> Iterator[int]:
        """Addresses of entries on a stack that say they wait for ``thread``."""
        entry = self._entry
        assert entry is not None
        shift, flag = entry.offset("thread"), entry.offset("waiting")
        wanted = thread.to_bytes(8, "little")
        at = data.find(wanted)
        while at >= 0:
            begin = at - shift
            waits = data[begin + flag : begin + flag + 4]
            if begin >= 0 and (start + begin) % 8 == 0 and waits == b"\1\0\0\0":
                yield start + begin
            at = data.find(wanted, at + 1)

    def _is_queue(self, head: int, space: Any) -> bool:
        """Whether a wait queue was set up at ``head``: an empty one's tail is its head."""
        try:
            words = space.read(head, 16)
        except UnknownMemory:
            return False
        if not any(words[:8]):
            return bool(words[8:] == head.to_bytes(8, "little"))
        return bool(self._list(head, space))

    def _list(self, head: int, space: Any) -> list[int]:
        """Entries' addresses of the list at ``head``; [] when it can't be one."""
        assert self._entry is not None
        try:
            first = int.from_bytes(space.read(head, 8), "little")
            if not first or first % 8:
                return []
            step = self._entry.offset("thread_list.stqe_next")
            found = [first]
            while len(found) < WAITERS_MAX:
                following = int.from_bytes(space.read(found[-1] + step, 8), "little")
                if not following or following % 8 or following in found:
                    break
                found.append(following)
            last = int.from_bytes(space.read(head + 8, 8), "little")
            return found if last == found[-1] + step else []
        except (UnknownMemory, NotOffered):
            return []

    def _which(
        self, head: int, seen: set[tuple[str, int]], space: Any, threads: frozenset[int]
    ) -> Object | None:
        """The object that a list belongs to: the variable there says it; else what its neighbours can be."""
        for name in (name for name in OBJECTS if name in self._kinds):
            kind, offset = self._kinds[name]
            variable, declared = self._declared(head - offset, kind)
            if variable and declared is None:
                continue
            found = self.read(name, head - offset, space, threads)
            if found is not None and (declared or found.owner or (name, head - offset) in seen):
                return replace(found, name=declared)
        return None

    def _declared(self, address: int, kind: "Type") -> tuple[bool, str | None]:
        """(whether a variable lies there, its name when it or a member there is of that type)."""
        row = self._module.variable_at(address)
        if row is None:
            return False, None
        try:
            start, made = self._types.locate(row[0])
            path = member_at(made, address - start, kind)
        except UniobsError:
            return True, None
        return True, None if path is None or start != row[1] else row[0] + path

    def read(self, name: str, address: int, space: Any, threads: frozenset[int]) -> Object | None:
        """An object of that type; None when its fields can't be such a one's."""
        kind, _ = self._kinds[name]
        try:
            value = self._types.at(kind, address, space)
            wait = value if name == QUEUE else value.member("wait")
            walk = queue(wait.member("wait_list"), "thread_list", WAITERS_MAX)
            waiters = tuple(int(entry.member("thread")) for entry in walk)
            if any(waiter not in threads for waiter in waiters):
                return None
            if name == MUTEX:
                owner, count = int(value.member("owner")), int(value.member("lock_count"))
                if (owner and owner not in threads) or bool(owner) != (count > 0):
                    return None
                return Object(address, "mutex", owner, None, waiters)
            if name == SEMAPHORE:
                count = int(value.member("count"))
                if not 0 <= count < 1 << 31:
                    return None
                return Object(address, "sem", None, count, waiters)
        except (UnknownMemory, NotOffered):
            return None
        return Object(address, "queue", None, None, waiters)

    def semaphore_of(self, on: Object) -> Object:
        """A queue that its waiter's code says is a semaphore's."""
        kind = self._kinds.get(SEMAPHORE)
        return replace(on, address=on.address - kind[1], kind="sem") if kind is not None else on

    def globals(self, space: Any, threads: frozenset[int]) -> list[Object]:
        """Variables that are a mutex or a semaphore."""
        sizes = {kind.size: name for name, (kind, _) in self._kinds.items() if name != QUEUE and kind.size}
        found = []
        for _, address, size in self._module.variables(sizes):
            for name in (MUTEX, SEMAPHORE):
                if name not in self._kinds or self._kinds[name][0].size != size:
                    continue
                if not self._is_queue(address + self._kinds[name][1], space):
                    continue
                row = self.read(name, address, space, threads)
                declared = self._declared(address, self._kinds[name][0])[1] if row is not None else None
                if row is not None and declared:
                    found.append(replace(row, name=declared))
        return found


def member_at(type_: "Type", offset: int, wanted: "Type") -> str | None:
    """How the part of that type at an offset is called: "", ".lock", "[3].lock"; None when there is none."""
    path = ""
    for _ in range(DEPTH_MAX):
        if offset == 0 and type_.kind is wanted.kind and type_.name == wanted.name:
            return path
        if type_.kind is Kind.ARRAY and type_.target.size:
            index, offset = divmod(offset, type_.target.size)
            path, type_ = f"{path}[{index}]", type_.target
        elif type_.kind is Kind.STRUCT:
            inside = [m for m in type_.members if not m.bits and m.offset <= offset]
            if not inside:
                return None
            member = max(inside, key=lambda m: m.offset)
            path += f".{member.name}" if member.name else ""
            offset, type_ = offset - member.offset, type_.table.type_at(member.reference)
        else:
            return None
    return None


def _stack(sp: int, space: Any) -> bytes:
    """Up to REACH bytes from a stack pointer, as far as they are there."""
    end = sp + REACH
    at, parts = sp, []
    while at < end:
        step = min(PAGE - at % PAGE, end - at)
        try:
            parts.append(space.read(at, step))
        except UnknownMemory:
            break
        at += step
    return b"".join(parts)


# Functions whose frames say what a thread waits for, the most telling first.
CALLS: Final[tuple[tuple[WaitKind, tuple[str, ...]], ...]] = (
    ("accept", ("accept", "accept4", "uk_socket_accept", "lwip_accept")),
    ("connect", ("connect", "lwip_connect")),
    ("recv", ("recv", "recvfrom", "recvmsg", "lwip_recv", "lwip_recvfrom", "lwip_read", "uk_socket_recv")),
    ("send", ("send", "sendto", "sendmsg", "lwip_send", "lwip_write")),
    ("poll", ("poll", "select", "pselect", "ppoll", "epoll_wait", "epoll_pwait", "lwip_poll", "lwip_select")),
    ("join", ("pthread_join", "uk_thread_wait", "uk_sched_thread_wait")),
    ("mbox", ("uk_mbox_recv", "uk_mbox_recv_to", "uk_mbox_post", "sys_arch_mbox_fetch", "sys_mbox_post")),
    ("cond", ("pthread_cond_wait", "pthread_cond_timedwait", "uk_condvar_wait")),
    ("sem", ("uk_semaphore_down", "uk_semaphore_down_to", "sem_wait", "sys_arch_sem_wait")),
    ("poll", ("uk_pollq_poll_until", "uk_pollq_edge_poll_until")),
)


def kind_of(functions: list[str]) -> WaitKind | None:
    """The kind of wait that a stack's functions speak of."""
    names = {name.removeprefix("uk_syscall_r_").removeprefix("uk_syscall_e_") for name in functions}
    return next((kind for kind, calls in CALLS if not names.isdisjoint(calls)), None)
