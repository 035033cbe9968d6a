"""Unwinding: a thread's registers and memory to its frames, each with how far it can be trusted."""

import time
from collections import deque
from collections.abc import Mapping, Sequence

from uniobs.image.climb import RIP, RSP
from uniobs.image.steps import NAMES, End, Place, Stepper
from uniobs.lean import TYPE_CHECKING, Any, Final, NamedTuple
from uniobs.model.guest import Frame, Registers

if TYPE_CHECKING:
    from uniobs.image.module import Module
    from uniobs.memory.base import AddressSpace
    from uniobs.model.guest import Trust

_STEPS: Final = 100_000  # frames that are walked at most, shown or not
_SECONDS: Final = 2.0  # of CPU for a stack of garbage that leads on and on,
_WAITED: Final = 10.0  # and by the clock: a busy machine's stacks are no shorter
_BELOW: Final = 1 << 20  # how far below its stack a stack pointer is taken for that of an overflow
_GUARD: Final = 4096
_LAST: Final = 4  # the outermost frames that are shown of a stack longer than the limit


_NOWHERE: Final = (None, None, None, None, None, None, False, None)


class _Spot(NamedTuple):
    """A frame that has no names yet. ``exact``: pc is the instruction itself, not a return address."""

    level: int
    pc: int
    exact: bool
    trust: "Trust"
    cfa: int | None
    sp: int | None


class _Naming:
    """From places to frames. What a pc stands for is looked up once."""

    def __init__(self, stepper: Stepper) -> None:
        self._stepper = stepper
        self._known: dict[tuple[int, bool], list[tuple[Any, ...]]] = {}

    def _rows(self, pc: int, exact: bool) -> list[tuple[Any, ...]]:
        """(function, file, line, inlined into, module, offset, unproven, linkage name) of each frame of a pc,
        innermost first: inlined callees are frames of their own."""
        known = self._known.get((pc, exact))
        if known is None:
            known = self._known[pc, exact] = self._look(pc, exact)
        return known

    def _look(self, pc: int, exact: bool) -> list[tuple[Any, ...]]:
        lookup = pc if exact else pc - 1
        module = self._stepper.module(lookup)
        if module is None:
            return [_NOWHERE]
        sources = module.symbolise(pc, not exact)
        function = module.function(lookup)
        unproven = module.differs(lookup)
        found: list[tuple[Any, ...]] = []
        for number, source in enumerate(sources):
            outer = sources[number + 1].function if source.inlined and number + 1 < len(sources) else None
            offset = pc - function[1] if function and not source.inlined else None
            place = (source.function, source.file, source.line)
            found.append((*place, outer, module.name, offset, unproven, source.linkage_name))
        return found or [_NOWHERE]

    def width(self, pc: int, exact: bool) -> int:
        """How many frames a place expands to."""
        return len(self._rows(pc, exact))

    def widths(self, returns: list[int]) -> int:
        """The sum of the widths of return addresses."""
        known = {pc: self.width(pc, False) for pc in set(returns)}
        return sum(map(known.__getitem__, returns))

    def frames(self, spot: _Spot) -> list[Frame]:
        level, (pc, exact, trust, cfa, sp) = spot.level, spot[1:]
        return [
            Frame(level + number, pc, name, file, line, trust, outer, module, offset, unproven, cfa, sp, raw)
            for number, (name, file, line, outer, module, offset, unproven, raw) in enumerate(
                self._rows(pc, exact)
            )
        ]


def _first(stepper: Stepper, registers: Registers | Mapping[str, int]) -> Place | None:
    values = registers.values if isinstance(registers, Registers) else registers
    pc = values.get("rip")
    if pc is None:
        return None
    saved = isinstance(registers, Registers) and registers.source.startswith("saved")
    known = {number: values[name] for number, name in enumerate(NAMES) if number != RIP and name in values}
    return Place(pc, known, "registers", not (saved and stepper.is_return(pc)))


def unwind(
    modules: "Sequence[Module]",
    space: "AddressSpace",
    registers: Registers | Mapping[str, int],
    *,
    limit: int = 128,
    stack: tuple[int, int] | None = None,
) -> tuple[tuple[Frame, ...], str | None]:
    """(frames, note): the innermost frame first; the note says where the walk stopped, and why, unless it
    came to the stack's proper end. ``stack`` is [low, high) if known. Registers whose source starts with
    "saved" are of a switched-out thread: their rip may be a return address.

    At most ``limit`` frames: of a longer stack the innermost and the last few, numbered as they are.
    """
    stepper = Stepper(modules, space, stack)
    place = _first(stepper, registers)
    if place is None:
        return (), "its registers aren't known (no rip)"
    overflow = _overflow(registers, place, stack)
    if overflow is not None:
        stepper.say(overflow)
    walk = _Walk(stepper, limit)
    note = walk.to_the_end(place)
    frames = walk.shown()
    note = "; ".join(part for part in (stepper.note, note) if part) or None
    hidden = walk.level - len(frames)
    if hidden:
        first = next(i for i, frame in enumerate(frames) if frame.level != i)
        last = frames[first].level
        between = f"{hidden} of {walk.level} frames not shown, between #{first - 1} and #{last}"
        note = f"{between}; {note}" if note else between
    return tuple(frames), note


