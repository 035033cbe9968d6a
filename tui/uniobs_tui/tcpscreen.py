"""What both ends of a TCP connection said, as a text to read."""

from collections.abc import Hashable, Iterable, Sequence
from typing import ClassVar, Final, NamedTuple

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import Static

from uniobs_tui.streamlog import StreamSource
from uniobs_tui.table import LineTable
from uniobs_tui.tcpstream import SYN, Said, conversation, name, segment

LINES_MAX: Final = 20_000
LINE_MAX: Final = 512
ACK: Final = 16


class Conversation(NamedTuple):
    """``lines``: (who: ">" the client, "<" the server, "-" neither, text)."""

    client: str
    server: str
    lines: tuple[tuple[str, str], ...]


def conversation_of(source: StreamSource, number: int) -> Conversation:
    """All that is kept of the connection of a packet."""
    wanted = segment(source.data(number - source.base))
    assert wanted is not None
    found = []
    for index in range(len(source)):
        one = segment(source.data(index))
        if one is not None and one.flow == wanted.flow:
            found.append(one)
    begins = next((one for one in found if one.flags & SYN), None)
    if begins is None:  # who has the larger port is taken for who began
        client = max(wanted.source, wanted.destination, key=lambda end: end[1])
    else:
        client = begins.destination if begins.flags & ACK else begins.source
    server = next((end for end in wanted.flow if end != client), client)
    return Conversation(name(client), name(server), tuple(_lines(conversation(found, client))))


def _lines(said: Iterable[Said]) -> list[tuple[str, str]]:
    """Lines of text, a dot for what can't be shown."""
    found: list[tuple[str, str]] = []
    held = {True: b"", False: b""}

    def put(client: bool, data: bytes) -> None:
        text = data.rstrip(b"\r").decode("latin-1")
        shown = "".join(c if 32 <= ord(c) < 127 else " " if c == "\t" else "." for c in text)
        mark = ">" if client else "<"
        found.extend((mark, shown[at : at + LINE_MAX]) for at in range(0, max(len(shown), 1), LINE_MAX))

    last: bool | None = None
    for one in said:
        if last is not None and one.client != last and held[last]:
            put(last, held[last])
            held[last] = b""
        last = one.client
        if one.gap:
            if held[one.client]:
                put(one.client, held[one.client])
                held[one.client] = b""
            who = "client" if one.client else "server"
            found.append(("-", f"[{one.gap} bytes of the {who} missing]"))
        *whole, held[one.client] = (held[one.client] + one.data).split(b"\n")
        for line in whole:
            put(one.client, line)
        if len(found) > LINES_MAX:
            return [*found[:LINES_MAX], ("-", "[more was said than is shown]")]
    for client, data in held.items():
        if data:
            put(client, data)
    return found or [("-", "[nothing was said: no segment with data is kept]")]


class _Source:
    headers: Sequence[str] = ("", "")
    aligns: Sequence[str] = ("left", "left")

    def __init__(self, said: Conversation) -> None:
        self._lines = said.lines
        self.headers = ("", f"> {said.client}   < {said.server}")

    def __len__(self) -> int:
        return len(self._lines)

    def cells(self, start: int, stop: int) -> Sequence[Sequence[str]]:
        return self._lines[start:stop]

    def key(self, index: int) -> Hashable:
        return index

    def find(self, key: Hashable) -> int | None:
        return key if isinstance(key, int) else None

    def style(self, index: int) -> str:
        return {">": "good", "<": "", "-": "warn"}[self._lines[index][0]]

    def widths(self) -> Sequence[int]:
        return (1, len(self.headers[1]))


class ConversationScreen(ModalScreen[None]):
    DEFAULT_CSS = """
    ConversationScreen { align: center middle; }
    ConversationScreen LineTable { width: 96%; height: 90%; border: round $primary; background: $surface; }
    ConversationScreen #hint { width: 96%; height: 1; color: $text-muted; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,f,backspace", "app.pop_screen", "Back")]

    def __init__(self, said: Conversation) -> None:
        super().__init__()
        self._said = said

    def compose(self) -> ComposeResult:
        yield LineTable(_Source(self._said))
        yield Static("Esc: back", id="hint", markup=False)

    def on_mount(self) -> None:
        self.query_one(LineTable).border_title = "TCP"
