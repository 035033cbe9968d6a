"""Whose an address is: the thread in whose stack it lies, or whose struct in its kernel it is."""

from uniobs.cli.shell.scope import GuestScope
from uniobs.errors import UniobsError
from uniobs.image.types_expr import Operand, address_of
from uniobs.image.types_model import Kind
from uniobs.model.guest import Thread

_STRUCT = 1024  # bytes of a struct whose size isn't known


def in_stack(thread: Thread, address: int) -> bool:
    low, high = thread.stack_lo, thread.stack_hi
    return bool(low and high and low <= address < high)


def thread_at(scope: GuestScope, operand: Operand) -> Thread | None:
    """None when it's nobody's, or more than one could be meant."""
    threads = [thread for thread in scope.threads() if not thread.torn]
    address = address_of(operand)
    mine = [thread for thread in threads if in_stack(thread, address)]
    if len(mine) == 1:
        return mine[0]
    kind = operand.type.target if operand.type.kind is Kind.POINTER else operand.type
    size = min(kind.size or _STRUCT, 1 << 14)
    try:
        data = scope.space.read(address, size)
    except UniobsError:
        return None
    words = {int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data) - 7, 8)}
    # where a kernel saved a thread's stack pointer, there is its struct; no two threads share one
    mine = [thread for thread in threads if thread.saved_sp and thread.saved_sp in words]
    return mine[0] if len(mine) == 1 else None
