"""Commands about the guest as a whole: its state, threads, stacks, registers, locks, heap."""

from collections.abc import Iterator
from typing import Any

from uniobs.cli import render, session
from uniobs.cli.shell.line import is_number
from uniobs.cli.shell.state import Shell
from uniobs.cli.shell.table import Call, Dot, command
from uniobs.errors import EXIT_INCOMPLETE, EXIT_OK, NotOffered, UniobsError, UsageError
from uniobs.model.guest import Registers, Thread
from uniobs.model.text import size_text, span_text
from uniobs.model.view import Column, Table
from uniobs.model.where import image_name, proof_text, where

GROUP = "the guest"
_GENERAL = "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip rflags".split()
_SYSTEM = "cs ss fs_base gs_base cr0 cr2 cr3 cr4".split()
_FLAGS = {0: "CF", 2: "PF", 4: "AF", 6: "ZF", 7: "SF", 8: "TF", 9: "IF", 10: "DF", 11: "OF"}


@command("status", "::status", "what the guest is, its state, its images", group=GROUP)
def status(shell: Shell, call: Call) -> int:
    target = shell.target
    found = target.status(watch=0)
    rows: list[tuple[str, str]] = [("target", f"{shell.spec} ({_what(target)})")]
    since = f" for at least {span_text(int(found.for_at_least_s * 1e9))}" if found.for_at_least_s else ""
    when = " (as of when it was taken)" if found.snapshot else ""
    rows.append(("state", f"{found.state}: {found.reason}{since}{when}"))
    found_verdicts = _verdicts(target)
    rows += [("verdict", verdict.headline) for verdict in found_verdicts]
    images = []
    try:
        images = [(image_name(m), m.bias, proof_text(m)) for m in target.modules]
    except UniobsError as error:
        rows.append(("image", str(error)))
    for name, bias, proof in images:
        rows.append(("image", f"{name}{f' at {bias:+#x}' if bias else ''}: {proof}"))
    if not images:
        rows.append(("image", "none is known: no variables, no stacks (--image FILE)"))
    rows.append(("answers", _answers(target)))
    thread = _chosen(shell)
    if thread is not None:
        rows.append(("thread", f"{thread.tid} {thread.name or ''}".rstrip()))
    if shell.out.json:
        facts = {key: [text for name, text in rows if name == key] for key, _ in rows}
        shell.object("status", [{"status": found, "verdicts": found_verdicts, **facts}])
        return EXIT_OK
    for key, text in rows:
        shell.out.line(f"{key:<9} {text}", "bad" if key == "verdict" else None)
    for text in found.unknown:
        shell.out.line(f"{'unknown':<9} {text}", "dim")
    return EXIT_OK


def _verdicts(target: Any) -> list[Any]:
    from uniobs.model.findings import FINDING, findings

    try:
        return [verdict for verdict in findings(target)[0] if verdict.severity < FINDING]
    except UniobsError:
        return []


def _chosen(shell: Shell) -> Thread | None:
    try:
        return shell.thread()
    except UniobsError:
        return None


def _what(target: Any) -> str:
    pid = f", pid {target.pid}" if target.pid is not None else ""
    return f"{target.kind}, {target.vmm}{pid}" if target.vmm != target.name else f"{target.kind}{pid}"


def _answers(target: Any) -> str:
    """Who tells what: stub: threads locks; memory alone where nobody does."""
    told: dict[str, list[str]] = {}
    for question in ("threads", "locks", "sockets", "heap", "log", "trace", "packets", "counters"):
        try:
            told.setdefault(target.walker(question).name, []).append(question)
        except UniobsError:
            continue
    return "; ".join(f"{name}: {' '.join(found)}" for name, found in told.items()) or "memory alone"


def _threads(shell: Shell, call: Call) -> Iterator[Dot]:
    yield from alive(shell)


def alive(shell: Shell) -> list[Thread]:
    """Those that can be asked about: their rows are whole, and they haven't exited."""
    return [thread for thread in shell.scope.threads() if not thread.torn and thread.state != "exited"]


