"""Crash: the guest panicked, and its panic record says why."""

from datetime import UTC, datetime
from typing import Any

from uniobs.errors import NotOffered
from uniobs.model import fault
from uniobs.model.guest import Panic, Stack, Thread, Verdict
from uniobs.model.text import span_text
from uniobs_probes.verdicts._place import answer, died_at, short_spot, spot, spots, thread_name
from uniobs_probes.verdicts._sites import heap_line, site_lines

STACK_LINES = 6


def rule(target: Any) -> list[Verdict]:
    try:
        panic = target.walker("panic").panic()
    except NotOffered:
        return []
    return [] if panic is None else [_verdict(target, panic)]


def crashed_thread(target: Any, panic: Panic) -> Thread | None:
    """The thread that panicked; one made up of its id when the table doesn't hold it."""
    found = next((t for t in answer(target, "threads") if t.tid == panic.tid), None)
    return found if found is not None else Thread(panic.tid) if panic.tid is not None else None


def _verdict(target: Any, panic: Panic) -> Verdict:
    thread = crashed_thread(target, panic)
    stack = target.stack(thread) if thread is not None else Stack(0, error="no thread is named")
    frame = died_at(stack, panic.kind)
    name = thread_name(thread, panic.tid)
    lines = [f"thread    {name}" + (f" (tid {panic.tid})" if thread is not None and thread.name else "")]
    lines.append(f"cause     {fault.cause(panic)}")
    if panic.message and panic.kind not in fault.TELLING:
        lines.append(f"said      {panic.message}")
    unknown = []
    if frame is not None:
        lines.append(f"at        {spot(frame)}")
        lines.extend(_instruction(target, panic))
    else:
        rip = panic.registers.get("rip") if panic.registers is not None else None
        lines.append(f"at        {rip:#x}" if rip is not None else "at        an unknown address")
        unknown.append(f"the line ({stack.error or 'no image tells it'})")
    after = [f for f in stack.frames if frame is not None and f.level > frame.level]
    lines.extend(f"from      {text}" for text in spots(after, STACK_LINES))
    if panic.time_ns is not None:
        lines.append(f"when      {span_text(panic.time_ns)} after boot{_wall(target, panic.time_ns)}")
    if panic.kind == "oom":
        lines += [*heap_line(target), *site_lines(target)]
    if panic.registers is None:
        unknown.append("registers (the panic record has none)")
    where = short_spot(frame) if frame is not None else "an unknown place"
    return Verdict(
        name=fault.VERDICT_NAMES.get(panic.kind, "crash"),
        headline=f"{fault.short_cause(panic)} in {where}",
        severity=0,
        threads=(panic.tid,) if panic.tid else (),
        lines=tuple(lines),
        unknown=tuple(unknown),
        title=f"is DEAD: {fault.short_cause(panic)} in {where}",
    )


def _wall(target: Any, time_ns: int) -> str:
    """The date, when the guest has a wall clock."""
    region = target.region
    begun = region.clock.anchor_wall_ns if region is not None else 0
    if not begun:
        return ""
    try:
        when = datetime.fromtimestamp((begun + time_ns) // 10**9, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return ""
    return f", {when:%Y-%m-%d %H:%M:%S} UTC"


def _instruction(target: Any, panic: Panic) -> list[str]:
    """The faulting instruction and the registers it names."""
    from uniobs.target.instruction import instruction_text

    if panic.kind not in fault.TELLING or panic.registers is None:
        return []
    text = instruction_text(target, panic.registers)
    return [f"doing     {text}"] if text else []
