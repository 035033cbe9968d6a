"""Calls, as strace shows them: live, filtered, and as they were at any moment."""

from collections.abc import Iterable
from typing import Any, ClassVar, Final

from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Static

from uniobs_tui.arrange import Test, TextTest
from uniobs_tui.calls_rows import About
from uniobs_tui.panes.stream import StreamPane
from uniobs_tui.ring import Row
from uniobs_tui.rowtests import OfCalls
from uniobs_tui.session import Session
from uniobs_tui.streamlog import StreamSource
from uniobs_tui.table import LineTable
from uniobs_tui.tableline import clean, fit
from uniobs_tui.worker import Answer

LOOK_BACK: Final = 20_000  # calls before one in which its connection is looked for
PEERS_MAX: Final = 8
OPEN_LINES: Final = 6


class TracePane(StreamPane):
    name_, title, key_ = "trace", "Calls", "s"
    question = "trace"
    filter_hint: ClassVar[str] = "a regular expression, or calls: %network  !%file  trace=open,close"
    DEFAULT_CSS = """
    TracePane.-wide .beside { layout: vertical; }
    TracePane #open { height: auto; color: $text-muted; border-top: solid $panel; display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("P", "packets", "Its packets", tooltip="packets of this thread's connections"),
    ]

    def parts(self) -> Iterable[Widget]:
        yield LineTable(tail=True, id="rows")
        yield Static(id="open", markup=False)

    def make_test(self, text: str) -> Test:
        return OfCalls(text) if text.startswith(("%", "!", "trace=")) else TextTest(text)

    def advice(self, session: Session) -> str:
        return "A guest that links the stub tells its calls" if session.live else ""

    def fill(self, value: Any, answer: Answer) -> None:
        super().fill(value, answer)
        if isinstance(value, StreamSource):
            self._show_open(value.open_rows)

    def _show_open(self, rows: tuple[Row, ...]) -> None:
        """The calls in which threads are."""
        tid = self._about.get("tid")
        wanted = [row for row in rows if tid in (None, row.tid)]
        room = min(OPEN_LINES, max(self.size.height // 4, 0))
        told = self.query_one("#open", Static)
        told.display = bool(wanted) and room > 0
        if not told.display:
            return
        lines = [f"{fit(clean(row.cells[1]), 10, 'left')} {clean(row.cells[3])}" for row in wanted[:room]]
        if len(wanted) > room:
            lines[-1] = f"{len(wanted) - room + 1} more threads are in calls"
        told.update("\n".join(fit(line, max(self.size.width - 1, 1), "left") for line in lines))

    # --- drilling down --------------------------------------------------------------------------------

    def on_line_table_chosen(self, message: LineTable.Chosen) -> None:
        """A call: the packets of its connection."""
        message.stop()
        row, stream = self.rows.row, self.stream
        if row is None or stream is None:
            return
        peer = connection(stream, row)
        if peer is None:
            self.say("this call is on no connection that is known; P: packets of its thread")
            return
        self._open_packets([peer], stream.cells(row, row + 1)[0][1])

    def action_packets(self) -> None:
        """Those of all connections of the selected call's thread."""
        row, stream = self.rows.row, self.stream
        if row is None or stream is None:
            return
        tid = stream.tid(row)
        peers = peers_of(stream, row, tid)
        if not peers:
            self.say("no connection of this thread is known: all packets")
            self.post_message(self.Open("packets", {}))
            return
        self._open_packets(peers, stream.cells(row, row + 1)[0][1])

    def _open_packets(self, peers: list[tuple[str, int]], who: str) -> None:
        self.post_message(self.Open("packets", {"filter": filter_of(peers), "what": f"packets of {who}"}))


def filter_of(peers: list[tuple[str, int]]) -> str:
    """pcap-filter(7) for connections with these."""
    ports: dict[str, list[int]] = {}
    for host, port in peers:
        ports.setdefault(host, []).append(port)
    texts = [
        f"host {host} and port " + (f"({' or '.join(map(str, some))})" if len(some) > 1 else str(some[0]))
        for host, some in ports.items()
    ]
    return texts[0] if len(texts) == 1 else " or ".join(f"({text})" for text in texts)


def connection(stream: StreamSource, row: int) -> tuple[str, int] | None:
    """The other end of what a call was made on: told by itself, or by the accept or connect before it."""
    about = About.of(stream.data(row))
    if about is None:
        return None
    if about.host is not None and about.port:
        return about.host, about.port
    if about.fd is None:
        return None
    for before in range(row - 1, max(row - LOOK_BACK, -1), -1):
        other = About.of(stream.data(before))
        if other is None or about.fd not in (other.fd, other.result):
            continue
        if other.host is not None and other.port and (other.result == about.fd or other.fd == about.fd):
            return other.host, other.port
        if other.fd == about.fd and stream.cells(before, before + 1)[0][-1].startswith("close("):
            return None
    return None


def peers_of(stream: StreamSource, row: int, tid: int) -> list[tuple[str, int]]:
    """The other ends that a thread's last calls until this one told."""
    found: list[tuple[str, int]] = []
    for before in range(row, max(row - LOOK_BACK, -1), -1):
        if stream.tid(before) != tid or len(found) >= PEERS_MAX:
            continue
        about = About.of(stream.data(before))
        if about is not None and about.host is not None and about.port:
            peer = (about.host, about.port)
            if peer not in found:
                found.append(peer)
    return found
