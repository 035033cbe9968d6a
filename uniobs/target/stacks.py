"""A thread's stack: its registers from wherever they are, then unwinding; checked again on a live guest."""

from uniobs.errors import ImageMismatch, NotOffered, TargetGone, UniobsError, UnknownMemory
from uniobs.lean import TYPE_CHECKING, NamedTuple
from uniobs.memory.base import AddressSpace
from uniobs.model.guest import Panic, Registers, Stack, Thread
from uniobs.target.space import X86_64, machine_of

if TYPE_CHECKING:
    from uniobs.region.reader import Region
    from uniobs.target.guest import Guest

TRIES = 4
BELOW = 4 << 12  # bytes below a stack that a running thread overflowed by at most
SAVED = ("r15", "r14", "r13", "r12", "rbx", "rbp", "rip")
NOT_SAVED = 0xFF


class Start(NamedTuple):
    """Where unwinding begins, and what qualifies it."""

    registers: Registers
    note: str | None = None
    copy: tuple[int, bytes] | None = None  # (address, bytes) of a stack that the panic record kept
    own: bool = True  # False: it stands on another stack than the thread's (an interrupt's)


class Moved(UniobsError):
    """The thread ran between two looks at it."""


def stack(guest: "Guest", thread: Thread) -> Stack:
    """See Target.stack. Raises ImageMismatch for an image that was named and is wrong, and TargetGone."""
    try:
        if not guest.live:
            return _unwind(guest, thread)
        for _ in range(TRIES):
            try:
                return _while_still(guest, thread)
            except Moved:
                continue
        return Stack(thread.tid, error="it ran meanwhile")
    except (ImageMismatch, TargetGone):
        raise
    except UniobsError as error:
        return Stack(thread.tid, error=str(error))


def _while_still(guest: "Guest", thread: Thread) -> Stack:
    """Unwind, and raise Moved unless the thread stood still from before to after."""
    before = _row(guest, thread.tid)
    found = _unwind(guest, before)
    after = _row(guest, thread.tid)
    kept = ["state", "switches", "saved_sp", "current", "started_ns", "torn"]
    if guest.region is None and before.current:
        kept.remove("switches")  # a busy guest switches all the time; what is on the CPU is a sample
    if before.switches is None and not before.current:
        kept.append("cpu_time_ns")  # it moves on each time that the thread had the CPU
    if any(getattr(before, name) != getattr(after, name) for name in kept):
        raise Moved
    return found


def _row(guest: "Guest", tid: int) -> Thread:
    if guest.origin.refresh is not None:
        guest.origin.refresh()
    for row in guest.walker("threads").threads():
        if row.tid == tid:
            return row
    raise NotOffered("it has exited")


def _unwind(guest: "Guest", thread: Thread) -> Stack:
    if thread.torn:
        raise NotOffered("its row was being written")
    if thread.state == "exited":
        raise NotOffered("it has exited")
    if machine_of(guest) != X86_64:
        from uniobs.target.stacks_aarch64 import unwind_thread

        return unwind_thread(guest, thread)
    start = start_of(guest, thread)
    from uniobs.image.unwind import unwind

    space = guest.space
    if start.copy is not None:
        space = Overlay(space, *start.copy)
    low, high = thread.stack_lo, thread.stack_hi
    bounds = (low, high) if start.own and low is not None and high is not None and low < high else None
    modules = guest.modules
    if guest.live and guest.kind == "process":
        from uniobs.target.hosted import libraries

        modules = (*modules, *libraries(guest))
    frames, note = unwind(modules, space, start.registers, stack=bounds)
    if not modules:
        note = "; ".join(filter(None, ("no image is known: give one with --image", note)))
    elif frames and all(frame.module is None for frame in frames):
        note = f"no known image has code at {frames[0].pc:#x}: name the program's ELF with --image too"
    notes = [text for text in (start.note, note) if text]
    return Stack(thread.tid, frames, note="; ".join(notes) or None)


def start_of(guest: "Guest", thread: Thread) -> Start:
    """The registers that a thread goes on with, from wherever they are. Raises NotOffered and its kin."""
    region = guest.region
    panic = _panic(guest)
    if panic is not None and panic.tid == thread.tid and panic.registers is not None:
        copy = (panic.stack_va, panic.stack) if panic.stack_va is not None and panic.stack else None
        return Start(panic.registers, "crashed here", copy)
    if thread.os_tid is not None and guest.origin.identity:
        return _hosted(guest, thread.os_tid)
    if thread.current or thread.state == "running":
        return _on_cpu(guest, thread)
    if not thread.saved_sp:
        raise NotOffered("where it stopped isn't known: no saved stack pointer")
    if region is not None:
        return _switched_out(guest, region, thread)
    saved = getattr(guest.walker("threads"), "saved_registers", None)
    if saved is None:
        raise NotOffered("how its kernel saves a switched-out thread isn't known")
    return Start(saved(thread))


