"""Locks: who holds each, who waits for whom, and the circles in that."""

from collections.abc import Sequence
from typing import Final

from uniobs.cli.report.context import Context
from uniobs.cli.report.model import Edge, LockRow, Locks, Section
from uniobs.model.guest import Lock, Thread

ROWS_MAX: Final = 200
EDGES_MAX: Final = 200


def locks(context: Context) -> Section:
    title = "Locks"
    found = list(context.locks)  # raises when nobody tells
    source = context.source_of("locks")
    edges = waits(context.known_threads, found, context.names)
    if not found and not edges:
        return Section("locks", title, "empty", source=source, reason="there is none")
    found = sorted(found, key=lambda lock: (lock.torn, not (lock.owner_tid or lock.waiters)))
    notes = [f"{len(found) - ROWS_MAX} more locks aren't shown"] if len(found) > ROWS_MAX else []
    if any(lock.kind == "mutex" and not lock.torn and lock.owner_tid is None for lock in found):
        notes.append("who holds some of them isn't known")
    rows = tuple(_row(lock, context) for lock in found[:ROWS_MAX])
    return Section("locks", title, "ok", Locks(rows, edges[:EDGES_MAX]), source, notes=tuple(notes))


def _row(lock: Lock, context: Context) -> LockRow:
    name = lock.name or f"{lock.address:#x}"
    kind = lock.kind or "?"
    if lock.torn:
        return LockRow(name, kind, lock.address, None, "its row was being written", True)
    parts = []
    if lock.kind == "mutex":
        if lock.owner_tid:
            parts.append(f"held by {context.who(lock.owner_tid)}")
        else:
            parts.append("free" if lock.owner_tid == 0 else "who holds it isn't known")
    elif lock.kind in ("sem", "mbox") and lock.value is not None:
        parts.append(f"value {lock.value}")
    if lock.waiters:
        parts.append(f"{lock.waiters} waiting")
    if lock.kind == "mutex" and lock.acquisitions is not None:
        parts.append(f"taken {lock.acquisitions} times, {lock.contended} contended")
    if lock.owner_tid and lock.acquire_pc:
        taken = context.pointers.code(lock.acquire_pc, call=True)
        parts.append(f"taken at {taken or f'{lock.acquire_pc:#x}'}")
    return LockRow(name, kind, lock.address, lock.owner_tid, ", ".join(parts))


def waits(threads: tuple[Thread, ...], found: Sequence[Lock], names: dict[int, str]) -> tuple[Edge, ...]:
    """One edge a thread at most: a thread waits for one thing. Those of circles come first."""
    table = {lock.address: lock for lock in found if not lock.torn}
    tids = {thread.tid for thread in threads}
    edges: dict[int, tuple[str, str, int]] = {}
    for thread in threads:
        wait = thread.wait
        if thread.torn or wait is None or thread.state != "blocked" or wait.object is None:
            continue
        if wait.kind == "mutex":
            lock = table.get(wait.object)
            owner = lock.owner_tid if lock is not None else wait.owner_tid
            if owner:
                name = (lock.name if lock is not None else None) or wait.name or f"{wait.object:#x}"
                edges[thread.tid] = (name, "mutex", owner)
        elif wait.kind == "join" and wait.object in tids:
            edges[thread.tid] = ("its end", "join", wait.object)
    circles = _circles({tid: edge[2] for tid, edge in edges.items()})
    made = [
        Edge(
            tid,
            names.get(tid) or f"tid {tid}",
            what,
            kind,
            owner,
            names.get(owner) or f"tid {owner}",
            circles.get(tid),
        )
        for tid, (what, kind, owner) in edges.items()
    ]
    order = {tid: n for n, tid in enumerate(circles)}
    return tuple(sorted(made, key=lambda edge: (order.get(edge.tid, len(order)), edge.tid)))


def _circles(leads: dict[int, int]) -> dict[int, int]:
    """tid -> number of the circle that it is in; in the order of each circle."""
    found: dict[int, int] = {}
    done: set[int] = set()
    number = 0
    for start in sorted(leads):
        path: dict[int, None] = {}
        at = start
        while at in leads and at not in done and at not in path:
            path[at] = None
            at = leads[at]
        if at in path:
            walk = list(path)
            ring = walk[walk.index(at) :]
            first = ring.index(min(ring))
            found.update(dict.fromkeys(ring[first:] + ring[:first], number))
            number += 1
        done.update(path)
    return found
