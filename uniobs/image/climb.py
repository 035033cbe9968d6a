"""Many steps of unwinding at once: up through frames whose call tables are plain, as nearly all are.

Plain is: the CFA is rsp or rbp plus a number, and what the frame saved lies at fixed places below it. The
first frame that isn't, or whose caller's address needs more than a look, is left to the Stepper.
"""

import sys
from collections.abc import Callable

from uniobs.errors import UnknownMemory
from uniobs.lean import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from uniobs.image.dwarf.cfa import Rules
    from uniobs.memory.base import AddressSpace

RBP, RSP, RIP = 6, 7, 16
NO_STACK: Final = (1 << 64, 1 << 64)  # its bounds aren't known
SAVED: Final = (3, 6, 12, 13, 14, 15)  # callee-saved: unchanged unless the table says otherwise
_WINDOW: Final = 1 << 16  # bytes of stack that are read at once
_PAGE: Final = 4096


class Plain(NamedTuple):
    """How the frame around one return address is undone. Offsets are from the CFA, in bytes."""

    by_rbp: bool
    offset: int  # from rsp or rbp to the CFA
    rbp_at: int  # where the caller's rbp is; 0: it wasn't saved
    saves: tuple[tuple[int, int], ...]  # (register, where)


def plain(rules: "Rules | None") -> Plain | None:
    """None when the table isn't plain."""
    if rules is None or rules.signal or rules.return_column != RIP or isinstance(rules.cfa, bytes):
        return None
    register, offset = rules.cfa
    saves = []
    for number, (how, at) in rules.registers.items():
        if how != "offset" or not isinstance(at, int) or at % 8 or not -_PAGE < at < 0:
            return None
        if number != RIP:
            if number not in SAVED:
                return None
            saves.append((number, at))
    if register not in (RBP, RSP) or rules.registers.get(RIP) != ("offset", -8):
        return None
    return Plain(register == RBP, offset, dict(saves).get(RBP, 0), tuple(saves))


class Climb(NamedTuple):
    """Frames that were left: their return addresses and CFAs; then where it stands: pc, rsp, registers."""

    pcs: list[int]
    cfas: list[int]
    pc: int
    registers: dict[int, int]


class Climber:
    """``find`` gives the Plain of a return address; None for what can't be one for certain."""

    def __init__(self, space: "AddressSpace", find: Callable[[int], Plain | None]) -> None:
        self._space = space
        self._find = find
        self._plain: dict[int, Plain | None] = {}
        self._low, self._words = 0, memoryview(b"").cast("Q")

    def _look(self, pc: int) -> Plain | None:
        if pc not in self._plain:
            self._plain[pc] = self._find(pc)
        return self._plain[pc]

    def _read(self, address: int) -> bool:
        """Make the window begin with the page of ``address``."""
        low = address & -_PAGE
        for size in (_WINDOW, 4 * _PAGE, 2 * _PAGE, _PAGE):
            if not 0 <= low <= (1 << 64) - size:
                continue
            try:
                self._words = memoryview(self._space.read(low, size)).cast("Q")
            except UnknownMemory:
                continue
            self._low = low
            return True
        return False

    def up(self, pc: int, registers: dict[int, int], most: int, stack: tuple[int, int] = NO_STACK) -> Climb:
        """From the frame at a return address, at most so many frames, and not out of ``stack``."""
        sp, bp = registers.get(RSP, -1), registers.get(RBP, -1)
        bottom, top = stack
        pcs: list[int] = []
        cfas: list[int] = []
        known = self._plain.get
        here = self._look(pc) if sp >= 0 and sys.byteorder == "little" else None
        words, low, high = self._words, self._low, self._low + 8 * len(self._words)
        while here is not None and len(pcs) < most:
            by_rbp, offset, rbp_at, _ = here
            cfa = (bp if by_rbp else sp) + offset
            if cfa <= sp or cfa & 7 or (by_rbp and bp < 0) or (cfa > top and bottom <= sp <= top):
                break
            if cfa > high or cfa - 8 + rbp_at < low:
                if not self._read(max(cfa - 8 + rbp_at, 0)):
                    break
                words, low, high = self._words, self._low, self._low + 8 * len(self._words)
                if cfa > high:
                    break
            above = words[cfa - low - 8 >> 3]
            following = known(above) or self._look(above)
            if following is None:
                break
            if rbp_at:
                bp = words[cfa - low + rbp_at >> 3]
            pcs.append(pc)
            cfas.append(cfa)
            pc, sp, here = above, cfa, following
        return Climb(pcs, cfas, pc, self._registers(registers, pcs, cfas) if pcs else registers)

    def _registers(self, before: dict[int, int], pcs: list[int], cfas: list[int]) -> dict[int, int]:
        """The registers after all those frames: each from where it was saved last."""
        found: dict[int, int | None] = {}
        wanted = {number for pc in set(pcs) for number, _ in getattr(self._plain[pc], "saves", ())}
        for pc, cfa in zip(reversed(pcs), reversed(cfas), strict=True):
            frame = self._plain[pc]
            for register, at in frame.saves if frame else ():
                if register not in found:
                    found[register] = self._word(cfa + at)
            if len(found) == len(wanted):
                break
        values = {n: found.get(n, before.get(n)) for n in SAVED}
        return {n: value for n, value in values.items() if value is not None} | {RSP: cfas[-1]}

    def _word(self, address: int) -> int | None:
        try:
            return int.from_bytes(self._space.read(address, 8), "little")
        except UnknownMemory:
            return None
