"""Deadlock: a cycle of threads, each waiting for a mutex that the next one holds (or for its end)."""

from typing import Any

from uniobs.model.guest import Lock, Thread, Verdict
from uniobs.model.row import frozen
from uniobs.model.text import pad
from uniobs_probes.verdicts._place import answer, place_text, spot, thread_name, waits_at
from uniobs_probes.views._facts import guest_now


@frozen
class Edge:
    """``thread`` waits for ``owner``; ``lock`` is None when it waits for the owner's end (join)."""

    thread: Thread
    owner: int
    lock: Lock | None


def wait_graph(threads: dict[int, Thread], locks: dict[int, Lock]) -> dict[int, Edge]:
    """One edge a thread at most: a thread waits for one thing."""
    edges = {}
    for thread in threads.values():
        wait = thread.wait
        if thread.torn or wait is None or thread.state != "blocked" or wait.object is None:
            continue
        if wait.until_ns is not None:
            continue  # it gives up by itself
        if wait.kind == "mutex":
            lock = locks.get(wait.object)
            owner = lock.owner_tid if lock is not None and not lock.torn else wait.owner_tid
            if owner:
                edges[thread.tid] = Edge(thread, owner, lock)
        elif wait.kind == "join" and wait.object in threads:
            edges[thread.tid] = Edge(thread, wait.object, None)
    return edges


def cycles(edges: dict[int, Edge]) -> list[list[Edge]]:
    """Each cycle once, beginning with its lowest thread id."""
    found: list[list[Edge]] = []
    done: set[int] = set()
    for start in sorted(edges):
        path: list[int] = []
        at = start
        while at in edges and at not in done and at not in path:
            path.append(at)
            at = edges[at].owner
        if at in path:
            ring = path[path.index(at) :]
            first = ring.index(min(ring))
            found.append([edges[tid] for tid in ring[first:] + ring[:first]])
        done.update(path)
    return found


def rule(target: Any) -> list[Verdict]:
    threads = {thread.tid: thread for thread in target.walker("threads").threads()}
    locks = {lock.address: lock for lock in answer(target, "locks")}
    now = guest_now(target)
    graph = wait_graph(threads, locks)
    return [_verdict(target, cycle, threads, graph, now) for cycle in cycles(graph)]


def _lock_name(lock: Lock) -> str:
    return lock.name or f"{lock.address:#x}"


def _verdict(
    target: Any, cycle: list[Edge], threads: dict[int, Thread], graph: dict[int, Edge], now: int | None
) -> Verdict:
    names = [thread_name(edge.thread) for edge in cycle]
    held = [_held(cycle, n) for n in range(len(cycle))]
    lines, unknown = [], []
    name_cells = max(len(name) for name in names)
    lock_cells = max(len(_lock_name(lock)) if lock is not None else 0 for lock in held)
    waits = [_waits(edge, names[(n + 1) % len(names)]) for n, edge in enumerate(cycle)]
    wait_cells = max(len(text) for text in waits)
    for n, edge in enumerate(cycle):
        stack = target.stack(edge.thread)
        lock = held[n]
        holds = f"holds {pad(_lock_name(lock), lock_cells)}" if lock is not None else " " * (6 + lock_cells)
        at = f"at {spot(waits_at(stack))}" if stack.frames else "at an unknown line"
        lines.append(f"{pad(names[n], name_cells)}   {holds}   {pad(waits[n], wait_cells)}   {at}")
        if not stack.frames:
            unknown.append(f"where {names[n]} waits ({stack.error or 'no stack'})")
    for n, lock in enumerate(held):
        if lock is None:
            continue
        text = place_text(target, lock.acquire_pc)
        if text is not None:
            lines.append(f"{_lock_name(lock)} was locked by {names[n]} at {text}")
        elif lock.acquire_pc:
            lines.append(f"{_lock_name(lock)} was locked by {names[n]} at {lock.acquire_pc:#x}")
            unknown.append("which lines those addresses are (no image: --image FILE)")
        else:
            unknown.append(f"where {names[n]} locked {_lock_name(lock)}")
    ring = {edge.thread.tid for edge in cycle}
    behind = [edge for edge in graph.values() if edge.thread.tid not in ring and _leads(edge, graph, ring)]
    for edge in behind[:8]:
        what = f"waits for {_lock_name(edge.lock)}, " if edge.lock is not None else ""
        lines.append(f"{thread_name(edge.thread)} {what}stuck behind them")
    since = [edge.thread.wait.since_ns for edge in cycle if edge.thread.wait is not None]
    begun = max((value for value in since if value is not None), default=None)
    whole = begun is not None and None not in since and now is not None and now >= begun
    return Verdict(
        name="deadlock",
        headline="deadlock: "
        + (" <-> " if len(names) == 2 else " -> ").join(names if len(names) <= 2 else [*names, names[0]]),
        severity=1,
        threads=tuple(edge.thread.tid for edge in cycle),
        locks=tuple(edge.lock.address for edge in cycle if edge.lock is not None),
        lines=tuple(lines),
        unknown=tuple(dict.fromkeys(unknown)),
        title="has DEADLOCKED threads" if len(names) > 1 else "has a thread DEADLOCKED with itself",
        for_at_least_s=(now - begun) / 1e9 if whole and now is not None and begun is not None else None,
    )


def _waits(edge: Edge, owner: str) -> str:
    return f"waits for {_lock_name(edge.lock)}" if edge.lock is not None else f"waits for the end of {owner}"


def _held(cycle: list[Edge], n: int) -> Lock | None:
    """The lock that thread n of the cycle holds: what the one before it waits for."""
    return cycle[n - 1].lock


def _leads(edge: Edge, graph: dict[int, Edge], ring: set[int]) -> bool:
    seen: set[int] = set()
    at = edge.owner
    while at not in seen:
        if at in ring:
            return True
        seen.add(at)
        if at not in graph:
            return False
        at = graph[at].owner
    return False
