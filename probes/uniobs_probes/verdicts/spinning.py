"""Spinning: between two reads one thread had a whole CPU, and made no call."""

import time
from contextlib import suppress
from typing import Any

from uniobs.errors import NotOffered
from uniobs.model.guest import Thread, Verdict
from uniobs_probes.verdicts._place import short_spot, spot, thread_name
from uniobs_probes.views.top import shares

WATCH_S = 0.4
FULL = 90.0  # per cent of a CPU


def rule(target: Any) -> list[Verdict]:
    if not target.live:
        return []
    first = target.walker("threads").threads()
    if all(t.idle or t.state not in ("running", "ready") for t in first):
        return []  # nobody wants the CPU: no need to watch
    before = {t.tid: t for t in first}
    begun = time.monotonic_ns()
    time.sleep(WATCH_S)
    target.refresh()
    after = target.walker("threads").threads()
    elapsed = time.monotonic_ns() - begun
    cpu = shares(before, tuple(after), elapsed)
    busy = [t for t in after if not t.idle and cpu.get(t.tid, 0.0) >= FULL]
    return [_verdict(target, t, cpu[t.tid], elapsed / 1e9) for t in busy if not _calls(target, t.tid)]


def _calls(target: Any, tid: int) -> bool:
    """Whether the thread made a traced call while it was watched: then it works, it doesn't spin."""
    with suppress(NotOffered):
        follow = target.walker("trace").trace()
        follow.poll()
        time.sleep(WATCH_S / 2)
        return any(event.tid == tid and event.phase == "enter" for event in follow.poll())
    return False


def _verdict(target: Any, thread: Thread, share: float, watched: float) -> Verdict:
    stack = target.stack(thread)
    frame = stack.frames[0] if stack.frames else None
    name = thread_name(thread)
    lines = [f"{name} had {share:.0f} % of a CPU over {watched:.1f} s of watching and made no call"]
    unknown = []
    if frame is not None:
        lines.append(f"at        {spot(frame)}")
        lines.extend(f"from      {spot(outer)}" for outer in stack.frames[1:5])
    else:
        unknown.append(f"where it spins ({stack.error or 'no stack'})")
    return Verdict(
        name="spinning",
        headline=f"spinning: {name} in {short_spot(frame)}" if frame is not None else f"spinning: {name}",
        severity=2,
        threads=(thread.tid,),
        lines=tuple(lines),
        unknown=tuple(unknown),
        title="has a SPINNING thread",
        for_at_least_s=watched,
    )
