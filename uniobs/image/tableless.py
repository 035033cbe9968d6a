"""Where a frame's caller is when no table tells: by its frame pointer, what lies on top, a search."""

from collections.abc import Sequence

from uniobs.errors import UnknownMemory
from uniobs.image.calls import CallSites, ends_with_call, follows_call
from uniobs.image.climb import RBP, RSP, SAVED
from uniobs.image.interrupted import SIZE, Pushed, pushed
from uniobs.image.stackread import StackReader
from uniobs.lean import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from uniobs.image.module import Module
    from uniobs.memory.base import AddressSpace
    from uniobs.model.guest import Trust

_REACH: Final = 8 << 20  # the furthest a frame pointer may be from rsp when the stack's bounds aren't known
_SCANS: Final = 256  # in one walk
_ENTRY: Final = 1024  # bytes that an interrupt's entry code may have pushed below what the processor pushed
_SCANNED: Final = 1 << 15  # bytes of stack that one scan looks at


class End(Exception):
    """The walk ends here; ``note`` says why, None when this is the stack's proper end."""

    def __init__(self, note: str | None = None) -> None:
        super().__init__(note)
        self.note = note


class Overwritten(End):
    """A return address that can't be one: only a search of the stack can lead further, from ``at`` on (None:
    from the frame's end)."""

    def __init__(self, note: str, at: int | None = None) -> None:
        super().__init__(note)
        self.at = at


class Place:
    """A frame before it has names. ``registers`` by DWARF number; missing ones are unknown.

    ``exact``: pc is the instruction itself, not a return address.
    """

    __slots__ = ("cfa", "exact", "pc", "registers", "trust")

    def __init__(self, pc: int, registers: dict[int, int], trust: "Trust", exact: bool) -> None:
        self.pc = pc
        self.registers = registers
        self.trust = trust
        self.exact = exact
        self.cfa: int | None = None

    @property
    def lookup(self) -> int:
        return self.pc if self.exact else self.pc - 1


