"""Where a guest's vCPUs stand, looked at several times: for guests that don't count CPU time as it goes."""

import time
from collections import Counter
from typing import Any, Final, NamedTuple

from uniobs.errors import UniobsError
from uniobs.model.guest import Thread

ROUNDS: Final = 8
APART_S: Final = 0.05


class Stay(NamedTuple):
    """One function in which every sample of a vCPU lay."""

    cpu: int | None
    function: str
    samples: int
    seconds: float


def by_looks(target: Any) -> bool:
    """Whether looks at its vCPUs are what tells: its threads' CPU time isn't counted while they run."""
    walker = target.walker("threads")
    counts = getattr(walker, "counts_cpu_time", False)
    return target.live and getattr(walker, "vitals", None) is not None and not counts


def stays(target: Any) -> Stay | None:
    """The function in which a busy vCPU stays; None when none does, or registers or images aren't known."""
    begun = time.monotonic()
    held: dict[int | None, set[tuple[str, int]]] = {}
    for number in range(ROUNDS):
        if number:
            time.sleep(APART_S)
            target.refresh()
        try:
            cpus = target.registers()
        except UniobsError:
            return None
        for registers in cpus:
            rip = registers.get("rip")
            found = None if rip is None or registers.get("halted") else _function(target, rip)
            held.setdefault(registers.cpu, set()).add(found or ("", 0))
    elapsed = time.monotonic() - begun
    for cpu, places in held.items():
        if len(places) == 1 and (name := next(iter(places))[0]):
            from uniobs.image.demangle import display

            return Stay(cpu, display(name), ROUNDS, elapsed)
    return None


def thread_stays(target: Any, thread: Thread) -> bool:
    """Whether looks at a busy thread find it in one function, but for one that may have met an interrupt."""
    is_on = getattr(target.walker("threads"), "is_on", None)
    if is_on is None:
        stay = stays(target)
        return stay is not None and stay.cpu in (None, thread.cpu)
    places: Counter[tuple[str, int] | None] = Counter()
    for number in range(2 * ROUNDS):
        if number:
            time.sleep(APART_S)
            target.refresh()
        try:
            mine = [r for r in target.registers() if r.get("rip") is not None and is_on(thread, r)]
        except UniobsError:
            return False
        places.update(_function(target, r.values["rip"]) for r in mine)
        if places.total() >= ROUNDS:
            break
    (place, count), *_ = places.most_common(1) or [(None, 0)]
    return place is not None and places.total() >= ROUNDS and count >= places.total() - 1


def _function(target: Any, rip: int) -> tuple[str, int] | None:
    for module in target.modules:
        found = module.function(rip)
        if found is not None:
            return found[0], found[1]
    return None
