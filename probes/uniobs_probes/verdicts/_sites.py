"""The heap, and the call sites that hold most of it."""

from contextlib import suppress
from typing import Any

from uniobs.errors import NotOffered
from uniobs.model.guest import Heap
from uniobs.model.text import size_text
from uniobs_probes.verdicts._place import answer, place_text

TOP = 3


def heap_of(target: Any) -> Heap | None:
    with suppress(NotOffered):
        heap: Heap = target.walker("heap").heap()
        return None if heap.torn else heap
    return None


def heap_line(target: Any) -> list[str]:
    heap = heap_of(target)
    if heap is None:
        return []
    text = f"heap      {size_text(heap.used)} of {size_text(heap.total)} used"
    if heap.peak is not None:
        text += f", peak {size_text(heap.peak)}"
    if heap.largest_free is not None:
        text += f", largest free piece {size_text(heap.largest_free)}"
    if heap.failures:
        text += f"; {heap.failures} allocations failed"
    return [text]


def site_lines(target: Any) -> list[str]:
    """holds 12M in 3072 pieces  kv.c:88  store_put"""
    sites = [s for s in answer(target, "sites") if not s.torn and s.live_bytes]
    sites.sort(key=lambda s: s.live_bytes or 0, reverse=True)
    lines = []
    for site in sites[:TOP]:
        text = place_text(target, site.pc) or f"{site.pc:#x}"
        pieces = f" in {site.live_count} pieces" if site.live_count is not None else ""
        lines.append(f"holds     {size_text(site.live_bytes)}{pieces}   {text}")
    return lines