@command(
    "threads",
    "::threads [NAME...]",
    "its threads, and what each waits for (ps has more)",
    group=GROUP,
    produces=_threads,
)
def threads(shell: Shell, call: Call) -> int:
    names = call.arguments.split() or None
    return session.show_view(shell.out, shell.target, "ps", name="threads", names=names)


@command(
    "stack",
    "[THREAD]::stack [TID|NAME|ADDR...]",
    "stacks: of all threads, or of these",
    completes="thread",
    group=GROUP,
    also=("where",),
)
def stack(shell: Shell, call: Call) -> int:
    from uniobs.cli.commands import bt

    chosen = [call.dot] if isinstance(call.dot, Thread) else []
    chosen += [shell.thread_meant(word) for word in _words(call.arguments)]
    if not chosen and shell.tid is not None:
        chosen = [shell.scope.thread(str(shell.tid))]
    return bt.show(shell.out, shell.target, [thread.tid for thread in chosen])


def _words(text: str) -> list[str]:
    """Ids and names; an expression is one word."""
    words = text.split()
    plain = all(word.replace("-", "_").replace("[", "_").replace("]", "_").isidentifier() for word in words)
    return words if plain or all(is_number(word) for word in words) else [text]


@command(
    "thread",
    "::thread [TID|NAME|-]",
    "choose whose registers and stack are meant (- : nobody's)",
    completes="thread",
    group=GROUP,
)
def thread(shell: Shell, call: Call) -> int:
    if call.arguments == "-":
        shell.tid, shell.frame, shell.scope.local = None, None, None
        return EXIT_OK
    chosen = call.dot if isinstance(call.dot, Thread) else None
    if call.arguments:
        chosen = shell.thread_meant(call.arguments)
    if chosen is not None:
        shell.tid, shell.frame, shell.scope.local = chosen.tid, None, None
    now = shell.thread()
    if shell.out.json:
        shell.object("thread", [] if now is None else [now])
    elif now is None:
        shell.out.line("no thread is chosen: registers are the first vCPU's")
    else:
        shell.out.line(f"thread {now.tid} {now.name or ''}".rstrip())
    return EXIT_OK


@command(
    "regs",
    "[THREAD]::regs [TID|NAME]   ::regs -a",
    "registers of a thread (-a: of all vCPUs)",
    completes="thread",
    group=GROUP,
)
def regs(shell: Shell, call: Call) -> int:
    if call.arguments == "-a":
        found = list(shell.target.registers())
    else:
        chosen = call.dot if isinstance(call.dot, Thread) else None
        chosen = shell.thread_meant(call.arguments) if call.arguments else chosen
        found = [shell.scope.registers(chosen or shell.thread())]
    if shell.out.json:
        rows = [{"source": one.source, "cpu": one.cpu, "registers": one.values} for one in found]
        shell.object("regs", rows)
        return EXIT_OK
    for number, registers in enumerate(found):
        if number:
            shell.out.line()
        _show_registers(shell, registers)
    return EXIT_OK


def _show_registers(shell: Shell, registers: Registers) -> None:
    cpu = f", CPU {registers.cpu}" if registers.cpu is not None else ""
    shell.out.line(f"{registers.source or 'registers'}{cpu}", "head")
    values = registers.values
    for group in (_GENERAL, _SYSTEM) if "rip" in values else (list(values),):
        shown = [name for name in group if name in values]
        for at in range(0, len(shown), 4):
            cells = [f"%{name:<8}0x{values[name]:016x}" for name in shown[at : at + 4]]
            shell.out.line("   ".join(cells))
    pc = values.get("rip")
    place = None if pc is None else where(shell.target, pc)
    if pc is not None:
        spot = ""
        if place is not None and place.file and place.line:
            spot = f"  {place.file.rsplit('/', 1)[-1]}:{place.line}"
        shell.out.line(f"%rip at {shell.scope.symbol_at(pc) or hex(pc)}{spot}")
    if (flags := values.get("rflags")) is not None:
        shell.out.line(f"%rflags = {' '.join(name for bit, name in _FLAGS.items() if flags >> bit & 1)}")


