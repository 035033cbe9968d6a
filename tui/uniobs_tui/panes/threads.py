"""Threads: ps, and the stack of the selected one with source and instructions."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, Final, NamedTuple

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widget import Widget

from uniobs.cli import stacks
from uniobs.errors import NotOffered, UniobsError
from uniobs.model import registry
from uniobs.model.row import replace
from uniobs.model.view import Table
from uniobs_tui.lines_view import LinesView
from uniobs_tui.panes.parts import PartPane
from uniobs_tui.session import Session
from uniobs_tui.source_view import Reader, StackText, detail_layout, frames_layout
from uniobs_tui.sources import TableSource
from uniobs_tui.table import LineTable
from uniobs_tui.worker import Answer

TALL: Final = 28  # lines from which source is shown below a stack


class Wish(NamedTuple):
    """``level`` None: the frame that matters."""

    tid: int | None = None
    level: int | None = None


class ThreadSource(TableSource):
    def __init__(self, table: Table, crashed: int | None) -> None:
        super().__init__(table, "tid")
        self.crashed = crashed

    def style(self, index: int) -> str:
        row = self.row(index)
        if row.tid == self.crashed:
            return "bad"
        return "bad" if row.stat == "D" else "dim" if row.idle or row.state == "exited" else ""


class Threads(NamedTuple):
    """``source`` None: nobody knows its threads, ``notes`` say why, and the stack is its first vCPU's."""

    source: ThreadSource | None
    stack: StackText | None
    stack_why: str
    notes: tuple[str, ...]


def table_of(session: Session) -> Table:
    """ps, with %CPU between the last two looks where that is known."""
    table: Table = registry.load(registry.VIEWS, "ps").rows(session.target)
    cpu = session.samples.shares(session.moment)
    rows = table.rows
    since = "%CPU is since each thread's start" if any(row.pcpu is not None for row in rows) else ""
    if cpu:
        rows = [replace(row, pcpu=round(cpu[row.tid], 1) if row.tid in cpu else None) for row in rows]
        since = "%CPU is between the last two looks"
    return replace(table, rows=rows, notes=(*table.notes, since) if since else table.notes)


def crashed_of(target: Any) -> int | None:
    with suppress(UniobsError):
        panic = stacks.panic_of(target)
        return panic.tid if panic is not None else None
    return None


def _first(rows: Sequence[Any], crashed: int | None) -> int | None:
    """The thread that is looked at first: it crashed, waits for a mutex, runs, or at least isn't idle."""
    if crashed is not None and any(row.tid == crashed for row in rows):
        return crashed
    order = sorted(rows, key=lambda row: (bool(row.idle), "DR".find(row.stat) % 3, row.tid))
    return order[0].tid if order else None


