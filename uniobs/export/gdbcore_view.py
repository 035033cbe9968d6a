"""What of a guest goes into a core for gdb: its threads with their registers, its mappings that are held."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from uniobs.cores.elf import USER_REGS
from uniobs.errors import Incomplete, NotOffered, UniobsError
from uniobs.export.gdbcore import PF_R, PF_W, PF_X, Load, ThreadState
from uniobs.memory.blocks import Block
from uniobs.memory.paging import Page, PageTables
from uniobs.model.guest import Panic, Registers, Thread
from uniobs.target.stacks import start_of

if TYPE_CHECKING:
    from uniobs.target.guest import Guest

LOADS_MAX: Final = (1 << 17) - 1
PAGES_MAX: Final = 1 << 19  # mappings looked at, held or not
THREADS_MAX: Final = 1 << 14
SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV = 4, 5, 6, 7, 8, 11
SIGNALS = {0: SIGFPE, 3: SIGTRAP, 6: SIGILL, 12: SIGBUS, 16: SIGFPE, 17: SIGBUS, 19: SIGFPE}
EXCEPTIONS = ("exception", "stack_overflow")
SHOWN = frozenset(USER_REGS)
WHOLE = ("rax", "rcx", "r8")  # a thread of which these are known was on a CPU, or crashed


class View(NamedTuple):
    """``names``: of threads, by gdb's id. ``partial``: the registers that are known, where not all are."""

    threads: tuple[ThreadState, ...]
    names: dict[int, str]
    partial: dict[int, tuple[str, ...]]
    left_out: tuple[tuple[str, str], ...]  # (thread, why)
    notices: tuple[str, ...]


def view(guest: "Guest") -> View:
    """The threads, gdb's selected one first: the crashed one, else one on a CPU. NotOffered without any."""
    try:
        rows = guest.walker("threads").threads()
    except NotOffered:
        return _vcpus(guest)
    panic = _panic(guest)
    crashed = panic.tid if panic is not None else None
    alive = [row for row in rows if row.state != "exited" or row.tid == crashed]
    if panic is not None and crashed is not None and all(row.tid != crashed for row in alive):
        alive.append(Thread(crashed))
    alive.sort(key=lambda row: (row.tid != crashed, not row.current, row.tid))
    started: list[tuple[Thread, Registers]] = []
    left_out: list[tuple[str, str]] = []
    for row in alive[:THREADS_MAX]:
        try:
            if row.torn:
                raise NotOffered("its row was being written")
            started.append((row, start_of(guest, row).registers))
        except UniobsError as error:
            left_out.append((f"{row.tid} {row.name or ''}".strip(), str(error)))
    if not started:
        return _vcpus(guest, tuple(left_out))
    pids = _ids([row.tid for row, _ in started])
    notices = []
    if pids != [row.tid for row, _ in started]:
        told = ", ".join(f"{pid} is {row.tid:#x}" for pid, (row, _) in zip(pids, started[:8], strict=False))
        notices.append(f"its thread ids are none for gdb, so they are numbered: {told}")
    if len(alive) > THREADS_MAX:
        notices.append(f"{len(alive) - THREADS_MAX} threads more than {THREADS_MAX} are left out")
    # as in a core of Linux, each thread has the signal that ended all
    signal = _signal(panic) if panic is not None else 0
    states, names, partial = [], {}, {}
    for pid, (row, registers) in zip(pids, started, strict=True):
        states.append(ThreadState(pid, registers.values, signal))
        if row.name:
            names[pid] = row.name
        if any(name not in registers.values for name in WHOLE):
            partial[pid] = tuple(sorted(registers.values.keys() & SHOWN))
    return View(tuple(states), names, partial, tuple(left_out), tuple(notices))


def _vcpus(guest: "Guest", left_out: tuple[tuple[str, str], ...] = ()) -> View:
    """A guest whose threads nobody knows: what its vCPUs ran."""
    cpus = [registers for registers in guest.registers() if registers.get("rip") is not None]
    if not cpus:
        raise NotOffered(f"neither threads nor vCPUs of {guest.name} are known: there is nothing for gdb")
    states = tuple(ThreadState(1 + number, registers.values) for number, registers in enumerate(cpus))
    names = {1 + number: f"vCPU {number}" for number in range(len(cpus))}
    told = "its own threads aren't known: gdb's are its vCPUs"
    return View(states, names, {}, left_out, (told,))


def _panic(guest: "Guest") -> Panic | None:
    try:
        found: Panic | None = guest.walker("panic").panic()
    except NotOffered:
        return None
    return found


def _signal(panic: Panic) -> int:
    if panic.kind not in EXCEPTIONS:
        return SIGABRT
    return SIGNALS.get(panic.vector, SIGSEGV) if panic.vector is not None else SIGSEGV


def _ids(tids: Sequence[int]) -> list[int]:
    """gdb's ids: the guest's own, unless one of them can't be a Linux thread's."""
    if len(set(tids)) == len(tids) and all(0 < tid < 1 << 31 for tid in tids):
        return list(tids)
    return list(range(1, len(tids) + 1))


def loads(guest: "Guest", blocks: Sequence[Block]) -> tuple[list[Load], str | None]:
    """The mappings of the guest whose bytes lie in ``blocks`` (ascending, disjoint; ``where`` is an offset in
    the file), and what isn't told of them."""
    space = guest.space
    found: list[Load] = []
    note = guest.space_note
    pages: Iterable[Page]
    if isinstance(space, PageTables):
        pages = space.mappings()
    else:
        pages = [Page(block.start, block.start, block.size) for block in blocks]
    starts = [block.start for block in blocks]
    try:
        looked = 0
        for page in pages:
            looked += 1
            if looked > PAGES_MAX:
                raise Incomplete(f"only its first {PAGES_MAX} mappings were looked at")
            for piece, load in enumerate(_held(page, blocks, starts)):
                looked += piece > 0  # a large page may be held in very many pieces
                last = found[-1] if found else None
                if last is not None and _continues(last, load):
                    found[-1] = last._replace(size=last.size + load.size)
                    continue
                if len(found) >= LOADS_MAX:
                    raise Incomplete(f"only its first {LOADS_MAX} mappings are described")
                found.append(load)
    except Incomplete as error:
        note = str(error)
    return found, note


def _held(page: Page, blocks: Sequence[Block], starts: Sequence[int]) -> Iterator[Load]:
    end = page.physical + page.size
    flags = PF_R | (PF_W if page.writable else 0) | (PF_X if page.executable else 0)
    index = max(bisect_right(starts, page.physical) - 1, 0)
    while index < len(blocks) and blocks[index].start < end:
        block = blocks[index]
        low, high = max(page.physical, block.start), min(end, block.end)
        if low < high:
            virtual = page.virtual + low - page.physical
            yield Load(virtual, low, high - low, block.where + low - block.start, flags)
        index += 1


def _continues(last: Load, load: Load) -> bool:
    return (
        last.virtual + last.size == load.virtual
        and last.offset + last.size == load.offset
        and last.physical + last.size == load.physical
        and last.flags == load.flags
    )
