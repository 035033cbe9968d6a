"""Hung: there is work, and the scheduler hasn't run for the limit."""

from typing import Any

from uniobs.model.guest import Thread, Verdict
from uniobs_probes.verdicts._place import answer, short_spot, spot, thread_name
from uniobs_probes.verdicts._samples import by_looks
from uniobs_probes.verdicts.spinning import by_samples
from uniobs_probes.views._facts import live_header


def rule(target: Any) -> list[Verdict]:
    status = target.status()
    if status.state != "hung":
        return []
    if by_looks(target):
        found = by_samples(target, status.for_at_least_s or 0.0)
        if found:
            return found
    threads = answer(target, "threads")
    current = next((t for t in threads if t.current), None)
    lines = [f"no thread has been switched: {status.reason}"]
    unknown = list(status.unknown)
    name = "an unknown thread"
    frame = None
    if current is not None:
        name = thread_name(current)
        stack = target.stack(current)
        frame = stack.frames[0] if stack.frames else None
        lines.append(f"{name} holds the CPU" + (f"   at {spot(frame)}" if frame is not None else ""))
        lines.extend(f"from      {spot(outer)}" for outer in stack.frames[1:5])
        if frame is None:
            unknown.append(f"where {name} is ({stack.error or 'no stack'})")
    else:
        unknown.append("which thread holds the CPU")
    lines.extend(_timer(target))
    waiting = _ready(threads)
    if waiting:
        lines.append(f"ready and not let run: {waiting}")
    where = f": {name} in {short_spot(frame)}" if frame is not None else f": {name} holds the CPU"
    return [
        Verdict(
            name="hung",
            headline=f"hung{where}",
            severity=1,
            threads=(current.tid,) if current is not None else (),
            lines=tuple(lines),
            unknown=tuple(unknown),
            title="is HUNG",
            for_at_least_s=status.for_at_least_s,
        )
    ]


def _ready(threads: Any) -> str:
    names = [thread_name(t) for t in threads if isinstance(t, Thread) and t.state == "ready" and not t.idle]
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _timer(target: Any) -> list[str]:
    """Whether the timer still ticks tells a loop from a loop with interrupts off."""
    before = live_header(target)
    if before is None or not target.live:
        return []
    import time

    time.sleep(0.1)
    target.refresh()
    after = live_header(target)
    if after is None:
        return []
    if after.tick_count != before.tick_count:
        return ["its timer still ticks: the code loops without giving way"]
    return ["its timer doesn't tick either: interrupts are off, or the vCPU is stopped"]
