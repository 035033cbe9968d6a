"""Busy: what the thread on the CPU of a snapshot has had of it since boot, where that alone can be told."""

from typing import Any, Final

from uniobs.model.guest import Verdict
from uniobs.model.text import span_text
from uniobs_probes.verdicts import spinning
from uniobs_probes.verdicts._place import short_spot, spot, thread_name

LONG_NS: Final = 2 * 10**9
SHARE: Final = 0.5  # of all time since boot


def rule(target: Any) -> list[Verdict]:
    """Of kernels that count CPU time as it goes. Live guests are watched instead."""
    if target.live or getattr(target, "region", None) is not None:
        return []
    walker = target.walker("threads")
    now = walker.now_ns() if getattr(walker, "counts_cpu_time", False) else None
    if not now or target.status().state != "unknown":
        return []
    found = []
    for thread in walker.threads():
        used = thread.cpu_time_ns or 0
        if not thread.current or thread.idle or used < LONG_NS or used < SHARE * now:
            continue
        if spinning.rule(target):
            return []  # proven by its code
        stack = target.stack(thread)
        frame = stack.frames[0] if stack.frames else None
        name = thread_name(thread)
        had = f"{name} is on the CPU, and had it for {span_text(used)} of the {span_text(now)} since boot"
        place = f" in {short_spot(frame)}" if frame is not None else ""
        found.append(
            Verdict(
                name="busy",
                headline=f"busy: {name}{place}",
                severity=4,
                threads=(thread.tid,),
                lines=(had, *(f"from      {spot(f)}" if n else f"at        {spot(f)}"
                              for n, f in enumerate(stack.frames[:5]))),
                unknown=("whether it spins: one moment doesn't show it",),
                title="has a thread that keeps the CPU BUSY",
            )
        )  # fmt: skip
    return found