def places(
    modules: "Sequence[Module]",
    space: "AddressSpace",
    registers: Registers | Mapping[str, int],
    *,
    limit: int = 128,
    stack: tuple[int, int] | None = None,
) -> list[Place]:
    """The frames as unwind() finds them, before they have names: each with the registers that are its own."""
    stepper = Stepper(modules, space, stack)
    place = _first(stepper, registers)
    found: list[Place] = []
    while place is not None and len(found) < limit:
        found.append(place)
        try:
            place = stepper.step(place)
        except End:
            break
    return found


def _overflow(
    registers: Registers | Mapping[str, int], place: Place, stack: tuple[int, int] | None
) -> str | None:
    """What is to be said of a stack pointer that isn't in the stack, or of a fault right below it."""
    sp = place.registers.get(RSP)
    if stack is None or sp is None:
        return None
    low, high = stack
    if low - _BELOW <= sp < low:
        return f"stack overflow: rsp is {low - sp} bytes below its stack"
    if not low <= sp <= high:
        return f"rsp ({sp:#x}) isn't in its stack"
    fault = registers.get("cr2") if isinstance(registers, Registers) else None
    if fault is not None and low - _GUARD <= fault < low and sp - low < _GUARD and _is_fault(registers):
        return f"stack overflow: it faulted {low - fault} bytes below its stack"
    return None


def _is_fault(registers: Registers | Mapping[str, int]) -> bool:
    """Whether they were kept at a fault: any others may carry the cr2 of an older one."""
    return isinstance(registers, Registers) and registers.source not in ("QMP", "core note")


class _Walk:
    """The frames of one stack, as many as are shown."""

    def __init__(self, stepper: Stepper, limit: int) -> None:
        self._stepper = stepper
        self._naming = _Naming(stepper)
        self._frames: list[Frame] = []
        self._tail: deque[_Spot] = deque(maxlen=_LAST)
        self._room = max(1, limit - _LAST)
        self._steps = 0
        self._until = time.thread_time() + _SECONDS, time.monotonic() + _WAITED
        self.level = 0

    def shown(self) -> list[Frame]:
        return [*self._frames, *(frame for spot in self._tail for frame in self._naming.frames(spot))]

    def _add(self, pc: int, exact: bool, trust: "Trust", cfa: int | None, sp: int | None) -> None:
        spot = _Spot(self.level, pc, exact, trust, cfa, sp)
        if self.level < self._room:
            self._frames += self._naming.frames(spot)
        else:
            self._tail.append(spot)
        self.level += self._naming.width(pc, exact)

    def to_the_end(self, place: Place) -> str | None:
        """Why it ends where it does; None when that is the stack's proper end."""
        seen: set[tuple[int, int | None]] = set()
        while True:
            if not place.exact:
                place = self._climbed(place)
            seen.add((place.pc, place.registers.get(RSP)))
            caller, note = None, None
            try:
                caller = self._stepper.step(place)
            except End as end:
                note = end.note
            self._add(place.pc, place.exact, place.trust, place.cfa, place.registers.get(RSP))
            if caller is None:
                return note
            if (caller.pc, caller.registers.get(RSP)) in seen:
                return "the stack leads back into itself"
            self._steps += 1
            if self._steps >= _STEPS or (not self._steps & 255 and self._late()):
                return f"stopped after {self.level} frames"
            place = caller

    def _late(self) -> bool:
        return time.thread_time() > self._until[0] or time.monotonic() > self._until[1]

    def _climbed(self, place: Place) -> Place:
        """The first frame from here on that isn't plain."""
        pcs, cfas, above = self._stepper.climb(place, _STEPS - self._steps - 1)
        if not pcs:
            return place
        self._steps += len(pcs)
        trust, sp, at, last = place.trust, place.registers.get(RSP), 0, len(pcs) - _LAST
        while at < len(pcs):
            if self.level >= self._room and at < last:
                self.level += self._naming.widths(pcs[at:last])
                trust, sp, at = above.trust, cfas[last - 1], last
            self._add(pcs[at], False, trust, cfas[at], sp)
            trust, sp, at = above.trust, cfas[at], at + 1
        return above
