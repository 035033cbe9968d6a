"""LinesView: text in looks, laid out for the room there is; lines with a key can be chosen."""

import re
from collections.abc import Callable, Hashable, Sequence
from typing import ClassVar, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from uniobs.model.text import pad, safe, width

Span = tuple[str, str]  # text, and the name of its look: "" or one of LinesView.LOOKS


class Line(NamedTuple):
    """``key``: what is chosen with it; None: it is only read. Its text is made safe when it is drawn."""

    spans: tuple[Span, ...] = ()
    key: Hashable | None = None

    @property
    def text(self) -> str:
        return "".join(text for text, _ in self.spans)


Layout = Callable[[int, int], Sequence[Line]]  # for a width and a height in cells


def line(text: str = "", look: str = "", key: Hashable | None = None) -> Line:
    return Line(((text, look),) if text else (), key)


def head(text: str, room: int = 0, note: str = "") -> Line:
    """A heading, with a rule up to ``room``."""
    rule = max(0, room - width(safe(text)) - width(safe(note)) - (2 if note else 1))
    spans: tuple[Span, ...] = ((text, "head"), (" ", ""), ("─" * rule, "rule"))
    return Line((*spans, (f" {note}", "dim")) if note else spans)


def wrapped(text: str, room: int, look: str = "", indent: str = "") -> list[Line]:
    """Words on as many lines as they need."""
    lines: list[str] = []
    current = ""
    for word in safe(text).split():
        joined = f"{current} {word}" if current else word
        if current and width(joined) > room - (width(indent) if lines else 0):
            lines.append(current)
            current = word
        else:
            current = joined
    lines.append(current)
    return [line(text if not n else indent + text, look) for n, text in enumerate(lines)]


def folded(text: str, room: int, look: str = "", indent: str = "      ") -> list[Line]:
    """A line as it is laid out; what doesn't fit goes on below it, from a space on if there is one."""
    lines: list[Line] = []
    rest = safe(text)
    while width(rest) > room and len(rest) > len(indent) + 1:
        at = max(room, 0)
        while at > 0 and width(rest[:at]) > room:
            at -= 1
        space = rest.rfind(" ", len(indent) + 1, at + 1)
        at = max(space if space > 0 else at, len(indent) + 1)  # it must get on in the least room
        lines.append(line(rest[:at].rstrip(), look))
        rest = indent + rest[at:].lstrip()
    return [*lines, line(rest, look)]


def columns(left: Sequence[Line], right: Sequence[Line], room: int, gap: int = 2) -> list[Line]:
    """Two columns side by side: ``room`` cells for the left one."""
    found = []
    for n in range(max(len(left), len(right))):
        a = left[n] if n < len(left) else Line()
        b = right[n] if n < len(right) else Line()
        spans = cut(a.spans, room)
        fill = room + gap - sum(width(safe(text)) for text, _ in spans)
        found.append(Line((*spans, (" " * fill, ""), *b.spans), a.key if a.key is not None else b.key))
    return found


def cut(spans: Sequence[Span], room: int) -> tuple[Span, ...]:
    """What fits into ``room`` cells; an ellipsis says that there was more."""
    found: list[Span] = []
    left = room
    for text, look in spans:
        text = safe(text)
        if width(text) > left:
            while text and width(text) > left - 1:
                text = text[: max(0, min(len(text) - 1, left - 1))]
            return (*found, (text + ("…" if left > 0 else ""), look))
        found.append((text, look))
        left -= width(text)
    return tuple(found)


