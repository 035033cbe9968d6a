"""Stacks of aarch64 guests: of threads that are on a CPU, by the vCPU's registers.

How a kernel saves a switched-out thread there isn't told by the region, so that those can't be followed.
"""

from uniobs.errors import NotOffered
from uniobs.image.unwind_aarch64 import unwind
from uniobs.lean import TYPE_CHECKING
from uniobs.model.guest import Registers, Stack, Thread

if TYPE_CHECKING:
    from uniobs.target.guest import Guest


def unwind_thread(guest: "Guest", thread: Thread) -> Stack:
    """Raises NotOffered and its kin."""
    if not thread.current and thread.state != "running":
        raise NotOffered("how an aarch64 kernel saves a switched-out thread isn't known")
    low, high = thread.stack_lo, thread.stack_hi
    bounds = (low, high) if low is not None and high is not None and low < high else None
    registers = _on_cpu(guest, thread, bounds)
    modules = guest.modules
    frames, note = unwind(modules, guest.space, registers, stack=bounds)
    if not modules:
        note = "; ".join(filter(None, ("no image is known: give one with --image", note)))
    return Stack(thread.tid, frames, note=note)


def _on_cpu(guest: "Guest", thread: Thread, bounds: tuple[int, int] | None) -> Registers:
    cpus = guest.registers()
    mine = [registers for registers in cpus if len(cpus) == 1 or registers.cpu == thread.cpu]
    if len(mine) != 1 or mine[0].get("pc") is None:
        raise NotOffered("on the CPU, and no vCPU's registers are known to be its")
    sp = mine[0].get("sp") or 0
    if bounds is not None and not bounds[0] <= sp <= bounds[1]:
        raise NotOffered(f"on the CPU, but not on its own stack (sp={sp:#x})")
    return mine[0]
