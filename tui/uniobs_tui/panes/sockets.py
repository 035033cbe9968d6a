"""Sockets: netstat's columns, queues as bars; from here to a socket's packets or its owner's calls."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final, NamedTuple

from textual.binding import Binding, BindingType
from textual.widget import Widget

from uniobs.errors import UniobsError
from uniobs.model import registry
from uniobs.model.text import size_text
from uniobs.model.view import Column, Table
from uniobs_tui.graph import bar
from uniobs_tui.lines_view import Line, LinesView, cut
from uniobs_tui.panes.parts import PartPane
from uniobs_tui.session import Session
from uniobs_tui.sources import TableSource
from uniobs_tui.table import LineTable
from uniobs_tui.worker import Answer

BAR: Final = 6
FEW: Final = 6  # interfaces that are shown


def backlog_text(row: Mapping[str, Any]) -> str:
    """███   2/4: how full a listening socket's backlog is."""
    waits, most = row["backlog"], row["backlog_max"]
    if row["state"] != "LISTEN" or waits is None:
        return ""
    if not most:
        return str(waits)
    return f"{bar(waits / most, BAR)} {waits}/{most}"


def _bytes(key: str) -> Any:
    return lambda row: size_text(row[key])


COLUMNS: Final = (
    Column("kind", "Proto", text=lambda row: row["kind"] or "?"),
    Column("local", "Local Address"),
    Column("remote", "Foreign Address"),
    Column("netstat_state", "State"),
    Column("recvq", "Recv-Q", "right"),
    Column("sendq", "Send-Q", "right"),
    Column("backlog", "Backlog", text=backlog_text),
    Column("program", "Owner"),
    Column("rx_bytes", "RX", "right", text=_bytes("rx_bytes")),
    Column("tx_bytes", "TX", "right", text=_bytes("tx_bytes")),
    Column("rtt", "RTT", "right", text=lambda row: f"{row['rtt_us'] / 1000:.1f}ms" if row["rtt_us"] else "-"),
    Column("retransmits", "RETR", "right"),
    Column("fd", "FD", "right"),
)


class Sockets(NamedTuple):
    source: TableSource
    interfaces: tuple[Any, ...]
    interfaces_why: str
    notes: tuple[str, ...]


class SocketSource(TableSource):
    def style(self, index: int) -> str:
        row = self.row(index)
        if row["state"] == "LISTEN" and row["backlog_max"] and (row["backlog"] or 0) >= row["backlog_max"]:
            return "bad"
        if row["retransmits"] and row["sendq"]:
            return "warn"
        return "dim" if row["state"] in ("TIME-WAIT", "CLOSED", None) else ""


def sockets_of(target: Any, tid: int | None) -> Sockets:
    """Raises UniobsError when nobody tells."""
    table: Table = registry.load(registry.VIEWS, "netstat").rows(target, all=True, programs=True, extend=True)
    rows = [row for row in table.rows if tid is None or row["owner_tid"] == tid]
    notes = list(table.notes)
    if tid is not None:
        notes.append(f"only those of tid {tid}")
    found: tuple[Any, ...] = ()
    why = ""
    try:
        found = tuple(registry.load(registry.VIEWS, "interfaces").rows(target).rows)
    except UniobsError as error:
        why = str(error)
    return Sockets(SocketSource(Table(COLUMNS, rows), "id"), found, why, tuple(notes))


def filter_of(row: Mapping[str, Any]) -> str | None:
    """The bpf expression for a socket's packets; None when its port isn't known."""
    kind, port = row["kind"], row["lport"]
    if kind not in ("tcp", "udp") or not port:
        return None
    if row["raddr"] and row["rport"]:
        return f"{kind} and port {port} and host {row['raddr']} and port {row['rport']}"
    return f"{kind} port {port}"


def interface_lines(value: Sockets, room: int) -> list[Line]:
    if value.interfaces_why:
        return [Line(cut(((f"Interfaces: {value.interfaces_why}", "dim"),), room))]
    lines = []
    for row in value.interfaces[:FEW]:
        if row.torn:
            lines.append(Line(((f"{row.name or row.index}: its row was being written", "dim"),)))
            continue
        prefix = f"/{row.prefix}" if row.prefix is not None else ""
        address = f"{row.addr}{prefix}" if row.addr is not None else "-"
        spans = [
            (f"{row.name or row.index}  ", "head"),
            (f"{address}  ", ""),
            (f"in {_count(row.rx_packets)} ({size_text(row.rx_bytes)})  ", ""),
            (f"out {_count(row.tx_packets)} ({size_text(row.tx_bytes)})", ""),
        ]
        for words, count in (
            ("dropped in", row.rx_dropped), ("dropped out", row.tx_dropped),
            ("errors in", row.rx_errors), ("errors out", row.tx_errors),
        ):  # fmt: skip
            if count:
                spans.append((f"  {words} {count}", "warn"))
        spans.append((f"  {row.mac or ''}", "dim"))
        lines.append(Line(cut(spans, room)))
    return lines


def _count(value: int | None) -> str:
    return "-" if value is None else str(value)


class SocketsPane(PartPane):
    name_, title, key_ = "sockets", "Sockets", "i"
    question = "sockets"
    DEFAULT_CSS = """
    SocketsPane .beside { layout: vertical; }
    SocketsPane.-wide .beside { layout: vertical; }
    SocketsPane LineTable { height: 1fr; }
    SocketsPane LinesView { height: auto; max-height: 6; border-top: solid $foreground 20%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "calls", "strace of its owner"),
        Binding("P", "packets", "Its packets"),
    ]

    def parts(self) -> Iterable[Widget]:
        yield LineTable()
        yield LinesView()

    def look(self, session: Session, wish: int | None) -> Sockets:
        return sockets_of(session.target, wish)

    def fill(self, value: Sockets, answer: Answer) -> None:
        self.query_one(LineTable).show(value.source)
        view = self.query_one(LinesView)
        view.styles.height = min(FEW, max(1, len(value.interfaces))) + 1
        view.show(lambda room, _height: interface_lines(value, room))
        self.foot(value.notes)

    def narrow(self, about: Mapping[str, Any]) -> None:
        super().narrow(about)
        self.again(about.get("tid"))

    def back(self) -> bool:
        self.again(None)
        return False  # it came from another view: back to that

    def _row(self) -> Mapping[str, Any] | None:
        table = self.query_one(LineTable)
        row = table.row
        found: Mapping[str, Any] | None = None
        if isinstance(table.source, SocketSource) and row is not None:
            found = table.source.row(row)
        return found

    def on_line_table_chosen(self, message: LineTable.Chosen) -> None:
        self.action_packets()

    def action_packets(self) -> None:
        row = self._row()
        text = filter_of(row) if row is not None else None
        if row is not None and text is not None:
            self.post_message(self.Open("packets", {"filter": text, "what": f"packets of {row['local']}"}))

    def action_calls(self) -> None:
        row = self._row()
        if row is not None and row["owner_tid"]:
            about = {"tid": row["owner_tid"], "what": f"calls of {row['program']}"}
            self.post_message(self.Open("trace", about))
