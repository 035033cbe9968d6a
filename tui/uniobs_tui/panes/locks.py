"""Locks: who holds each, and who waits for whom, with the circles in that drawn."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final, NamedTuple

from textual.binding import Binding, BindingType
from textual.widget import Widget

from uniobs.cli.report.context import Context, Options
from uniobs.cli.report.locks import waits
from uniobs.cli.report.model import Edge
from uniobs.model.guest import Lock
from uniobs.model.text import span_text
from uniobs.model.view import Column, Table
from uniobs_tui.lines_view import Line, LinesView, cut, head, line
from uniobs_tui.panes.parts import PartPane
from uniobs_tui.session import Session
from uniobs_tui.sources import TableSource
from uniobs_tui.table import LineTable
from uniobs_tui.worker import Answer

COLUMNS: Final = (
    Column("kind", "KIND"),
    Column("name", "NAME"),
    Column("owner", "HELD BY"),
    Column("waiters", "WAITING", "right"),
    Column("value", "VALUE", "right"),
    Column("held", "FOR", "right"),
    Column("acquisitions", "TAKEN", "right"),
    Column("contended", "CONTENDED", "right"),
    Column("place", "TAKEN AT"),
)


class Locks(NamedTuple):
    source: TableSource
    edges: tuple[Edge, ...]
    holds: Mapping[int, tuple[str, ...]]  # tid -> names of locks
    notes: tuple[str, ...]


class LockSource(TableSource):
    def __init__(self, rows: Sequence[dict[str, Any]], circled: frozenset[int]) -> None:
        super().__init__(Table(COLUMNS, rows), "address")
        self._circled = circled

    def style(self, index: int) -> str:
        row = self.row(index)
        if row["owner_tid"] in self._circled and row["waiters"]:
            return "bad"
        return "warn" if row["waiters"] and row["kind"] == "mutex" else "" if row["owner_tid"] else "dim"


def locks_of(target: Any, tid: int | None) -> Locks:
    """``tid``: only those that it holds or waits for. Raises UniobsError when nobody tells."""
    context = Context(target, Options())
    found: list[Lock] = list(context.locks)
    edges = waits(context.known_threads, found, context.names)
    holds: dict[int, tuple[str, ...]] = {}
    for lock in found:
        if lock.owner_tid and lock.kind == "mutex":
            holds[lock.owner_tid] = (*holds.get(lock.owner_tid, ()), lock.name or f"{lock.address:#x}")
    notes = []
    if tid is not None:
        waited = {t.wait.object for t in context.known_threads if t.tid == tid and t.wait is not None}
        found = [lock for lock in found if lock.owner_tid == tid or lock.address in waited]
        edges = tuple(edge for edge in edges if tid in (edge.tid, edge.owner) or edge.cycle is not None)
        notes.append(f"only what {context.who(tid)} holds or waits for")
    if any(lock.kind == "mutex" and not lock.torn and lock.owner_tid is None for lock in found):
        notes.append("who holds some of them isn't known")
    found.sort(key=lambda lock: (lock.torn, not lock.waiters, not lock.owner_tid, lock.name or "~"))
    circled = frozenset(edge.tid for edge in edges if edge.cycle is not None)
    now = _now(target)
    rows = [_row(context, lock, now) for lock in found]
    return Locks(LockSource(rows, circled), edges, holds, tuple(notes))


def _now(target: Any) -> int | None:
    from uniobs_probes.views._facts import guest_now

    return guest_now(target)


def _row(context: Context, lock: Lock, now: int | None) -> dict[str, Any]:
    owner = "being written" if lock.torn else None
    if lock.kind == "mutex" and not lock.torn:
        owner = context.who(lock.owner_tid) if lock.owner_tid else "nobody" if lock.owner_tid == 0 else "?"
    held = None
    if lock.owner_tid and lock.acquired_ns is not None and now is not None and now >= lock.acquired_ns:
        held = span_text(now - lock.acquired_ns)
    place = None
    if lock.owner_tid and lock.acquire_pc:
        place = context.pointers.code(lock.acquire_pc, call=True) or f"{lock.acquire_pc:#x}"
    return {
        "address": lock.address,
        "kind": lock.kind or "?",
        "name": lock.name or f"{lock.address:#x}",
        "owner": owner,
        "owner_tid": lock.owner_tid,
        "waiters": lock.waiters,
        "value": lock.value if lock.kind in ("sem", "mbox") else None,
        "held": held,
        "acquisitions": lock.acquisitions,
        "contended": lock.contended,
        "place": place,
    }


def graph_lines(value: Locks, room: int) -> list[Line]:
    """Circles as loops, then the other waits; a thread's line is chosen by its tid."""
    lines = [head("Who waits for whom", room)]
    for number in sorted({edge.cycle for edge in value.edges if edge.cycle is not None}):
        lines += _loop([edge for edge in value.edges if edge.cycle == number], value, room)
    others = [edge for edge in value.edges if edge.cycle is None]
    for edge in others:
        spans = (
            (f"  {edge.thread}", "warn"),
            (f" (tid {edge.tid}) ", "dim"),
            ("waits for ", ""),
            ("the end of " if edge.kind == "join" else edge.what, "" if edge.kind == "join" else "bold"),
            ("" if edge.kind == "join" else ", held by ", ""),
            (edge.owner_name, "warn"),
            (f" (tid {edge.owner})", "dim"),
        )
        lines.append(Line(cut(spans, room), edge.tid))
    if not value.edges:
        lines.append(line("no thread waits for another one", "good"))
    return lines


