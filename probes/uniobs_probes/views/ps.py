"""ps: one row a thread."""

from collections.abc import Sequence

from uniobs.errors import UsageError
from uniobs.lean import Any
from uniobs.model.guest import Thread, Wait
from uniobs.model.row import frozen, replace
from uniobs.model.text import clock_text, percent_text, span_text
from uniobs.model.view import Column, Table
from uniobs_probes.views._facts import Facts, overflow_notes, torn_note
from uniobs_probes.views._wait import wait_text


@frozen
class Row:
    """A thread as ps shows it. Times in ns, sizes in bytes, ``pcpu`` in per cent of one CPU."""

    tid: int
    name: str | None
    stat: str
    state: str | None
    wchan: str | None
    wait: Wait | None
    pcpu: float | None
    cpu_time_ns: int | None
    stack_used: int | None
    stack_size: int | None
    comm: str | None
    cpu: int | None
    switches: int | None
    started_ns: int | None
    age_ns: int | None
    entry: int | None
    stack_lo: int | None
    stack_hi: int | None
    saved_sp: int | None
    idle: bool | None
    current: bool | None
    os_tid: int | None
    torn: bool


def _hex(key: str) -> Any:
    def text(row: Any) -> str:
        value = getattr(row, key)
        return "-" if value is None else f"{value:#x}"

    return text


def _stack(row: Row) -> str:
    if row.stack_size is None:
        return "-"
    size = f"{row.stack_size / 1024:.0f}K"
    return f"{row.stack_used / 1024:.1f}/{size}" if row.stack_used is not None else f"-/{size}"


COLUMNS = (
    Column("tid", "TID", "right", "thread id", width=3),
    Column("name", "NAME", doc="the thread's name"),
    Column("stat", "STAT", doc="R running or ready, S waiting, D on a mutex, T stopped, Z exited"),
    Column("state", "STATE", doc="the scheduler's own word"),
    Column("wchan", "WCHAN", doc="what it waits for"),
    Column("wait", "WAIT", doc="the wait's kind", text=lambda row: row.wait.kind if row.wait else "-"),
    Column(
        "pcpu", "%CPU", "right", "of one CPU, since the thread's start", lambda row: percent_text(row.pcpu)
    ),
    Column("cpu_time_ns", "TIME", "right", "CPU time, minutes", lambda row: clock_text(row.cpu_time_ns)),
    Column("stack_used", "STACK", "right", "deepest use / size", _stack),
    Column("stack_size", "STKSZ", "right", "size of the stack in bytes"),
    Column("comm", "COMMAND", doc="the function it began in"),
    Column("cpu", "CPU", "right", "the CPU it last ran on"),
    Column("switches", "NSW", "right", "how often it was given a CPU"),
    Column("started_ns", "STARTED", "right", "after boot", lambda row: span_text(row.started_ns)),
    Column("age_ns", "ELAPSED", "right", "since its start", lambda row: span_text(row.age_ns)),
    Column("entry", "ENTRY", "right", "address of that function", _hex("entry")),
    Column("stack_lo", "STKLO", "right", "the stack's lowest address", _hex("stack_lo")),
    Column("stack_hi", "STKHI", "right", "its end", _hex("stack_hi")),
    Column("saved_sp", "ESP", "right", "saved stack pointer", _hex("saved_sp")),
    Column("idle", "IDLE", doc="the idle thread"),
    Column("current", "CUR", doc="on a CPU now"),
    Column("os_tid", "LWP", "right", "Linux thread id (hosted)"),
    Column("torn", "TORN", doc="the row was being written"),
)
DEFAULT = ("tid", "name", "stat", "wchan", "pcpu", "cpu_time_ns", "stack_used", "comm")
ALIASES = {
    "pid": "tid", "spid": "tid", "%cpu": "pcpu", "c": "pcpu", "time": "cpu_time_ns", "cputime": "cpu_time_ns",
    "s": "stat", "command": "comm", "cmd": "comm", "args": "comm", "ucmd": "comm", "ucomm": "comm",
    "psr": "cpu", "stack": "stack_used", "stackp": "stack_lo", "esp": "saved_sp", "etime": "age_ns",
    "start": "started_ns", "start_time": "started_ns", "lstart": "started_ns", "nsw": "switches",
    "lwp": "os_tid",
}  # fmt: skip