class LinesView(ScrollView, can_focus=True):
    """Shows what a layout makes of its room. A cursor is on a line with a key, when there are any."""

    LOOKS: ClassVar = ("bad", "warn", "good", "dim", "bold", "head", "rule", "mark", "graph", "graph2")
    COMPONENT_CLASSES: ClassVar[set[str]] = {"lines--cursor", *(f"lines--{look}" for look in LOOKS)}
    DEFAULT_CSS = """
    LinesView { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; scrollbar-gutter: stable; }
    LinesView { scrollbar-background: $background; scrollbar-background-hover: $background; }
    LinesView { scrollbar-background-active: $background; }
    LinesView > .lines--bad { color: $text-error; }
    LinesView > .lines--warn { color: $text-warning; }
    LinesView > .lines--good { color: $text-success; }
    LinesView > .lines--dim { color: $text-muted; }
    LinesView > .lines--bold { text-style: bold; }
    LinesView > .lines--head { text-style: bold; color: $text-accent; }
    LinesView > .lines--rule { color: $foreground 25%; }
    LinesView > .lines--mark { color: $text-error; text-style: bold; }
    LinesView > .lines--graph { color: $text-primary; }
    LinesView > .lines--graph2 { color: $text-success; }
    LinesView > .lines--cursor { text-style: bold; }
    LinesView:focus > .lines--cursor { background: $primary; color: $text; text-style: bold; }
    LinesView:ansi > .lines--dim, LinesView:ansi > .lines--rule { color: ansi_default; text-style: dim; }
    LinesView:focus:ansi > .lines--cursor {
        background: ansi_default; color: ansi_default; text-style: reverse;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Up", show=False),
        Binding("down", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "edge(-1)", "First", show=False),
        Binding("end", "edge(1)", "Last", show=False),
        Binding("enter", "choose", "Open", show=False),
    ]

    class Highlighted(Message):
        """The cursor is on another line."""

        def __init__(self, view: "LinesView", key: Hashable | None) -> None:
            super().__init__()
            self.view, self.key = view, key

    class Chosen(Message):
        """Enter, or a click on a line with a key."""

        def __init__(self, view: "LinesView", key: Hashable) -> None:
            super().__init__()
            self.view, self.key = view, key

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._layout_of: Layout | None = None
        self.lines: Sequence[Line] = ()
        self.key: Hashable | None = None  # of the line under the cursor
        self._at: int | None = None

    def show(self, layout: Layout | Sequence[Line]) -> None:
        """Other lines; the cursor stays on its key, and the place that is looked at where it was."""
        if callable(layout):
            self._layout_of = layout
        else:
            self._layout_of = lambda _width, _height: layout
        self._lay_out()

    @property
    def room(self) -> int:
        """Cells across."""
        return self.scrollable_content_region.width

    def _lay_out(self) -> None:
        if self._layout_of is None or self.room <= 0:
            return
        self.lines = self._layout_of(self.room, self.size.height)
        longest = max((width(safe(row.text)) for row in self.lines), default=0)
        self.virtual_size = Size(longest, len(self.lines))
        keyed = [n for n, row in enumerate(self.lines) if row.key is not None]
        if not keyed:
            self._place(None)
        else:
            same = next((n for n in keyed if self.lines[n].key == self.key), None)
            near = min(keyed, key=lambda n: abs(n - (self._at if self._at is not None else 0)))
            self._place(near if same is None else same)
        self.refresh()

    def _place(self, at: int | None) -> None:
        key = self.lines[at].key if at is not None else None
        moved = key != self.key
        self._at, self.key = at, key
        if moved:
            self.post_message(self.Highlighted(self, key))

    def on_resize(self, event: events.Resize) -> None:
        self._lay_out()

    # --- drawing --------------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        left, top = self.scroll_offset
        index = top + y
        base = self.rich_style
        room = self.room
        if index >= len(self.lines):
            return Strip.blank(room, base)
        row = self.lines[index]
        cursor = index == self._at
        if cursor:
            base += self.get_component_rich_style("lines--cursor")
        segments = [Segment(safe(text), self._style(look, base, cursor)) for text, look in row.spans if text]
        return Strip(segments).crop_extend(left, left + room, base)

    def _style(self, look: str, base: Style, cursor: bool) -> Style:
        if not look or (cursor and self.has_focus):
            return base
        return base + self.get_component_rich_style(f"lines--{look}")

    # --- moving ---------------------------------------------------------------------------------------

    def _go(self, by: int) -> None:
        """The next line with a key so far away; without any, the text scrolls."""
        keyed = [n for n, row in enumerate(self.lines) if row.key is not None]
        if not keyed or self._at is None:
            self.scroll_relative(y=by, animate=False, force=True)
            return
        wanted = self._at + by
        later = [n for n in keyed if (n > self._at if by > 0 else n < self._at)]
        if not later:
            self.scroll_relative(y=by, animate=False, force=True)
            return
        if by > 0:
            at = next((n for n in reversed(later) if n <= wanted), later[0])
        else:
            at = next((n for n in later if n >= wanted), later[-1])
        self.to(at)

    def to(self, at: int) -> None:
        self._place(at)
        self.scroll_to_region(Region(0, at, 1, 1), animate=False, force=True, x_axis=False)
        self.refresh()

    def action_move(self, by: int) -> None:
        self._go(by)

    def action_page(self, by: int) -> None:
        self._go(by * max(self.size.height - 1, 1))

    def action_edge(self, side: int) -> None:
        keyed = [n for n, row in enumerate(self.lines) if row.key is not None]
        if keyed:
            self.to(keyed[0 if side < 0 else -1])
        self.scroll_to(y=0 if side < 0 else self.virtual_size.height, animate=False, force=True)

    def action_choose(self) -> None:
        if self.key is not None:
            self.post_message(self.Chosen(self, self.key))

    def on_click(self, event: events.Click) -> None:
        index = self.scroll_offset.y + event.y
        if index < len(self.lines) and self.lines[index].key is not None:
            if index == self._at:
                self.action_choose()
            else:
                self.to(index)

    def search(self, pattern: str, by: int = 1) -> str:
        """The next line that matches comes into view; "" or what is wrong."""
        try:
            found = re.compile(pattern, re.IGNORECASE)
        except re.error as error:
            return f"no regular expression: {error}"
        here = self._at if self._at is not None else self.scroll_offset.y
        count = len(self.lines)
        for step in range(1, count + 1):
            at = (here + step * by) % count
            if found.search(self.lines[at].text):
                if self.lines[at].key is not None:
                    self.to(at)
                else:
                    self.scroll_to(y=at, animate=False, force=True)
                return ""
        return f"nothing matches {pattern}"


def cells(rows: Sequence[Sequence[str]], aligns: str = "") -> list[str]:
    """Columns as wide as they need: a letter a column, r to the right."""
    if not rows:
        return []
    widths = [max(width(safe(row[n])) for row in rows) for n in range(len(rows[0]))]
    side = ["right" if letter == "r" else "left" for letter in aligns.ljust(len(widths), "l")]
    found = []
    for row in rows:
        parts = [pad(safe(text), size, how) for text, size, how in zip(row, widths, side, strict=True)]
        found.append("  ".join(parts).rstrip())
    return found