class ThreadsPane(PartPane):
    name_, title, key_ = "threads", "Threads", "t"
    DEFAULT_CSS = """
    ThreadsPane LineTable { height: 1fr; }
    ThreadsPane #stack { height: 1fr; border-top: solid $foreground 20%; }
    ThreadsPane #frames { height: 1fr; }
    ThreadsPane #detail { height: 2fr; display: none; }
    ThreadsPane.-tall #detail { display: block; }
    ThreadsPane.-stack LineTable { display: none; }
    ThreadsPane.-stack #stack { border-top: none; }
    ThreadsPane.-stack #detail { display: block; }
    ThreadsPane.-wide #detail { display: block; }
    ThreadsPane.-wide #stack { border-top: none; border-left: solid $foreground 20%; padding: 0 0 0 1; }
    ThreadsPane.-wide.-stack LineTable { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "calls", "strace"),
        Binding("l", "locks", "Locks"),
        Binding("tab", "other", "Stack", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.wish = Wish()
        self._reader = Reader()
        self._crashed: int | None = None
        self._wanted: int | None = None  # a thread to select when there are rows

    def parts(self) -> Iterable[Widget]:
        yield LineTable()
        yield Vertical(LinesView(id="frames"), LinesView(id="detail"), id="stack")

    # --- in the worker's thread -----------------------------------------------------------------------

    def look(self, session: Session, wish: Wish) -> Threads:
        target = session.target
        try:
            table = table_of(session)
        except NotOffered as error:
            return Threads(None, self._reader.of_cpu(target, 0, wish.level), "", (str(error),))
        source = ThreadSource(table, crashed_of(target))
        tid = wish.tid if wish.tid is not None else _first(table.rows, source.crashed)
        if tid is None:
            return Threads(source, None, "it has no threads", table.notes)
        try:
            return Threads(source, self._reader.stack(target, tid, wish.level), "", table.notes)
        except UniobsError as error:
            return Threads(source, None, str(error), table.notes)

    # --- in the screen's ------------------------------------------------------------------------------

    def fill(self, value: Threads, answer: Answer) -> None:
        table = self.query_one(LineTable)
        if value.source is not None:
            table.show(value.source)
            self._share()
            wanted = self._wanted
            if value.source.crashed not in (None, self._crashed):  # it died while it was watched
                wanted = value.source.crashed
            self._crashed = value.source.crashed
            if wanted is None and self.wish.tid is None and value.stack is not None:
                wanted = value.stack.tid
            if wanted is not None and table.go(wanted):
                self._wanted = None
        else:
            table.display = False
        if value.stack is not None:
            if self.wish.tid is None or value.stack.tid == self.wish.tid:
                self.query_one("#frames", LinesView).show(frames_layout(value.stack))
                self.query_one("#detail", LinesView).show(detail_layout(value.stack))
        else:
            why = StackText(None, value.stack_why, (), "", "", None, None, None, None, "")
            self.query_one("#frames", LinesView).show(frames_layout(why))
            self.query_one("#detail", LinesView).show(())
        self.foot(value.notes)

    def on_resize(self) -> None:
        super().on_resize()
        self.set_class(self.size.height >= TALL, "-tall")
        self._share()

    def _share(self) -> None:
        """Few threads leave the room to the stack."""
        table = self.query_one(LineTable)
        rows = table.count + 1
        share = max(4, self.size.height * (2 if self.has_class("-tall") else 3) // 6)
        table.styles.height = "1fr" if self.has_class("-wide") else min(rows, share)

    def on_line_table_highlighted(self, message: LineTable.Highlighted) -> None:
        if isinstance(message.key, int):
            self.again(Wish(message.key))

    def on_line_table_chosen(self, message: LineTable.Chosen) -> None:
        self.add_class("-stack")
        self.query_one("#frames", LinesView).focus()

    def on_lines_view_highlighted(self, message: LinesView.Highlighted) -> None:
        if message.view.id == "frames" and isinstance(message.key, int) and message.view.has_focus:
            self.again(self.wish._replace(level=message.key))

    def on_lines_view_chosen(self, message: LinesView.Chosen) -> None:
        if isinstance(message.key, int):
            self.again(self.wish._replace(level=message.key))
            self.query_one("#detail", LinesView).focus()

    def back(self) -> bool:
        if self.query_one("#detail", LinesView).has_focus:
            self.query_one("#frames", LinesView).focus()
            return True
        if not self.has_class("-stack") and not self.query_one("#frames", LinesView).has_focus:
            return False
        self.remove_class("-stack")
        self.query_one(LineTable).focus()
        return True

    def action_other(self) -> None:
        if self.query_one(LineTable).has_focus:
            self.add_class("-stack")
            self.query_one("#frames", LinesView).focus()
        else:
            self.back()

    @property
    def _who(self) -> str:
        """The selected thread's name."""
        table = self.query_one(LineTable)
        source, row = table.source, table.row
        name = source.row(row).name if isinstance(source, ThreadSource) and row is not None else None
        return str(name or f"tid {self.tid}")

    @property
    def tid(self) -> int | None:
        """Of the selected thread."""
        key = self.query_one(LineTable).key
        return key if isinstance(key, int) else None

    def narrow(self, about: Mapping[str, Any]) -> None:
        """Select the one that is meant."""
        super().narrow(about)
        tid = about.get("tid")
        if isinstance(tid, int):
            self._wanted = None if self.query_one(LineTable).go(tid) else tid
            self.again(Wish(tid))

    def action_calls(self) -> None:
        if self.tid is not None:
            self.post_message(self.Open("trace", {"tid": self.tid, "what": f"calls of {self._who}"}))

    def action_locks(self) -> None:
        if self.tid is not None:
            self.post_message(self.Open("locks", {"tid": self.tid}))