def _loop(ring: list[Edge], value: Locks, room: int) -> list[Line]:
    count = len(ring)
    title = f"DEADLOCK: a circle of {count} threads" if count > 1 else "DEADLOCK: it waits for itself"
    lines = [line(title, "bad")]
    for number, edge in enumerate(ring):
        holds = ", ".join(value.holds.get(edge.tid, ()))
        left = "┌▶ " if number == 0 else "│  "
        spans = (
            (left, "bad"),
            (edge.thread, "bad"),
            (f" (tid {edge.tid})", "dim"),
            (f"  holds {holds}" if holds else "", ""),
        )
        lines.append(Line(cut(spans, room), edge.tid))
        last = number + 1 == count
        wait = (
            ("└─ " if last else "│  ", "bad"),
            ("  waits for ", ""),
            (edge.what, "bold"),
            (f", which {edge.owner_name} holds", ""),
            ("  ↑ round again" if last and count > 1 else "", "bad"),
        )
        lines.append(Line(cut(wait, room)))
    return [*lines, Line()]


class LocksPane(PartPane):
    name_, title, key_ = "locks", "Locks", "l"
    question = "locks"
    DEFAULT_CSS = """
    LocksPane LineTable { height: 1fr; }
    LocksPane LinesView { height: 1fr; border-top: solid $foreground 20%; }
    LocksPane.-wide LineTable { width: 3fr; }
    LocksPane.-wide LinesView { width: 2fr; border-top: none; border-left: solid $foreground 20%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "other", "Waits", show=False),
    ]

    def parts(self) -> Iterable[Widget]:
        yield LineTable()
        yield LinesView()

    def look(self, session: Session, wish: int | None) -> Locks:
        return locks_of(session.target, wish)

    def fill(self, value: Locks, answer: Answer) -> None:
        self.query_one(LineTable).show(value.source)
        self._share()
        self.query_one(LinesView).show(lambda room, _height: graph_lines(value, room))
        self.foot(value.notes)

    def on_resize(self) -> None:
        super().on_resize()
        self._share()

    def _share(self) -> None:
        """Few locks leave the room to who waits for them."""
        table = self.query_one(LineTable)
        rows = min(table.count + 1, max(4, self.size.height // 2))
        table.styles.height = "1fr" if self.has_class("-wide") else rows

    def narrow(self, about: Mapping[str, Any]) -> None:
        super().narrow(about)
        self.again(about.get("tid"))

    def back(self) -> bool:
        self.again(None)
        return False  # it came from another view: back to that

    def on_lines_view_chosen(self, message: LinesView.Chosen) -> None:
        self.post_message(self.Open("threads", {"tid": message.key}))

    def on_line_table_chosen(self, message: LineTable.Chosen) -> None:
        source, row = self.query_one(LineTable).source, self.query_one(LineTable).row
        owner = source.row(row)["owner_tid"] if isinstance(source, LockSource) and row is not None else None
        if owner:
            self.post_message(self.Open("threads", {"tid": owner}))

    def action_other(self) -> None:
        table, graph = self.query_one(LineTable), self.query_one(LinesView)
        (graph if table.has_focus else table).focus()
