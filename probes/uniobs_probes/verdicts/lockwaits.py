"""Lock waits: threads that wait for locks whose holders nobody can name, so that a deadlock can't be told.

A futex is an address to the kernel; who holds the lock is for the program's own debug information to say.
What tells a lock from anything else to wait for is its word: 2 is "locked, with waiters" in the locks of
glibc, Rust and Go that sleep on futexes.
"""

import time
from typing import Any, Final

from uniobs.model.guest import Lock, Thread, Verdict
from uniobs.model.text import pad
from uniobs_probes.verdicts._place import answer, spot, thread_name, waits_at

CONTENDED: Final = 2
APART_S: Final = 0.4  # a lock that is only busy is given up between two looks
SHOWN: Final = 8


def rule(target: Any) -> list[Verdict]:
    waits = _waits(target)
    if len({lock.address for _, lock in waits}) < 2:
        return []  # a cycle of waits has at least two threads and two locks
    if target.live:
        begun = time.monotonic()
        time.sleep(APART_S)
        target.refresh()
        before = {(thread.tid, lock.address, thread.cpu_time_ns) for thread, lock in waits}
        after = _waits(target)
        waits = [(t, lock) for t, lock in after if (t.tid, lock.address, t.cpu_time_ns) in before]
        if len({lock.address for _, lock in waits}) < 2:
            return []
        return [_verdict(target, waits, time.monotonic() - begun)]
    return [_verdict(target, waits, None)]


def _waits(target: Any) -> list[tuple[Thread, Lock]]:
    """Threads that wait without a limit, each with its lock, whose owner isn't known."""
    locks = {lock.address: lock for lock in answer(target, "locks") if not lock.torn}
    found = []
    for thread in answer(target, "threads"):
        wait = thread.wait
        if thread.state != "blocked" or wait is None or wait.object is None or wait.until_ns is not None:
            continue
        lock = locks.get(wait.object)
        unknown = lock is not None and lock.kind in (None, "mutex") and lock.owner_tid is None
        if lock is not None and unknown and lock.value == CONTENDED:
            found.append((thread, lock))
    return found


def _verdict(target: Any, waits: list[tuple[Thread, Lock]], watched: float | None) -> Verdict:
    names = [thread_name(thread) for thread, _ in waits]
    cells = max(len(name) for name in names[:SHOWN])
    lines = []
    for name, (thread, lock) in list(zip(names, waits, strict=True))[:SHOWN]:
        stack = target.stack(thread)
        frame = waits_at(stack)
        at = f"   at {spot(frame)}" if frame is not None else ""
        lines.append(f"{pad(name, cells)}   waits for the lock {_name(lock)}, without a time limit{at}")
    if len(waits) > SHOWN:
        lines.append(f"and {len(waits) - SHOWN} more")
    addresses = tuple(dict.fromkeys(lock.address for _, lock in waits))
    who = " and ".join(names[:2]) if len(names) == 2 else f"{names[0]}, {names[1]} and others"
    return Verdict(
        name="lock-waits",
        headline=f"deadlock? {who} wait for locks",
        severity=2,
        threads=tuple(thread.tid for thread, _ in waits),
        locks=addresses,
        lines=tuple(lines),
        unknown=(
            "who holds these locks, so whether it is a deadlock (name the program's ELF with --image too)",
        ),
        title="may be DEADLOCKED: threads wait for locks",
        for_at_least_s=watched,
    )


def _name(lock: Lock) -> str:
    return lock.name or f"{lock.address:#x}"
