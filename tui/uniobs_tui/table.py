"""LineTable: a table that draws only the lines on the screen, whatever its length."""

from collections.abc import Hashable
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from uniobs.model.text import pad
from uniobs_tui.sources import Source


class LineTable(ScrollView, can_focus=True):
    """Shows a Source. The cursor stays on its row's key when rows come or go."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "table--head", "table--cursor", "table--bad", "table--warn", "table--good", "table--dim",
        "table--bold",
    }  # fmt: skip
    DEFAULT_CSS = """
    LineTable { height: 1fr; }
    LineTable > .table--head { text-style: bold; color: $text-muted; }
    LineTable > .table--cursor { background: $surface-lighten-2; text-style: bold; }
    LineTable:focus > .table--cursor { background: $primary; color: $text; }
    LineTable > .table--bad { color: $text-error; }
    LineTable > .table--warn { color: $text-warning; }
    LineTable > .table--good { color: $text-success; }
    LineTable > .table--dim { color: $text-muted; }
    LineTable > .table--bold { text-style: bold; }
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
    cursor = reactive(0)

    class Highlighted(Message):
        """The cursor is on another row; ``key`` None: there are no rows."""

        def __init__(self, table: "LineTable", key: Hashable | None) -> None:
            super().__init__()
            self.table, self.key = table, key

    class Chosen(Message):
        """Enter, or a click on the cursor's row."""

        def __init__(self, table: "LineTable", key: Hashable) -> None:
            super().__init__()
            self.table, self.key = table, key

    def __init__(self, source: Source | None = None, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._source = source
        self._widths: list[int] = []
        self._told: Hashable | None = None

    @property
    def source(self) -> Source | None:
        return self._source

    def show(self, source: Source) -> None:
        """Other rows: the cursor stays where its key is, or else where it was."""
        old = self._source
        key = old.key(self.cursor) if old is not None and self.cursor < len(old) else None
        self._source = source
        self._widths = list(source.widths())
        self.virtual_size = Size(sum(self._widths) + len(self._widths), len(source) + 1)
        place = min(self.cursor, max(len(source) - 1, 0))
        if key is not None and not (place < len(source) and source.key(place) == key):
            place = next((i for i in range(min(len(source), 4096)) if source.key(i) == key), place)
        self.cursor = place
        self.refresh()
        self._tell()

    def _tell(self) -> None:
        key = self.key
        if key != self._told:
            self._told = key
            self.post_message(self.Highlighted(self, key))

    @property
    def key(self) -> Hashable | None:
        """Of the row under the cursor."""
        source = self._source
        return source.key(self.cursor) if source is not None and self.cursor < len(source) else None

    def watch_cursor(self) -> None:
        self.refresh()
        self.scroll_to_region(Region(0, self.cursor, 1, 2), animate=False, force=True, x_axis=False)
        self._tell()

    # --- drawing --------------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        source = self._source
        style = self.rich_style
        if source is None:
            return Strip.blank(self.size.width, style)
        left, top = self.scroll_offset
        if y == 0:
            head = self.get_component_rich_style("table--head")
            return self._strip(source.headers, head, left)
        index = top + y - 1
        if index >= len(source):
            return Strip.blank(self.size.width, style)
        name = source.style(index)
        if name:
            style = self.get_component_rich_style(f"table--{name}")
        if index == self.cursor:
            style += self.get_component_rich_style("table--cursor")
        return self._strip(source.cells(index, index + 1)[0], style, left)

    def _strip(self, cells: object, style: Style, left: int) -> Strip:
        assert self._source is not None
        texts = [
            pad(text, size, align)
            for text, size, align in zip(cells, self._widths, self._source.aligns, strict=False)  # type: ignore[call-overload]
        ]
        width = self.size.width
        strip = Strip([Segment(" ".join(texts), style)])
        return strip.crop_extend(left, left + width, style)

    # --- moving ---------------------------------------------------------------------------------------

    def _to(self, place: int) -> None:
        count = len(self._source) if self._source is not None else 0
        self.cursor = max(0, min(place, count - 1))

    def action_move(self, by: int) -> None:
        self._to(self.cursor + by)

    def action_page(self, by: int) -> None:
        self._to(self.cursor + by * max(self.size.height - 2, 1))

    def action_edge(self, side: int) -> None:
        self._to(0 if side < 0 else len(self._source or ()) - 1)

    def action_choose(self) -> None:
        if self.key is not None:
            self.post_message(self.Chosen(self, self.key))
