"""core show: one plain report, composed of what the other commands say."""

from collections.abc import Callable
from typing import Any

from uniobs.cli import before, render, stacks
from uniobs.cli.commands import bt, why
from uniobs.cli.output import Output
from uniobs.errors import NotOffered, UniobsError
from uniobs.model import registry
from uniobs.model.text import size_text

EVENTS = 20
LINES = 20
SECTIONS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("Threads", "ps", {}),
    ("Sockets", "netstat", {"all": True, "programs": True}),
    ("Interfaces", "interfaces", {}),
    ("Counters", "counters", {}),
)


def show(out: Output, target: Any) -> int:
    """The verdict's exit code."""
    if out.json:
        return _json(out, target)
    code = why.explain(out, target, commands=False)
    _section(out, "Registers", lambda: _registers(out, target))
    _section(out, "Stacks", lambda: bt.show(out, target))
    for title, view, options in SECTIONS:
        _section(out, title, lambda view=view, options=options: _table(out, target, view, options))  # type: ignore[misc]
    _section(out, "Locks", lambda: _locks(out, target))
    _section(out, "Heap", lambda: _heap(out, target))
    _section(out, "Last calls", lambda: _events(out, target))
    _section(out, "Last log lines", lambda: _log(out, target))
    return code


def _section(out: Output, title: str, body: Callable[[], object]) -> None:
    out.line()
    out.line(f"== {title}", "head")
    try:
        body()
    except NotOffered as error:
        out.line(f"not offered: {error}", "dim")
    except UniobsError as error:
        out.line(f"not known: {error}", "warn")


def _table(out: Output, target: Any, view: str, options: dict[str, Any]) -> None:
    table = registry.load(registry.VIEWS, view).rows(target, **options)
    for line in render.text_lines(table) if table.rows else ["none"]:
        out.line(line)
    for note in table.notes:
        out.line(f"({note})", "dim")


def _registers(out: Output, target: Any) -> None:
    panic = stacks.panic_of(target)
    sets = [panic.registers] if panic is not None and panic.registers is not None else []
    try:
        sets += [found for found in target.registers() if all(found.values != one.values for one in sets)]
    except UniobsError as error:
        if not sets:
            raise
        out.line(f"(of the vCPUs: {error})", "dim")
    for registers in sets:
        cpu = f" of CPU {registers.cpu}" if registers.cpu is not None else ""
        out.line(f"{registers.source}{cpu}")
        names = list(registers.values)
        for at in range(0, len(names), 4):
            out.line(
                "  " + "  ".join(f"{name:<8}{registers.values[name]:016x}" for name in names[at : at + 4])
            )


def _locks(out: Output, target: Any) -> None:
    locks = target.walker("locks").locks()
    names = {t.tid: t.name for t in target.walker("threads").threads() if t.name}
    if not locks:
        out.line("none")
    for lock in locks:
        name = lock.name or f"{lock.address:#x}"
        if lock.torn:
            out.line(f"  {name}: its row was being written")
            continue
        parts = []
        if lock.kind == "mutex":
            owner = names.get(lock.owner_tid, "?") if lock.owner_tid else None
            parts.append(f"held by {owner} (tid {lock.owner_tid})" if lock.owner_tid else "free")
        elif lock.kind in ("sem", "mbox"):
            parts.append(f"value {lock.value}")
        if lock.waiters:
            parts.append(f"{lock.waiters} waiting")
        if lock.kind == "mutex" and lock.acquisitions is not None:
            parts.append(f"taken {lock.acquisitions} times, {lock.contended} contended")
        out.line(f"  {lock.kind or '?':<6} {name:<20} {', '.join(parts)}".rstrip())


def _heap(out: Output, target: Any) -> None:
    heap = target.walker("heap").heap()
    if heap.torn:
        out.line("its row was being written", "warn")
        return
    parts = [f"{size_text(heap.used)} of {size_text(heap.total)} used"]
    parts += [f"peak {size_text(heap.peak)}"] if heap.peak is not None else []
    counts = ((heap.allocs, "allocations"), (heap.frees, "freed"), (heap.failures, "failed"))
    parts += [f"{count} {what}" for count, what in counts if count is not None]
    out.line(f"  {', '.join(parts)}")


def _events(out: Output, target: Any) -> None:
    for line in before.last(target, (), [], calls=EVENTS).calls or ("none recorded",):
        out.line(f"  {line}")


def _log(out: Output, target: Any) -> None:
    follow = target.walker("log").log()
    lines = [*follow.poll(), *follow.flush()][-LINES:]
    for entry in lines:
        out.line(f"  {before.log_text(entry)}")
    if not lines:
        out.line("none")


def _json(out: Output, target: Any) -> int:
    """One object: the verdicts, and a list of rows for each table that is offered."""
    from uniobs.model.findings import FINDING, findings

    found, unknown = findings(target)
    status = target.status()
    panic = stacks.panic_of(target)
    tables: dict[str, Any] = {}
    for _, view, options in SECTIONS:
        try:
            tables[view] = render.json_rows(registry.load(registry.VIEWS, view).rows(target, **options))
        except UniobsError as error:
            unknown.append(str(error))
    try:
        threads = stacks.threads_of(target, None, panic)
        crashed = panic.tid if panic is not None else None
        tables["stacks"] = [
            stacks.json_stack(t, stacks.stack_of(target, t), t.tid == crashed) for t in threads
        ]
    except UniobsError as error:
        unknown.append(str(error))
    for question in ("locks", "heap"):
        try:
            tables[question] = getattr(target.walker(question), question)()
        except UniobsError as error:
            unknown.append(str(error))
    history = before.last(target, (), unknown, calls=EVENTS)
    complete = status.state != "unknown"
    answer = render.envelope("core show", target.name, found, (), complete)
    out.object(
        {**answer, "status": status, "panic": panic, "tables": tables, "unknown": unknown, **history.json()}
    )
    return 1 if any(v.severity < FINDING for v in found) else 0 if complete else 4
