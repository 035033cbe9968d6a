"""Memory as bytes: an address is typed, a pointer is followed, what isn't held is ??."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, NamedTuple

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Static

from uniobs.errors import UniobsError
from uniobs.model.text import safe
from uniobs_tui.hexpage import TOP, WORD, Page, lines, read, word_of
from uniobs_tui.lines_view import LinesView
from uniobs_tui.panes.parts import PartPane
from uniobs_tui.session import Session
from uniobs_tui.worker import Answer


class Wish(NamedTuple):
    """``text``: what was typed and isn't an address yet. ``start`` None: where it stopped."""

    start: int | None = None
    cursor: int = 0
    rows: int = 20
    per: int = 8
    physical: bool = False
    text: str = ""


class Bytes(NamedTuple):
    page: Page
    cursor: int
    typed: str  # that this answers
    why: str  # what was typed can't be found


class HexLines(LinesView):
    """Keys move by words."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {*LinesView.COMPONENT_CLASSES, "lines--cursor"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "by(-8)", show=False),
        Binding("right", "by(8)", show=False),
    ]

    class Move(Message):
        def __init__(self, by: int, rows: bool = False, pages: bool = False) -> None:
            super().__init__()
            self.by, self.rows, self.pages = by, rows, pages

    class Follow(Message):
        """Enter."""

    def action_by(self, by: int) -> None:
        self.post_message(self.Move(by))

    def action_move(self, by: int) -> None:
        self.post_message(self.Move(by, rows=True))

    def action_page(self, by: int) -> None:
        self.post_message(self.Move(by, pages=True))

    def action_edge(self, side: int) -> None:
        self.post_message(self.Move(side * (1 << 12)))

    def action_choose(self) -> None:
        self.post_message(self.Follow())

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.post_message(self.Move(3, rows=True))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.post_message(self.Move(-3, rows=True))


class HexPane(PartPane):
    name_, title, key_ = "hex", "Bytes", "x"
    DEFAULT_CSS = """
    HexPane .beside, HexPane.-wide .beside { layout: vertical; }
    HexPane #where { height: 1; color: $text-muted; }
    HexPane Input { height: 1; border: none; padding: 0; display: none; }
    HexPane Input:focus { border: none; }
    HexPane HexLines { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "ask_address", "Address"),
        Binding("V", "physical", "Virtual/physical"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.wish = Wish()
        self._page: Page | None = None
        self._history: list[Wish] = []
        self._why = ""  # what was typed last can't be found

    def parts(self) -> Iterable[Widget]:
        yield Static(id="where", markup=False)
        yield Input(placeholder="an address, $rsp, a variable or function: &lock_a, main", compact=True)
        yield HexLines()

    def first(self) -> Widget | None:
        return self.query_one(HexLines)

    # --- in the worker's thread -----------------------------------------------------------------------

    def look(self, session: Session, wish: Wish) -> Bytes:
        target, why = session.target, ""
        start, cursor = wish.start, wish.cursor
        if wish.text:
            try:
                start = cursor = place_of(target, wish.text)
            except UniobsError as error:
                why = str(error)
        if start is None:
            start = cursor = _somewhere(target)
        row = start // wish.per * wish.per
        page = read(target, row, wish.rows, wish.per, wish.physical, cursor)
        return Bytes(page, cursor, wish.text, why)

    # --- in the screen's ------------------------------------------------------------------------------

    def fill(self, value: Bytes, answer: Answer) -> None:
        self._page = value.page
        if value.typed:
            self._why = value.why
        if self.wish.start is None or self.wish.text:  # it's an address now
            self.wish = self.wish._replace(start=value.page.start, cursor=value.cursor, text="")
        cursor = self.wish.cursor
        self.query_one(HexLines).show(lambda room, _height: lines(value.page, cursor, room))
        kind = "physical" if value.page.physical else "virtual"
        about = f": {value.page.about}" if value.page.about else ""
        self.query_one("#where", Static).update(safe(self._why or f"{kind} {cursor:#x}{about}"))
        notes = [f"?? {value.page.unknown} bytes aren't known"] if value.page.unknown else []
        self.foot(notes)

    def on_resize(self) -> None:
        super().on_resize()
        per = 16 if self.size.width >= 110 else 8
        start = self.wish.start
        if start is not None:
            start = start // per * per
        rows = max(1, self.size.height - 3)
        self.again(self.wish._replace(rows=rows, per=per, start=start))

    def narrow(self, about: Mapping[str, Any]) -> None:
        address, text = about.get("address"), about.get("text")
        if isinstance(address, int):
            self._go(address)
        elif isinstance(text, str) and text:
            self._keep()
            self.again(self.wish._replace(text=text))

    def _keep(self) -> None:
        if self.wish.start is not None:
            self._history = [*self._history[-99:], self.wish]

    def _go(self, address: int) -> None:
        self._keep()
        self._why = ""
        address %= TOP
        cursor = address // WORD * WORD
        start = max(0, cursor // self.wish.per * self.wish.per - 2 * self.wish.per)
        self.again(self.wish._replace(start=start, cursor=cursor, text=""))

    def back(self) -> bool:
        box = self.query_one(Input)
        if box.display:
            box.display = False
            self.query_one(HexLines).focus()
            return True
        if not self._history:
            return False
        before = self._history.pop()
        self.again(before._replace(rows=self.wish.rows, per=self.wish.per))
        return True

    def on_hex_lines_move(self, message: HexLines.Move) -> None:
        wish = self.wish
        if wish.start is None:
            return
        self._why = ""
        rows = max(1, self.query_one(HexLines).size.height)
        by = message.by * (wish.per if message.rows else wish.per * (rows - 1) if message.pages else 1)
        cursor = min(max(wish.cursor + by, 0), TOP - WORD)
        start = wish.start + by if message.pages else wish.start
        if cursor < start:
            start = cursor // wish.per * wish.per
        elif cursor >= start + rows * wish.per:
            start = cursor // wish.per * wish.per - (rows - 1) * wish.per
        start = min(max(0, start), TOP - rows * wish.per)
        self.again(wish._replace(start=start, cursor=cursor))
        if self._page is not None:  # at once, before the bytes come
            page = self._page
            self.query_one(HexLines).show(lambda room, _height: lines(page, cursor, room))

    def on_hex_lines_follow(self) -> None:
        page, at = self._page, self.wish.cursor
        if page is None:
            return
        for row in page.rows:
            if row.address <= at < row.address + len(row.data):
                offset = (at - row.address) // WORD * WORD
                value = word_of(row.data[offset : offset + WORD])
                if value is not None:
                    self._go(value)

    def action_ask_address(self) -> None:
        box = self.query_one(Input)
        box.value = ""
        box.display = True
        box.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        event.input.display = False
        self.query_one(HexLines).focus()
        self.narrow({"text": event.value.strip()})

    def action_physical(self) -> None:
        self.again(self.wish._replace(physical=not self.wish.physical))


def place_of(target: Any, text: str) -> int:
    """The address that an expression means: 0x1000, $rsp, &lock_a, main+4. Raises UniobsError."""
    from uniobs.cli.shell.scope import GuestScope
    from uniobs.image.types_expr import address_of, evaluate

    try:
        return int(text, 16 if text.lower().startswith("0x") else 10) % TOP
    except ValueError:
        return address_of(evaluate(text, GuestScope(target, lambda: None))) % TOP


def _somewhere(target: Any) -> int:
    """Where it stopped: the stack pointer of its panic or its first vCPU, else where its memory begins."""
    try:
        found = target.registers()[0]
        at = found.get("rsp") or found.get("sp")
        if at:
            return int(at) // WORD * WORD
    except (UniobsError, IndexError):
        pass
    try:
        ranges = target.memory.ranges()
        return int(ranges[0].start) if ranges else 0
    except UniobsError:
        return 0
