"""Unwinding: a thread's registers and memory to its frames, each with how far it can be trusted."""

import time
from collections import deque
from collections.abc import Mapping, Sequence

from uniobs.image.steps import NAMES, RIP, RSP, End, Place, Stepper
from uniobs.lean import TYPE_CHECKING, Final
from uniobs.model.guest import Frame, Registers

if TYPE_CHECKING:
    from uniobs.image.module import Module
    from uniobs.memory.base import AddressSpace

_STEPS: Final = 100_000  # frames that are walked at most, shown or not
_SECONDS: Final = 2.0  # for a stack of garbage that leads on and on
_LAST: Final = 4  # the outermost frames that are shown of a stack longer than the limit


def _expand(stepper: Stepper, place: Place, level: int) -> list[Frame]:
    """A place's frames, innermost first: inlined callees are frames of their own."""
    module = stepper.module(place.lookup)
    sp = place.registers.get(RSP)
    if module is None:
        return [Frame(level, place.pc, None, None, None, place.trust, cfa=place.cfa, sp=sp)]
    sources = module.symbolise(place.pc, not place.exact)
    function = module.function(place.lookup)
    unproven = module.differs(place.lookup)
    frames: list[Frame] = []
    for number, source in enumerate(sources):
        outer = sources[number + 1].function if source.inlined and number + 1 < len(sources) else None
        offset = place.pc - function[1] if function and not source.inlined else None
        frames.append(
            Frame(
                level + number,
                place.pc,
                source.function,
                source.file,
                source.line,
                place.trust,
                inlined_into=outer,
                module=module.name,
                offset=offset,
                unproven=unproven,
                cfa=place.cfa,
                sp=sp,
            )
        )
    return frames


def _width(stepper: Stepper, place: Place) -> int:
    """How many frames a place expands to."""
    module = stepper.module(place.lookup)
    return max(1, len(module.symbolise(place.pc, not place.exact))) if module else 1


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
    frames: list[Frame] = []
    tail: deque[tuple[int, Place]] = deque(maxlen=_LAST)
    seen: set[tuple[int, int | None]] = set()
    level, room = 0, max(1, limit - _LAST)
    note: str | None = None
    until = time.monotonic() + _SECONDS
    while True:
        seen.add((place.pc, place.registers.get(RSP)))
        try:
            caller = stepper.step(place)
        except End as end:
            caller, note = None, end.note
        width = _width(stepper, place)
        if level < room:
            frames += _expand(stepper, place, level)
        else:
            tail.append((level, place))
        level += width
        if caller is None:
            break
        if (caller.pc, caller.registers.get(RSP)) in seen:
            note = "the stack leads back into itself"
            break
        if len(seen) >= _STEPS or (not len(seen) & 255 and time.monotonic() > until):
            note = f"stopped after {level} frames"
            break
        place = caller
    for number, last in tail:
        frames += _expand(stepper, last, number)
    note = "; ".join(part for part in (stepper.note, note) if part) or None
    hidden = level - len(frames)
    if hidden:
        first = next(i for i, frame in enumerate(frames) if frame.level != i)
        between = f"{hidden} of {level} frames not shown, between #{first - 1} and #{frames[first].level}"
        note = f"{between}; {note}" if note else between
    return tuple(frames), note
