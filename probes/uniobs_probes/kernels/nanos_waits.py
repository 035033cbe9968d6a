"""What Nanos' blocked threads wait for: their system calls' arguments, and the futexes of their process.

The names of calls are those of the functions in the kernel's own table. Shapes: struct futex of
src/unix/futex.c, struct table of src/runtime/table.h; Linux' futex(2).
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from uniobs.errors import UniobsError, UnknownMemory
from uniobs.image.types_walk import chain
from uniobs.model.guest import Wait, WaitKind
from uniobs.model.row import frozen
from uniobs_probes.kernels.nanos_program import Program
from uniobs_probes.kernels.nanos_threads import Found

if TYPE_CHECKING:
    from uniobs.image.types_value import Value

CALLS_MAX: Final = 4096
FUTEXES_MAX: Final = 1 << 16
WAITERS_MAX: Final = 1 << 12
RDI, RSI, RDX, R10 = 5, 4, 3, 10
WAITS: Final = (0, 9)  # FUTEX_WAIT, FUTEX_WAIT_BITSET
COMMAND: Final = 0x7F  # without FUTEX_PRIVATE_FLAG and FUTEX_CLOCK_REALTIME
ON_FD: Final[dict[str, WaitKind]] = {
    "accept": "accept", "accept4": "accept", "connect": "connect", "recvfrom": "recv", "recvmsg": "recv",
    "recvmmsg": "recv", "sendto": "send", "sendmsg": "send", "sendmmsg": "send",
}  # fmt: skip
ON_ANY_FD: Final[dict[str, WaitKind]] = {
    "read": "recv", "readv": "recv", "pread": "recv", "write": "send", "writev": "send",
}  # fmt: skip
POLLS: Final = ("poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait")
SLEEPS: Final = ("nanosleep", "clock_nanosleep")


@frozen
class Futex:
    """One that has waiters, or had. ``value``: the word itself."""

    address: int
    waiters: int
    value: int | None


class Waits:
    """Of one kernel image."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._types = module.types
        self._names: dict[int, str | None] = {}

    def call_name(self, number: int, space: Any) -> str:
        """futex, accept...; "system call N" for one without a handler of its own."""
        if number not in self._names:
            self._names[number] = self._call_name(number, space)
        return self._names[number] or f"system call {number}"

    def _call_name(self, number: int, space: Any) -> str | None:
        try:
            table = self._types.variable("_linux_syscalls", space)
            if not 0 <= number < min(len(table), CALLS_MAX):
                return None
            found = self._module.function(int(table[number].member("handler")))
        except UniobsError:
            return None
        name = str(found[0]).removeprefix("sys_") if found is not None else None
        return None if name is None or name.startswith("syscall_") else name

    def of(
        self, t: Found, others: tuple[Found, ...], sockets: frozenset[int], until: int | None,
        program: Program, space: Any,
    ) -> Wait | None:  # fmt: skip
        """What a thread in a system call waits for. ``sockets``: descriptors that are; ``until``: in ns."""
        if t.call is None or not t.frame:
            return None
        name = self.call_name(t.call.number, space)
        if not t.call.blocked:
            return Wait("other", name=name)
        first = t.frame[RDI]
        if name == "futex":
            return self._futex(t, others, until, program, space)
        if name in SLEEPS:
            return Wait("sleep", until_ns=until)
        kind = ON_FD.get(name) or (ON_ANY_FD.get(name) if first in sockets else None)
        if kind is not None:
            return Wait(kind, fd=first & 0xFFFFFFFF, until_ns=until)
        if name in POLLS:
            return Wait("poll", fd=first if name.startswith("epoll") else None, until_ns=until)
        on = f" fd {first}" if name in ON_ANY_FD else ""
        return Wait("other", name=f"{name}{on}", until_ns=until)

    def _futex(
        self, t: Found, others: tuple[Found, ...], until: int | None, program: Program, space: Any
    ) -> Wait:
        address = t.frame[RDI]
        if t.frame[RSI] & COMMAND not in WAITS:
            return Wait("other", address, name=f"futex {address:#x}", until_ns=until)
        ended = next((o for o in others if o.clear_tid == address and o.pid == t.pid and o is not t), None)
        if ended is not None:
            return Wait("join", ended.tid, ended.name, until_ns=until)
        found = program.object(address, space)
        if found is None or found.kind is None:
            name = f" {found.name}" if found is not None and found.name else f" {address:#x}"
            return Wait("other", address, f"futex{name}", until_ns=until)
        tids = {o.tid for o in others}
        owner = found.owner if found.owner in tids else None
        kind: WaitKind = "mutex" if found.kind == "mutex" else "cond" if found.kind == "cond" else "sem"
        return Wait(kind, address, found.name, owner, until_ns=until)

    def futexes(self, processes: tuple[int, ...], space: Any) -> Iterator[Futex]:
        """Of all processes, in the order of their tables."""
        for address in processes:
            try:
                process = self._types.at("struct process", address, space)
                if not process.has("futices") or not int(process.member("futices")):
                    continue
                yield from self._table(process.member("futices").deref(), space)
            except UniobsError:
                continue

    def _table(self, table: "Value", space: Any) -> Iterator[Futex]:
        futex = self._types.type("struct futex")
        entries = table.member("entries")
        left = FUTEXES_MAX
        for bucket in range(min(max(int(table.member("buckets")), 0), FUTEXES_MAX)):
            for entry in chain(entries[bucket], "next", left):
                left -= 1
                row = self._types.at(futex, int(entry.member("v")), space)
                address = int(entry.member("k"))
                try:
                    value = int.from_bytes(space.read(address, 4), "little")
                except UnknownMemory:
                    value = None
                yield Futex(address, self._waiters(row), value)

    def _waiters(self, futex: "Value") -> int:
        """How long its queue is; as far as it can be followed."""
        from uniobs.image.types_walk import circular

        head = futex.member("bq").deref().member("waiters_head")
        return len(circular(head, self._types.type("struct unix_context"), "bq_l", WAITERS_MAX))