LOCKS = (
    Column("address", "ADDRESS", text=lambda row: f"{row['address']:#x}"),
    Column("kind", "KIND"),
    Column("name", "NAME"),
    Column("owner", "OWNER"),
    Column("value", "VALUE", "right"),
    Column("waiters", "WAITERS", "right"),
    Column("acquisitions", "TAKEN", "right"),
    Column("contended", "CONTENDED", "right"),
)


@command("locks", "::locks", "its mutexes, semaphores and mailboxes: owners and waiters", group=GROUP)
def locks(shell: Shell, call: Call) -> int:
    _refuse(call, "locks")
    table = lock_table(shell)
    render.show(shell.out, "locks", shell.target.name, table)
    return EXIT_OK if table.complete else EXIT_INCOMPLETE


def lock_table(shell: Shell) -> Table:
    names = {t.tid: t.name for t in shell.scope.threads() if t.name}
    rows = []
    torn = 0
    for lock in shell.target.walker("locks").locks():
        torn += lock.torn
        owner = None
        if lock.owner_tid:
            owner = f"{lock.owner_tid} {names.get(lock.owner_tid) or ''}".rstrip()
        elif lock.owner_tid == 0 and lock.kind in (None, "mutex"):
            owner = "nobody"
        counts = lock.kind in ("sem", "mbox")
        name = lock.name or shell.scope.symbol_at(lock.address)
        rows.append(
            {
                "address": lock.address, "kind": lock.kind, "name": name, "owner": owner,
                "owner_tid": lock.owner_tid, "value": lock.value if counts else None, "waiters": lock.waiters,
                "acquisitions": lock.acquisitions, "contended": lock.contended, "torn": lock.torn,
            }
        )  # fmt: skip
    notes = (f"{torn} rows were being written",) if torn else ()
    return Table(_filled(LOCKS, rows), rows, notes, not torn)


def _filled(columns: tuple[Column, ...], rows: list[dict[str, Any]]) -> tuple[Column, ...]:
    """Without those that no row has anything for."""
    return tuple(
        column for column in columns if not rows or any(row.get(column.key) is not None for row in rows)
    )


@command("heap", "::heap", "its heap, and who allocated what is in use", group=GROUP)
def heap(shell: Shell, call: Call) -> int:
    _refuse(call, "heap")
    found = shell.target.walker("heap").heap()
    sites = _sites(shell)
    if shell.out.json:
        shell.object("heap", [{"heap": found, "sites": sites}], complete=not found.torn)
        return EXIT_INCOMPLETE if found.torn else EXIT_OK
    if found.torn:
        shell.out.notice("its row was being written")
        return EXIT_INCOMPLETE
    parts = [f"{size_text(found.used)} of {size_text(found.total)} used"]
    parts += [f"peak {size_text(found.peak)}"] if found.peak is not None else []
    parts += [f"largest free {size_text(found.largest_free)}"] if found.largest_free is not None else []
    counts = ((found.allocs, "allocations"), (found.frees, "freed"), (found.failures, "failed"))
    parts += [f"{count} {what}" for count, what in counts if count is not None]
    shell.out.line(", ".join(parts))
    for site in sites[: shell.settings.rows]:
        spot = shell.scope.symbol_at(site.pc) or f"{site.pc:#x}"
        shell.out.line(f"{size_text(site.live_bytes):>8} in {site.live_count or 0:>6}  {spot}")
    return EXIT_OK


def _sites(shell: Shell) -> list[Any]:
    try:
        found = [site for site in shell.target.walker("sites").sites() if not site.torn]
    except NotOffered:
        return []
    return sorted(found, key=lambda site: -(site.live_bytes or 0))


def _refuse(call: Call, name: str) -> None:
    if call.arguments:
        raise UsageError(f"::{name} takes no {call.arguments.split()[0]!r} (::help {name})")
