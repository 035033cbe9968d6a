"""Unwinding on aarch64: by call tables, else by the chain of frame records (AAPCS64, 6.4.6).

Registers by DWARF's numbers: x0 to x30 are 0 to 30 (29 the frame pointer, 30 the link register), sp is 31.
"""

from collections.abc import Sequence

from uniobs.errors import UnknownMemory
from uniobs.image.stackread import StackReader
from uniobs.image.undo import MASK, cfa_of, restored
from uniobs.lean import TYPE_CHECKING, Final, NamedTuple
from uniobs.model.guest import Frame, Registers

if TYPE_CHECKING:
    from uniobs.image.dwarf.cfa import Rules
    from uniobs.image.module import Module
    from uniobs.memory.base import AddressSpace
    from uniobs.model.guest import Trust

FP, LR, SP = 29, 30, 31
NAMES: Final = (*(f"x{number}" for number in range(31)), "sp")
SAVED: Final = range(19, 30)  # callee-saved: unchanged unless the table says otherwise
FRAMES_MAX: Final = 128
REACH: Final = 8 << 20  # the furthest a frame may be from sp when the stack's bounds aren't known


class Place(NamedTuple):
    """A frame before it has names. ``exact``: pc is the instruction itself, not a return address."""

    pc: int
    registers: dict[int, int]
    trust: "Trust"
    exact: bool
    cfa: int | None = None

    @property
    def lookup(self) -> int:
        return self.pc if self.exact else self.pc - 4


class End(Exception):
    """The walk ends here; ``note`` says why, None when this is the stack's proper end."""

    def __init__(self, note: str | None = None) -> None:
        super().__init__(note)
        self.note = note


def unwind(
    modules: "Sequence[Module]",
    space: "AddressSpace",
    registers: Registers,
    *,
    stack: tuple[int, int] | None = None,
) -> tuple[tuple[Frame, ...], str | None]:
    """(frames, note), as uniobs.image.unwind.unwind. At most 128 frames are walked."""
    values = registers.values
    pc = values.get("pc")
    if pc is None:
        return (), "its registers aren't known (no pc)"
    known = {number: values[name] for number, name in enumerate(NAMES) if name in values}
    place = Place(pc, known, "registers", True)
    walker = _Walker(modules, StackReader(space), stack)
    frames: list[Frame] = []
    seen: set[tuple[int, int | None]] = set()
    for _ in range(FRAMES_MAX):
        seen.add((place.pc, place.registers.get(SP)))
        try:
            caller = walker.step(place)
        except End as end:
            frames += walker.named(place, len(frames))
            return tuple(frames), end.note
        frames += walker.named(place._replace(cfa=caller.registers.get(SP)), len(frames))
        if (caller.pc, caller.registers.get(SP)) in seen:
            return tuple(frames), "the stack leads back into itself"
        place = caller
    return tuple(frames), f"stopped after {len(frames)} frames"


