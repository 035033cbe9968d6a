"""The functions that a thread stands in, by symbols alone: cheap enough for a table of threads."""

from typing import Any, Final

from uniobs.errors import UniobsError
from uniobs.model.guest import Registers

FRAMES_MAX: Final = 24


def functions(
    module: Any, space: Any, registers: Registers, stack: tuple[int, int] | None = None
) -> list[str]:
    """Innermost first, without inlined ones; as far as unwind tables and frame pointers lead."""
    from uniobs.image.climb import RIP, RSP
    from uniobs.image.steps import NAMES, End, Place, Stepper

    pc = registers.get("rip")
    if pc is None:
        return []
    values = registers.values
    known = {n: values[name] for n, name in enumerate(NAMES) if n != RIP and name in values}
    stepper = Stepper([module], space, stack)
    place = Place(pc, known, "registers", not stepper.is_return(pc))
    found: list[str] = []
    seen: set[tuple[int, int | None]] = set()
    while len(found) < FRAMES_MAX and (key := (place.pc, place.registers.get(RSP))) not in seen:
        seen.add(key)
        function = module.function(place.lookup)
        if function is None or place.trust == "scan":
            break
        found.append(function[0])
        try:
            place = stepper.step(place)
        except (End, UniobsError):
            break
    return found


def inlined(module: Any, registers: Registers) -> list[str]:
    """The functions that were inlined around the place where it goes on, innermost first."""
    pc = registers.get("rip")
    if pc is None:
        return []
    return [frame.function for frame in module.symbolise(pc, True) if frame.function]
