"""top: threads by the CPU time between two reads."""

from collections.abc import Callable
from typing import Any

from uniobs.model.guest import Thread
from uniobs.model.row import replace
from uniobs.model.text import size_text, span_text
from uniobs.model.view import Column, Table
from uniobs_probes.views import ps
from uniobs_probes.views._facts import Facts, ask, heap_of, overflow_notes, torn_note


def shares(before: dict[int, Thread], after: tuple[Thread, ...], elapsed_ns: float) -> dict[int, float]:
    """tid -> per cent of one CPU, for threads whose CPU time is known at both ends."""
    found = {}
    for thread in after:
        old = before.get(thread.tid)
        if old is None or old.cpu_time_ns is None or thread.cpu_time_ns is None or elapsed_ns <= 0:
            continue
        if thread.cpu_time_ns >= old.cpu_time_ns and old.started_ns == thread.started_ns:
            found[thread.tid] = min(100.0, 100.0 * (thread.cpu_time_ns - old.cpu_time_ns) / elapsed_ns)
    return found


class Top:
    name = "top"
    title = "Threads by CPU time"
    columns: tuple[Column, ...] = ps.COLUMNS
    default = ps.DEFAULT
    needs = frozenset({"threads"})
    identity = ("tid",)

    def rows(self, target: Any, **options: Any) -> Table:
        """One screen; %CPU is since each thread's start, since there was no earlier read."""
        return self._table(target, Facts(target), None, **options)

    def sampler(self, target: Any) -> Callable[..., Table]:
        """A function whose every call is a screen with %CPU since the call (or this) before."""
        first = Facts(target)
        threads = {t.tid: t for t in first.threads}
        at = target.clock_ns()

        def sample(**options: Any) -> Table:
            nonlocal threads, at
            if not target.live and (target.kind != "recording" or target.clock_ns() == at):
                return self.rows(target, **options)
            target.refresh()
            facts = Facts(target)
            now = target.clock_ns()
            cpu = shares(threads, facts.threads, now - at)
            threads, at = {t.tid: t for t in facts.threads}, now
            return self._table(target, facts, cpu, **options)

        return sample

    def _table(
        self, target: Any, facts: Facts, cpu: dict[int, float] | None, *, sort: str | None = None, **_: Any
    ) -> Table:
        rows = ps.rows_of(facts)
        if cpu is not None:
            rows = [replace(row, pcpu=None if row.tid not in cpu else round(cpu[row.tid], 1)) for row in rows]
        column = (sort or "pcpu").lstrip("-")  # +COL ascends, anything else descends
        rows = ps.sort_rows(rows, [column if column.startswith("+") else f"-{column}"])
        notes = torn_note(facts.threads, "threads") + overflow_notes(target, "thread")
        if cpu is None:
            notes.append("%CPU is since each thread's start: nothing runs between two reads of this")
        picked = tuple(column for column, _ in ps.chosen(ps.DEFAULT))
        return Table(picked, rows, tuple(notes), summary=(*_header(target, facts, rows, cpu is not None), ""))


def _header(target: Any, facts: Facts, rows: list[ps.Row], two_reads: bool) -> list[str]:
    count = {letter: sum(1 for row in rows if row.stat == letter) for letter in "RSDZ?"}
    idle = [row.pcpu for row in rows if row.idle]
    up = span_text(facts.now_ns)
    lines = [
        f"uniobs top - {target.name} ({target.vmm}), up {up}",
        f"Threads: {len(rows)} total, {count['R']} running, {count['S']} waiting, "
        f"{count['D']} on a mutex, {count['Z']} exited",
    ]
    since = "between two reads" if two_reads else "since boot"
    if idle and all(value is not None for value in idle):
        quiet = sum(value for value in idle if value is not None) / len(idle)
        lines.append(f"%Cpu: {100 - quiet:.1f} busy, {quiet:.1f} idle ({since})")
    else:
        lines.append(f"%Cpu: not known, the guest names no idle thread ({since})")
    heap = heap_of(target)
    if heap is not None:
        free = heap.total - heap.used if heap.total is not None and heap.used is not None else None
        lines.append(
            f"Heap: {size_text(heap.total)} total, {size_text(free)} free, {size_text(heap.used)} used, "
            f"{size_text(heap.peak)} at its highest"
        )
    sockets = ask(target, "sockets")
    if sockets:
        established = sum(1 for s in sockets if s.state == "ESTAB")
        listening = sum(1 for s in sockets if s.state == "LISTEN")
        lines.append(f"Sockets: {len(sockets)} open, {established} established, {listening} listening")
    return lines


view = Top()