def stat(thread: Thread) -> str:
    """ps's letter; D is a wait for a mutex: somebody else must give it up."""
    if thread.torn or thread.state is None:
        return "?"
    if thread.state in ("running", "ready"):
        return "R"
    if thread.state == "exited":
        return "Z"
    return "D" if thread.wait is not None and thread.wait.kind == "mutex" else "S"


def rows_of(facts: Facts) -> list[Row]:
    return [_row(facts, thread) for thread in facts.threads]


def _row(facts: Facts, t: Thread) -> Row:
    age = facts.now_ns - t.started_ns if facts.now_ns is not None and t.started_ns is not None else None
    pcpu = None
    if age is not None and age > 0 and t.cpu_time_ns is not None:
        pcpu = round(min(100.0, 100.0 * t.cpu_time_ns / age), 1)
    size = t.stack_hi - t.stack_lo if t.stack_hi and t.stack_lo and t.stack_hi > t.stack_lo else None
    return Row(
        tid=t.tid,
        name=t.name,
        stat=stat(t),
        state=t.state,
        wchan=None if t.torn else wait_text(t, facts.locks, facts.sockets, facts.names, facts.now_ns),
        wait=t.wait if t.state in ("blocked", "sleeping") else None,
        pcpu=pcpu,
        cpu_time_ns=t.cpu_time_ns,
        stack_used=t.stack_used,
        stack_size=size,
        comm=facts.command(t),
        cpu=t.cpu,
        switches=t.switches,
        started_ns=t.started_ns,
        age_ns=age if age is not None and age >= 0 else None,
        entry=t.entry,
        stack_lo=t.stack_lo,
        stack_hi=t.stack_hi,
        saved_sp=t.saved_sp,
        idle=t.idle,
        current=t.current,
        os_tid=t.os_tid,
        torn=t.torn,
    )


def chosen(names: Sequence[str]) -> list[tuple[Column, str]]:
    """(column, header) of an -o list; ``COL=TITLE`` renames. Raises UsageError."""
    by_key = {column.key: column for column in COLUMNS}
    found = []
    for name in names:
        word, equals, title = name.partition("=")
        column = by_key.get(ALIASES.get(word.lower(), word.lower()))
        if column is None:
            raise UsageError(f"ps has no column {word!r}: there are {', '.join(by_key)}")
        found.append((column, title if equals else column.header))
    return found


def sort_rows(rows: list[Row], keys: Sequence[str]) -> list[Row]:
    """By the keys, first one first; ``-key`` descends; unknown values come last."""
    for key in reversed(keys):
        column = chosen([key.lstrip("+-")])[0][0]
        known = [row for row in rows if getattr(row, column.key) is not None]
        unknown = [row for row in rows if getattr(row, column.key) is None]
        known.sort(key=_by(column.key), reverse=key.startswith("-"))
        rows = known + unknown
    return rows


def _by(key: str) -> Any:
    def order(row: Row) -> Any:
        value = getattr(row, key)
        return value.kind if isinstance(value, Wait) else value

    return order


class Ps:
    name = "ps"
    title = "Threads"
    columns = COLUMNS
    default = DEFAULT
    needs = frozenset({"threads"})
    identity = ("tid",)

    def rows(
        self,
        target: Any,
        *,
        columns: Sequence[str] | None = None,
        extra: Sequence[str] | None = None,
        sort: Sequence[str] | None = None,
        tids: Sequence[int] | None = None,
        names: Sequence[str] | None = None,
        **_: Any,
    ) -> Table:
        picked = chosen(columns) if columns else [*chosen(DEFAULT), *chosen(extra or ())]
        facts = Facts(target)
        rows = rows_of(facts)
        if tids:
            rows = [row for row in rows if row.tid in tids]
        if names:
            rows = [row for row in rows if row.name in names]
        rows = sort_rows(rows, sort) if sort else sorted(rows, key=lambda row: row.tid)
        shown = tuple(replace(column, header=header) for column, header in picked)
        notes = torn_note(facts.threads, "threads") + overflow_notes(target, "thread")
        keys = tuple(column.key for column in shown) if columns else None
        return Table(shown, rows, tuple(notes), complete=not notes, json_keys=keys)


view = Ps()
