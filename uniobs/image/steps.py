"""One step of unwinding: from a frame's registers to its caller's, by CFI, frame pointer or scanning."""

from collections.abc import Sequence

from uniobs.errors import UnknownMemory
from uniobs.image.climb import NO_STACK, RIP, RSP, SAVED, Climber, Plain, plain
from uniobs.image.tableless import End, Overwritten, Place, Tableless
from uniobs.image.undo import cfa_of, restored
from uniobs.lean import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from uniobs.image.dwarf.cfa import Rules
    from uniobs.image.module import Module
    from uniobs.memory.base import AddressSpace

__all__ = ["NAMES", "End", "Place", "Stepper"]
NAMES: Final = (
    "rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp",
    "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rip",
)  # fmt: skip
_TOP: Final = 512  # bytes that may lie above the outermost frame


class Stepper(Tableless):
    def __init__(
        self, modules: "Sequence[Module]", space: "AddressSpace", stack: tuple[int, int] | None
    ) -> None:
        super().__init__(modules, space, stack)
        self._climber = Climber(space, self._plain)

    def _plain(self, pc: int) -> Plain | None:
        module = self.module(pc - 1)
        return plain(module.cfi(pc - 1)) if module is not None and self.is_return(pc) else None

    def climb(self, place: Place, most: int) -> tuple[list[int], list[int], Place]:
        """(return addresses, CFAs) of ``place`` and its callers as far as a look is enough; then the first
        that isn't among them."""
        climbed = self._climber.up(place.pc, place.registers, most, self._stack or NO_STACK)
        if not climbed.pcs:
            return [], [], place
        above = Place(climbed.pc, climbed.registers, "scan" if self._scanned else "cfi", False)
        return climbed.pcs, climbed.cfas, above

    def step(self, place: Place) -> Place:
        """The caller of ``place``. Raises End."""
        module = self.module(place.lookup)
        if module is None:
            caller = self._returned(place) if place.exact else None
            if caller is not None:
                return caller
        else:
            rules = module.cfi(place.lookup)
            if rules is not None:
                try:
                    caller = self._by_cfi(place, rules, module)
                except Overwritten as lost:
                    return self._beyond(place, lost)
                if caller is not None:
                    return caller
        caller = self._frameless(place, module) or self._interrupted(place) or self._by_frame_pointer(place)
        return caller if caller is not None else self._by_scan(place)

    def _by_cfi(self, place: Place, rules: "Rules", module: "Module") -> Place | None:
        """None when a register that the table needs isn't known."""
        registers = place.registers
        old = registers | {RIP: place.pc}
        try:
            cfa = cfa_of(rules, old, self._memory)
        except UnknownMemory as error:
            raise End(f"the stack isn't held at {error.address:#x}") from error
        if cfa is None:
            return None
        place.cfa = cfa
        column = rules.return_column
        if rules.registers.get(column, ("undefined", 0))[0] == "undefined":
            raise End  # the outermost frame: its CFA need not be above anything
        sp = registers.get(RSP)
        if not rules.signal and sp is not None:
            if cfa <= sp:
                raise End(f"the stack doesn't ascend: {cfa:#x} follows {sp:#x}")
            low, high = self._stack or NO_STACK
            if cfa > high >= sp >= low and not isinstance(rules.cfa, bytes):
                place.cfa = None  # it may well be a frame, but of another thread's
                raise Overwritten(f"smashed: {cfa:#x} follows {sp:#x}, which leads out of its stack", sp)
        kept = registers if rules.signal else SAVED  # an interrupted function keeps all of its registers
        found: dict[int, int] = {n: registers[n] for n in kept if n in registers and n not in rules.registers}
        found[RSP] = cfa
        for number, rule in rules.registers.items():
            value = restored(number, rule, cfa, old, self._memory)
            if value is not None:
                found[number] = value
        pc = found.pop(column, None)
        if pc is None:
            raise End(f"the return address at {cfa - 8:#x} isn't held")
        if not rules.signal and self._untold_push(place, rules, module, pc, cfa):
            place.registers = registers | {RSP: registers[RSP] + 8}
            return self._by_cfi(place, rules, module)
        if pc == 0 and not rules.signal:
            self._zero(cfa)
            raise End
        try:
            exact = rules.signal or self._check(pc, cfa)
        except Overwritten:
            before = self._pushed(cfa - 8)
            if before is None or before.rip != pc:
                raise
            found[RSP], exact = before.rsp, True  # interrupted: the table doesn't say so
        return Place(pc, found, "scan" if self._scanned else "cfi", exact)

    def _untold_push(self, place: Place, rules: "Rules", module: "Module", pc: int, cfa: int) -> bool:
        """Stopped between the pushfq and the popq of inline assembly, of which the tables know nothing."""
        if not place.exact or not isinstance(rules.cfa, tuple) or rules.cfa[0] != RSP or self.is_return(pc):
            return False
        if module.text(place.pc - 1, 1) != b"\x9c":
            return False
        try:
            return self.is_return(self._memory.word(cfa)) is True
        except UnknownMemory:
            return False

    def _zero(self, cfa: int) -> None:
        """A return address of 0 is the end; raise Overwritten when much of the stack is still to come."""
        low, high = self._stack or (cfa, cfa)
        if low <= cfa and high - cfa > _TOP:
            left = high - cfa
            raise Overwritten(f"the return address at {cfa - 8:#x} is 0 with {left} bytes of stack to come")

    def _check(self, pc: int, cfa: int) -> bool:
        """Raise End when ``pc`` can't be a return address. True: it is an instruction's own address."""
        if self.is_return(pc) is not False:
            return False
        module = self.module(pc)
        if self._foreign(pc):
            return False
        if module is None and self.module(pc - 1) is None:
            raise Overwritten(f"smashed: the return address at {cfa - 8:#x} is no known code ({pc:#x})")
        if module is not None:
            function = module.function(pc)
            if function is not None and pc - function[1] in (0, 1):
                return True  # made by hand: where a thread starts, or what its first function returns to
            rules = module.cfi(pc)
            if rules is not None and rules.signal:
                return True  # the kernel pushed it, no call did
        raise Overwritten(f"smashed: the return address at {cfa - 8:#x} follows no call ({pc:#x})")

    def _beyond(self, place: Place, lost: Overwritten) -> Place:
        """Past an overwritten return address, once: by a search of the stack, and saying so."""
        start = place.cfa if lost.at is None else lost.at
        if self._scanned or start is None:
            raise lost
        try:
            caller = self._by_scan(Place(place.pc, {RSP: start}, "scan", place.exact))
        except End as end:
            raise lost from end
        self.say(f"{lost.note}; what follows was found by searching the stack")
        return caller
