"""Spinning: between two reads one thread had a whole CPU, and made no call."""

import time
from contextlib import suppress
from typing import Any

from uniobs.errors import NotOffered
from uniobs.model.guest import Thread, Verdict
from uniobs.model.row import replace
from uniobs_probes.verdicts._loop import endless
from uniobs_probes.verdicts._place import short_spot, spot, thread_name
from uniobs_probes.verdicts._samples import by_looks, stays, thread_stays
from uniobs_probes.views.top import shares

WATCH_S = 0.4
FULL = 90.0  # per cent of a CPU


def rule(target: Any) -> list[Verdict]:
    if not target.live:
        return _by_code(target) if target.status().state == "unknown" else []
    first = target.walker("threads").threads()
    if all(t.idle or t.state not in ("running", "ready") for t in first):
        return []  # nobody wants the CPU: no need to watch
    if by_looks(target):
        # of a hung guest that rule tells
        return [] if target.status().state in ("hung", "dead") else by_samples(target)
    before = {t.tid: t for t in first}
    begun = time.monotonic_ns()
    time.sleep(WATCH_S)
    target.refresh()
    after = target.walker("threads").threads()
    elapsed = time.monotonic_ns() - begun
    cpu = shares(before, tuple(after), elapsed)
    busy = [t for t in after if not t.idle and cpu.get(t.tid, 0.0) >= FULL]
    watched = elapsed / 1e9
    found = []
    for t in busy:
        if (calls := _calls(target, t)) is True:
            continue
        had = f"had {cpu[t.tid]:.0f} % of a CPU over {watched:.1f} s of watching"
        verdict = _verdict(target, t, watched, had if calls is None else f"{had} and made no call")
        found.append(verdict if calls is False else _busy(verdict))
    return found


def _busy(verdict: Verdict) -> Verdict:
    return replace(
        verdict,
        name="busy",
        headline=verdict.headline.replace("spinning", "busy", 1),
        severity=4,
        unknown=(*verdict.unknown, "whether it spins: nothing tells of the calls that it makes"),
        title="has a thread that keeps the CPU BUSY",
    )


def _by_code(target: Any) -> list[Verdict]:
    """One moment: a thread on the CPU in code that can't be left."""
    for thread in target.walker("threads").threads():
        if not thread.current or thread.idle or thread.torn:
            continue
        stack = target.stack(thread)
        if not stack.frames:
            continue
        pc = stack.frames[0].pc
        for module in target.modules:
            if module.holds(pc) and not module.differs(pc) and (name := endless(module, pc)) is not None:
                return [_verdict(target, thread, None, f"stands in a loop of {name} that nothing leaves")]
    return []


def by_samples(target: Any, hung_for: float | None = None) -> list[Verdict]:
    """A vCPU that stays in one function while its scheduler doesn't run; ``hung_for``: known to, so long."""
    before = next((t for t in target.walker("threads").threads() if t.current and not t.idle), None)
    stay = stays(target) if before is not None else None
    target.refresh()
    after = next((t for t in target.walker("threads").threads() if t.current), None)
    if before is None or stay is None or after is None or (after.tid, after.idle) != (before.tid, False):
        return []
    found = _verdict(target, after, stay.seconds, f"all of {stay.samples} looks at its vCPU over"
                     f" {stay.seconds:.1f} s found it in {stay.function}")  # fmt: skip
    if hung_for is None:
        return [found]
    lines = (*found.lines, "no other thread gets the CPU: its scheduler hasn't run")
    return [replace(found, severity=1, title="is HUNG: a thread SPINS", lines=lines, for_at_least_s=hung_for)]


def _calls(target: Any, thread: Thread) -> bool | None:
    """Whether the thread made a call while it was watched, by its trace or by its time in system calls: then
    it works, it doesn't spin. Where nothing tells of calls, one that stays in a function makes none; None:
    not known."""
    tid = thread.tid
    spent = getattr(target.walker("threads"), "system_time", None)
    if spent is not None:
        before = spent(tid)
        time.sleep(WATCH_S / 2)
        target.refresh()
        return bool(before != spent(tid))
    with suppress(NotOffered):
        follow = target.walker("trace").trace()
        follow.poll()
        time.sleep(WATCH_S / 2)
        return any(event.tid == tid and event.phase == "enter" for event in follow.poll())
    if not hasattr(target.walker("threads"), "vitals"):
        return False
    return False if thread_stays(target, thread) else None


def _verdict(target: Any, thread: Thread, watched: float | None, seen: str) -> Verdict:
    stack = target.stack(thread)
    frame = stack.frames[0] if stack.frames else None
    name = thread_name(thread)
    lines = [f"{name}: {seen}" if seen.startswith("all") else f"{name} {seen}"]
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
