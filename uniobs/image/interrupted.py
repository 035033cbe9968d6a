"""What the processor pushes when it interrupts code in 64-bit mode (Intel SDM vol. 3A, 6.14.2): rip, cs,
rflags, rsp and ss, from an address that ends in 8 - recognised where no table says that it is there."""

from collections.abc import Callable

from uniobs.errors import UnknownMemory
from uniobs.lean import Final, NamedTuple

SIZE: Final = 40
_FLAGS_ONE: Final = 1 << 1
_FLAGS_ZERO: Final = ~0x3FFFFF | 1 << 3 | 1 << 5 | 1 << 15
_KERNEL, _USER = 0, 3


class Pushed(NamedTuple):
    """Where code was interrupted. ``same_stack``: the handler runs on the stack of the interrupted code."""

    rip: int
    rsp: int
    same_stack: bool


def pushed(address: int, word: Callable[[int], int], is_code: Callable[[int], bool]) -> Pushed | None:
    """What was pushed from ``address`` on; None when what lies there can't be that."""
    if address % 16 != 8:
        return None
    try:
        rip = word(address)
        if not is_code(rip):
            return None
        cs, flags, rsp, ss = (word(address + 8 * at) for at in range(1, 5))
        level = cs & 3
        if not 8 <= cs <= 0xFFFF or cs & 4 or level not in (_KERNEL, _USER):
            return None
        if ss > 0xFFFF or (ss and ss & 3 != level) or not flags & _FLAGS_ONE or flags & _FLAGS_ZERO:
            return None
        same = 0 <= rsp - (address + SIZE) < 16  # it was rounded down before the push
        if not same:
            word(rsp)
    except UnknownMemory:
        return None
    return Pushed(rip, rsp, same)
