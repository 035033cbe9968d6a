"""Memory: allocations that failed, or a heap that is nearly full, and who holds it."""

from contextlib import suppress
from typing import Any

from uniobs.errors import NotOffered
from uniobs.model.guest import Verdict
from uniobs.model.text import size_text
from uniobs_probes.verdicts._sites import heap_line, heap_of, site_lines

NEARLY_FULL = 0.9


def rule(target: Any) -> list[Verdict]:
    heap = heap_of(target)
    if heap is None or not heap.total or heap.used is None:
        return []
    with suppress(NotOffered):
        panic = target.walker("panic").panic()
        if panic is not None and panic.kind == "oom":
            return []  # the crash tells it
    share = heap.used / heap.total
    if share < NEARLY_FULL and not heap.failures:
        return []
    if share >= NEARLY_FULL:
        name, severity = "heap-full", 3 if not heap.failures else 2
        headline = f"heap {share:.0%} full"
        title = f"has a heap that is {share:.0%} FULL"
    else:
        name, severity = "alloc-failures", 4
        headline = f"{heap.failures} allocations failed"
        free = size_text(heap.total - heap.used)
        title = f"has had {heap.failures} allocations FAIL, though {free} are free now"
    lines = (*heap_line(target), *site_lines(target))
    unknown = () if len(lines) > 1 else ("who holds it (the guest doesn't count by call site)",)
    return [Verdict(name, headline, severity, lines=lines, unknown=unknown, title=title)]
