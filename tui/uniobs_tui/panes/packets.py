"""Packets: a list as Wireshark has it; below it the fields of the one that was opened, and its bytes."""

from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widget import Widget

from uniobs.errors import NotOffered
from uniobs_probes.views.packets_detail import Field, Layer
from uniobs_tui.arrange import Test
from uniobs_tui.fieldtree import FieldTree
from uniobs_tui.hexview import HexView
from uniobs_tui.panes.stream import StreamPane
from uniobs_tui.rowtests import OfPackets
from uniobs_tui.session import Session
from uniobs_tui.streamlog import StreamSource
from uniobs_tui.table import LineTable
from uniobs_tui.tcpscreen import Conversation, ConversationScreen, conversation_of
from uniobs_tui.worker import Answer


class Opened(NamedTuple):
    """The packet whose fields are wanted; ``follow``: and what its connection said."""

    number: int
    data: bytes
    length: int
    follow: StreamSource | None = None


class Packets(NamedTuple):
    """``layers`` are those of packet ``number``."""

    source: StreamSource
    number: int | None = None
    layers: tuple[Layer, ...] = ()
    said: Conversation | None = None


class PacketDetail(Container):
    """Fields and bytes of one packet."""

    DEFAULT_CSS = """
    PacketDetail { height: 3fr; border-top: solid $panel; layout: vertical; }
    PacketDetail FieldTree { height: 1fr; }
    PacketDetail HexView { height: 1fr; border-top: solid $panel; }
    PartPane.-wide PacketDetail { layout: horizontal; }
    PartPane.-wide PacketDetail HexView {
        width: 74; height: 1fr; border-top: none; border-left: solid $panel;
    }
    """

    def compose(self) -> ComposeResult:
        yield FieldTree()
        yield HexView()


class PacketsPane(StreamPane):
    name_, title, key_ = "packets", "Packets", "P"
    question = "packets"
    filter_hint: ClassVar[str] = "as tcpdump takes it: tcp port 80 and host 10.0.2.2"
    DEFAULT_CSS = """
    PacketsPane #rows { height: 2fr; }
    PacketsPane.-wide .beside { layout: vertical; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "follow", "Follow", tooltip="what was said over this TCP connection"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._layers: tuple[int, tuple[Layer, ...]] | None = None  # worker's thread: of which packet
        self._open = False

    def parts(self) -> Iterable[Widget]:
        yield LineTable(tail=True, id="rows")
        detail = PacketDetail()
        detail.display = False
        yield detail

    def has_threads(self) -> bool:
        return False

    def make_test(self, text: str) -> Test:
        return OfPackets(text)

    # --- in the worker's thread -----------------------------------------------------------------------

    def look(self, session: Session, wish: Any) -> Packets:
        source = self.source(session)
        if not isinstance(wish, Opened):
            return Packets(source)
        said = conversation_of(wish.follow, wish.number) if wish.follow is not None else None
        if self._layers is None or self._layers[0] != wish.number:
            self._layers = (wish.number, decoded(wish.data, wish.length))
        return Packets(source, wish.number, self._layers[1], said)

    def advice(self, session: Session) -> str:
        if not session.live or session.guest.kind != "vm":
            return ""
        return f"Its VMM can be asked: uniobs tcpdump --vmm {session.name}"

    def unfinished(self, value: Any) -> bool:
        return isinstance(value, Packets) and value.source.progress < 1

    # --- in the screen's ------------------------------------------------------------------------------

    def fill(self, value: Any, answer: Answer) -> None:
        super().fill(value.source, answer)
        if self._open and value.number is not None and value.number == self.rows.key:
            self.query_one(FieldTree).show(value.number, value.layers)
        if value.said is not None and self.wish is not None and self.wish.follow is not None:
            self.again(self.wish._replace(follow=None))
            self.app.push_screen(ConversationScreen(value.said))

    def on_line_table_chosen(self, message: LineTable.Chosen) -> None:
        message.stop()
        self._show_detail(True)
        self.query_one(FieldTree).focus()

    def on_line_table_highlighted(self, message: LineTable.Highlighted) -> None:
        if self._open:
            self._want()

    def _show_detail(self, wanted: bool) -> None:
        self._open = wanted
        self.query_one(PacketDetail).display = wanted
        if wanted:
            self._want()
        else:
            self.again(None)
            self.rows.focus()

    def _want(self, follow: bool = False) -> bool:
        """Ask for the fields of the packet under the cursor; its bytes are here already."""
        row, stream = self.rows.row, self.stream
        if row is None or stream is None or stream.is_note(row):
            return False
        data = stream.data(row)
        if self._open:
            self.query_one(HexView).show(data)
        number = stream.base + row
        self.again(Opened(number, data, stream.number(row) or len(data), stream if follow else None))
        return True

    def on_field_tree_lit(self, message: FieldTree.Lit) -> None:
        self.query_one(HexView).light(message.begin, message.end)

    def action_follow(self) -> None:
        """f: what both ends of this TCP connection said."""
        from uniobs_tui.tcpstream import segment

        row, stream = self.rows.row, self.stream
        if row is None or stream is None or segment(stream.data(row)) is None:
            self.say("this packet belongs to no TCP connection")
            return
        self._want(follow=True)

    def back(self) -> bool:
        if self._open:
            self._show_detail(False)
            return True
        return super().back()


def decoded(data: bytes, length: int) -> tuple[Layer, ...]:
    """A packet's layers: scapy's, or what tcpdump -v says where scapy isn't installed."""
    from uniobs_probes.views.packets_detail import layers

    cut = f"{length - len(data)} of its {length} bytes were not captured" if length > len(data) else ""
    notes = (Layer(cut, 0, 0, ()),) if cut else ()
    try:
        return (*notes, *layers(data))
    except NotOffered as error:
        return (*notes, *plain(data, length), Layer(str(error), 0, 0, ()))


def plain(data: bytes, length: int) -> tuple[Layer, ...]:
    """Our own decoder's lines."""
    from uniobs.model.guest import Packet
    from uniobs.model.text import safe
    from uniobs_probes.views.packets import PacketFormatter, PacketOptions

    packet = Packet(0, None, None, 0, "rx", length, data)
    text = PacketFormatter(PacketOptions(stamp="none", verbose=2, link=True, absolute=True)).text(packet)
    lines = [safe(line.strip()) for line in text.split("\n")]
    return (Layer("Packet", 0, len(data), tuple(Field(line, 0, len(data)) for line in lines if line)),)