class _Walker:
    def __init__(
        self, modules: "Sequence[Module]", memory: StackReader, stack: tuple[int, int] | None
    ) -> None:
        self._modules = modules
        self._memory = memory
        self._stack = stack

    def module(self, pc: int) -> "Module | None":
        return next((module for module in self._modules if module.holds(pc)), None)

    def step(self, place: Place) -> Place:
        """The caller of ``place``. Raises End."""
        module = self.module(place.lookup)
        rules = module.cfi(place.lookup) if module is not None else None
        if rules is not None and (caller := self._by_cfi(place, rules)) is not None:
            return caller
        return self._by_record(place)

    def _by_cfi(self, place: Place, rules: "Rules") -> Place | None:
        """None when a register that the table needs isn't known."""
        old = place.registers
        try:
            cfa = cfa_of(rules, old, self._memory)
        except UnknownMemory as error:
            raise End(f"the stack isn't held at {error.address:#x}") from error
        if cfa is None:
            return None
        column = rules.return_column
        how = rules.registers.get(column)
        if how is not None and how[0] == "undefined":
            raise End
        if how is None and not place.exact and not rules.signal:
            return None  # a call went out of it, so its link register is gone: the table is wrong here
        self._ascends(cfa, old.get(SP), leaf=place.exact)
        low, high = self._stack or (0, MASK)
        if low <= old.get(SP, -1) <= high < cfa and not rules.signal:
            raise End(f"smashed: {cfa:#x} follows {old[SP]:#x}, which leads out of its stack")
        found = {n: old[n] for n in (old if rules.signal else SAVED) if n in old and n not in rules.registers}
        found[SP] = cfa
        for number, rule in rules.registers.items():
            value = restored(number, rule, cfa, old, self._memory)
            if value is not None:
                found[number] = value
        pc = found.pop(column, None) if how is not None else old.get(column)
        if pc is None:
            raise End("the return address isn't held")
        return self._credible(pc, found, "cfi", rules.signal)

    def _by_record(self, place: Place) -> Place:
        """x29 points to {the caller's x29, its return address}, 0 at the end of the chain.

        A function without a record of its own isn't told from one with: its caller is then left out, so
        only a frame that a record led to, or that stopped after it stored its own, is believed.
        """
        record, sp = place.registers.get(FP), place.registers.get(SP)
        if record is None or sp is None:
            raise End("neither a call table nor a frame pointer leads further")
        if record == 0:
            raise End
        if place.exact and not self._stored(place, record):
            raise End("no call table leads further, and whether it has a frame record isn't known")
        low, high = (sp, self._stack[1]) if self._stack is not None else (sp, sp + REACH)
        if record % 16 or not low <= record <= high - 16:
            raise End(f"the frame record at {record:#x} isn't on the stack")
        try:
            saved, pc = self._memory.word(record), self._memory.word(record + 8)
        except UnknownMemory as error:
            raise End(f"the stack isn't held at {error.address:#x}") from error
        if pc == 0:
            raise End
        return self._credible(pc, {FP: saved, SP: record + 16}, "frame-pointer", False)

    def _stored(self, place: Place, record: int) -> bool:
        """Whether a function that is stopped somewhere has its record: the last of `mov x29, sp` (or
        `add x29, sp, #n`) and `ldp x29, x30` in its code up to there is the former."""
        module = self.module(place.pc)
        function = module.function(place.pc) if module is not None else None
        if module is None or function is None or place.pc - function[1] > 1 << 12:
            return False
        code = module.text(function[1], place.pc - function[1])
        stored = False
        for at in range(0, len(code) - 3, 4):
            word = int.from_bytes(code[at : at + 4], "little")
            if word & 0xFFC003FF == 0x910003FD:
                stored = True
            elif word & 0xFE407FFF == 0xA8407BFD:
                stored = False
        return stored

    def _credible(self, pc: int, registers: dict[int, int], trust: "Trust", signal: bool) -> Place:
        """Raises End for what no call can have left. Signatures of pointers are taken off (Armv8.3)."""
        pc = pc & (1 << 48) - 1 if not pc >> 55 & 1 else pc | MASK << 48 & MASK
        module = self.module(pc if signal else pc - 4)
        if pc == 0:
            raise End
        if module is None:
            raise End(f"the return address {pc:#x} is in no known code")
        if not signal and not _is_call(module.text(pc - 4, 4)):
            raise End(f"the return address {pc:#x} follows no call")
        return Place(pc, registers, trust, signal)

    def _ascends(self, cfa: int, sp: int | None, leaf: bool) -> None:
        if sp is not None and (cfa < sp or (cfa == sp and not leaf)):
            raise End(f"the stack doesn't ascend: {cfa:#x} follows {sp:#x}")

    def named(self, place: Place, level: int) -> list[Frame]:
        """A place's frames, innermost first: inlined callees are frames of their own."""
        module = self.module(place.lookup)
        sp = place.registers.get(SP)
        if module is None:
            return [Frame(level, place.pc, None, None, None, place.trust, cfa=place.cfa, sp=sp)]
        sources = module.symbolise(place.pc, not place.exact)
        function = module.function(place.lookup)
        unproven = module.differs(place.lookup)
        frames = []
        for number, source in enumerate(sources):
            outer = sources[number + 1].function if source.inlined and number + 1 < len(sources) else None
            frames.append(
                Frame(
                    *(level + number, place.pc, source.function, source.file, source.line, place.trust),
                    inlined_into=outer,
                    module=module.name,
                    offset=place.pc - function[1] if function and not source.inlined else None,
                    unproven=unproven,
                    cfa=place.cfa,
                    sp=sp,
                )
            )
        return frames


def _is_call(code: bytes) -> bool:
    """BL, or BLR in any of its forms (Arm ARM, C4.1.95)."""
    word = int.from_bytes(code, "little") if len(code) == 4 else 0
    return word >> 26 == 0x25 or word & 0xFEFFF000 == 0xD63F0000