class Tableless:
    """Of one walk up one stack, [low, high) where that is known."""

    def __init__(
        self, modules: "Sequence[Module]", space: "AddressSpace", stack: tuple[int, int] | None
    ) -> None:
        self._modules = modules
        self._memory = StackReader(space)
        self._stack = stack
        self._scanned = False
        self.note: str | None = None  # what qualifies the frames found so far
        self._known: dict[int, bool | None] = {}  # of code addresses alone: what memory holds is no bound
        self._calls = CallSites()
        self._scans = 0

    def module(self, pc: int) -> "Module | None":
        for module in self._modules:
            if module.holds(pc):
                return module
        return None

    def is_return(self, pc: int) -> bool | None:
        """Whether ``pc`` follows a call in known code. None: the text isn't at hand."""
        module = self.module(pc - 1)
        if module is None:
            return False
        if pc not in self._known:
            self._known[pc] = follows_call(module, pc)
        return self._known[pc]

    def _foreign(self, pc: int) -> bool:
        """Whether a call ends before ``pc`` in memory of which no image is known: code of another module."""
        if self.module(pc) is not None or self.module(pc - 1) is not None:
            return False
        try:
            return pc >= 16 and ends_with_call(self._memory.read(pc - 8, 8))
        except UnknownMemory:
            return False

    def _credible(self, pc: int) -> bool | None:
        """How a number on the stack may be a frame's pc: False as a return address, True as a signal's
        trampoline (no call put it there), None not at all. Only in functions that are the image's."""
        module = self.module(pc - 1) or self.module(pc)
        if module is None or module.differs(pc - 1):
            return None
        if self.is_return(pc):
            return False
        rules = module.cfi(pc) if module.holds(pc) else None
        return True if rules is not None and rules.signal and rules.start + module.bias >= pc - 1 else None

    def say(self, note: str) -> None:
        if self.note is None or note not in self.note:
            self.note = f"{self.note}; {note}" if self.note else note

    def _surely(self, pc: int) -> bool:
        module = self.module(pc - 1)
        return module is not None and self._calls.surely(module, pc)

    def _returned(self, place: Place) -> Place | None:
        """A jump out of all code: whoever called left its return address on top of the stack."""
        sp = place.registers.get(RSP)
        if sp is None:
            return None
        try:
            pc = self._memory.word(sp)
        except UnknownMemory:
            return None
        if not self.is_return(pc) or not self._surely(pc):
            return None
        registers = {n: v for n, v in place.registers.items() if n in SAVED}
        registers[RSP] = sp + 8
        place.cfa = sp + 8
        return Place(pc, registers, "scan" if self._scanned else "return-address", False)

    def _frameless(self, place: Place, module: "Module | None") -> Place | None:
        """Stopped where the function has no frame (yet, or any more): its return address is on top."""
        sp = place.registers.get(RSP)
        function = module.function(place.pc) if module is not None and place.exact else None
        if sp is None or module is None or function is None:
            return None
        start = function[1]
        code = module.text(start, 5)
        if code[:4] == b"\xf3\x0f\x1e\xfa":  # endbr64
            start, code = start + 4, code[4:]
        pushes = code[:1] == b"\x55"  # push rbp
        rbp = place.registers.get(RBP)
        pushed = pushes and place.pc == start + 1
        if pushed:
            sp += 8
        elif pushes and place.pc > start and module.text(place.pc, 1) != b"\xc3":
            return None
        try:
            pc = self._memory.word(sp)
            rbp = self._memory.word(sp - 8) if pushed else rbp
        except UnknownMemory:
            return None
        if self._credible(pc) is not False or not self._surely(pc):
            return None
        registers = {RSP: sp + 8}
        if rbp is not None:
            registers[RBP] = rbp
        place.cfa = sp + 8
        return Place(pc, registers, "scan" if self._scanned else "return-address", False)

    def _limits(self, sp: int) -> tuple[int, int]:
        if self._stack is not None and self._stack[0] <= sp <= self._stack[1]:
            return sp, self._stack[1]
        return sp, sp + _REACH

    def _by_frame_pointer(self, place: Place) -> Place | None:
        rbp, sp = place.registers.get(RBP), place.registers.get(RSP)
        if rbp is None or sp is None:
            return None
        if rbp == 0:
            if place.trust == "frame-pointer":
                raise End  # the outermost frame of a chain
            return None
        low, high = self._limits(sp)
        if rbp % 8 or not low <= rbp <= high - 16:
            return None
        try:
            saved, pc = self._memory.word(rbp), self._memory.word(rbp + 8)
        except UnknownMemory:
            return None
        exact = self._credible(pc)
        if exact is None and not self._foreign(pc):
            return None
        registers = {RSP: rbp + 16}
        if saved == 0 or (saved > rbp and saved % 8 == 0 and saved <= high):
            registers[RBP] = saved
        place.cfa = rbp + 16
        return Place(pc, registers, "scan" if self._scanned else "frame-pointer", bool(exact))

    def _pushed(self, address: int) -> Pushed | None:
        return pushed(address, self._memory.word, lambda pc: self.module(pc) is not None)

    def _interrupted(self, place: Place) -> Place | None:
        """Entry code of an interrupt or exception, of which no table tells: what the processor pushed lies
        somewhere above rsp, in this very frame."""
        sp, rbp = place.registers.get(RSP), place.registers.get(RBP)
        if sp is None:
            return None
        low, high = self._limits(sp)
        if rbp is not None and rbp >= low:
            high = min(high, rbp)
        for address in range((low + 15 & -16) - 8, min(high, low + _ENTRY), 16):
            found = self._pushed(address) if address >= low else None
            if found is not None:
                return self._before(place, address, found)
        return None

    def _before(self, place: Place, address: int, found: Pushed) -> Place:
        """The interrupted code. Entry code saves the other registers anywhere, but hardly changes those that
        a call keeps."""
        self._scanned = True
        self.say(f"the interrupted code was found by what the processor pushed at {address:#x}")
        registers = {n: v for n, v in place.registers.items() if n in SAVED}
        rbp = registers.get(RBP)
        if rbp is not None and (rbp == 0 or (place.registers[RSP] <= rbp < address + SIZE)):
            del registers[RBP]  # the entry code's own
        place.cfa = address + SIZE
        return Place(found.rip, registers | {RSP: found.rsp}, "scan", True)

    def _by_scan(self, place: Place) -> Place:
        sp = place.registers.get(RSP)
        if sp is None:
            raise End("the stack pointer isn't known")
        self._scans += 1
        if self._scans > _SCANS:
            raise End(f"stopped after {_SCANS} searches of the stack")
        low, high = self._limits(sp)
        for address in range((low + 7) & -8, min(high - 7, low + _SCANNED), 8):
            try:
                pc = self._memory.word(address)
            except UnknownMemory as error:
                raise End(f"the stack isn't held at {address:#x}") from error
            before = self._pushed(address)
            if before is not None and (before.same_stack or not self._credible(pc)):
                return self._before(place, address, before)
            exact = self._credible(pc)
            if exact is None:
                continue
            if not exact and not self._surely(pc):
                continue
            registers = {RSP: address + 8}
            rbp = place.registers.get(RBP)
            if rbp is not None and rbp > address:
                registers[RBP] = rbp
            self._scanned = True
            return Place(pc, registers, "scan", exact)
        raise End("no call table, no frame pointer and no return address on the stack lead further")