def _panic(guest: "Guest") -> Panic | None:
    """What a dead guest left of itself: in its region, or where its image's walker finds it."""
    from uniobs.region.panic import read_panic

    if guest.region is not None:
        return read_panic(guest.region)
    try:
        return guest.walker("panic").panic()
    except NotOffered:
        return None


def _hosted(guest: "Guest", os_tid: int) -> Start:
    if guest.live and guest.pid is not None:
        from uniobs.target.hosted import waiting_registers

        return Start(waiting_registers(guest.pid, os_tid))
    registers = guest.origin.thread_registers.get(os_tid)
    if registers is None:
        missing = {
            "core": f"no thread {os_tid} in this core",
            "recording": "it ran at this moment, or where it stood wasn't read",
        }
        raise NotOffered(missing.get(guest.kind, "no registers in this file"))
    return Start(registers)


def _on_cpu(guest: "Guest", thread: Thread) -> Start:
    try:
        cpus = guest.origin.registers()
    except NotOffered as error:
        raise NotOffered(
            f"on the CPU, and {str(error).replace('registers can', 'its registers can')}"
        ) from None
    mine = [registers for registers in cpus if len(cpus) == 1 or registers.cpu == thread.cpu]
    if len(mine) != 1 or mine[0].get("rip") is None:
        raise NotOffered("on the CPU, and no vCPU's registers are known to be its")
    is_on = getattr(guest.walker("threads"), "is_on", None) if guest.region is None else None
    if is_on is not None and is_on(thread, mine[0]) is False:
        raise Moved("on the CPU, but another thread was when its registers were read")
    sp = mine[0].get("rsp")
    low, high = thread.stack_lo, thread.stack_hi
    own = not (low and high and low < high and (sp is None or not low <= sp <= high))
    own = own or (sp is not None and low is not None and _overflowed(guest, low, sp))
    if not own and guest.region is None:
        return Start(mine[0], "on another stack than its own: in an interrupt or a trap", own=False)
    if not own:
        if guest.live:
            raise Moved("on the CPU, but not on its own stack")
        raise NotOffered(f"on the CPU, but not on its own stack (rsp={sp or 0:#x})")
    running = guest.live and not mine[0].get("halted")
    return Start(mine[0], "sampled while it ran" if running else None)


def _overflowed(guest: "Guest", low: int, sp: int) -> bool:
    """Whether a stack pointer lies right below a stack, and in nothing else that is known: no other thread's
    stack, no variable of the image (where interrupts have theirs)."""
    if not 0 < low - sp <= BELOW:
        return False
    rows = guest.walker("threads").threads()
    if any(row.stack_lo and row.stack_hi and row.stack_lo <= sp < row.stack_hi for row in rows):
        return False
    return all(module.variable_at(sp) is None for module in guest.modules)


def _switched_out(guest: "Guest", region: "Region", thread: Thread) -> Start:
    """The scheduler's switch frame: words from saved_sp, as the region's header describes them."""
    saved, low, high = thread.saved_sp or 0, thread.stack_lo, thread.stack_hi
    if low and high and not low <= saved < high:
        raise NotOffered(f"its saved stack pointer {saved:#x} isn't in its stack")
    offsets = region.header.switch_regs[: len(SAVED)]
    if offsets[len(SAVED) - 1] == NOT_SAVED or not region.header.switch_size:
        raise NotOffered("the guest doesn't say how it saves a switched-out thread")
    words = 1 + max(offset for offset in offsets if offset != NOT_SAVED)
    frame = guest.space.read(saved, 8 * words)
    values = {
        name: int.from_bytes(frame[8 * offset : 8 * offset + 8], "little")
        for name, offset in zip(SAVED, offsets, strict=True)
        if offset != NOT_SAVED
    }
    values["rsp"] = saved + region.header.switch_size
    return Start(Registers(values, "saved by the scheduler"))


class Overlay:
    """An address space in which one range of bytes is known from elsewhere."""

    def __init__(self, space: AddressSpace, address: int, data: bytes) -> None:
        self._space, self._address, self._data = space, address, data

    def translate(self, address: int) -> int:
        return self._space.translate(address)

    def read(self, address: int, size: int) -> bytes:
        offset = address - self._address
        if offset >= 0 and offset + size <= len(self._data):
            return self._data[offset : offset + size]
        try:
            return self._space.read(address, size)
        except UnknownMemory:
            low, high = max(address, self._address), min(address + size, self._address + len(self._data))
            if low >= high:
                raise
            middle = self._data[low - self._address : high - self._address]
            return (
                self._space.read(address, low - address)
                + middle
                + self._space.read(high, address + size - high)
            )
