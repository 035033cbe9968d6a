"""LineTable: a table that draws only the lines on the screen, whatever its length."""

from collections.abc import Hashable
from typing import ClassVar, Final

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from uniobs_tui import tableline
from uniobs_tui.order import Order
from uniobs_tui.sources import Source, find
from uniobs_tui.tablekeys import TableKeys

COLUMN_MAX: Final = 64  # cells of any column but the last


class LineTable(TableKeys, can_focus=True):
    """Shows a Source. The cursor stays on its row's key when rows come or go; ``cursor`` is a place in the
    table as it is filtered and sorted, ``row`` the source's row there. ``tail``: begins at its end, and
    follows it. All of it is to be used from the screen's thread.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "table--head", "table--cursor", "table--bad", "table--warn", "table--good", "table--dim",
        "table--bold", "table--match", "table--tag", "table--note",
    }  # fmt: skip
    DEFAULT_CSS = """
    LineTable { height: 1fr; scrollbar-size-horizontal: 0; scrollbar-size-vertical: 1; }
    LineTable > .table--head { text-style: bold; color: $text-muted; }
    LineTable > .table--note { color: $text-accent; }
    LineTable > .table--cursor { background: $primary 30%; text-style: bold; }
    LineTable:focus > .table--cursor { background: $primary; color: $text; }
    LineTable > .table--bad { color: $text-error; }
    LineTable > .table--warn { color: $text-warning; }
    LineTable > .table--good { color: $text-success; }
    LineTable > .table--dim { color: $text-muted; }
    LineTable > .table--bold { text-style: bold; }
    LineTable > .table--tag { color: $text-accent; text-style: bold; }
    LineTable > .table--match { background: $warning; color: $background; }
    """
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

    def __init__(self, source: Source | None = None, *, id: str | None = None, tail: bool = False) -> None:
        super().__init__(id=id)
        self._source: Source | None = None
        self._order: Order | None = None
        self._widths: list[int] = []
        self._told: Hashable | None = None
        self._tags: set[Hashable] = set()
        self.tail = tail
        self.following = tail
        if source is not None:
            self._latest = source
            self._take(source, None)

    # --- rows -----------------------------------------------------------------------------------------

    @property
    def source(self) -> Source | None:
        return self._source

    @property
    def count(self) -> int:
        """Rows that are shown."""
        if self._source is None:
            return 0
        return len(self._source) if self._order is None else len(self._order)

    @property
    def row(self) -> int | None:
        """The source's row under the cursor."""
        return self.row_at(self.cursor)

    def row_at(self, place: int) -> int | None:
        """The source's row at a place of the table."""
        if not 0 <= place < self.count:
            return None
        return place if self._order is None else self._order[place]

    @property
    def key(self) -> Hashable | None:
        """Of the row under the cursor."""
        row = self.row
        return None if row is None or self._source is None else self._source.key(row)

    @property
    def tagged(self) -> frozenset[Hashable]:
        """Keys of the rows that were tagged with Space."""
        return frozenset(self._tags)

    def show(self, source: Source) -> None:
        """Other rows: the cursor stays where its key is, or else where it was."""
        self.put(source)

    def _take(self, source: Source, order: Order | None) -> None:
        """Rows and their order are there."""
        key, old = self.key, self._source
        if old is None or tuple(old.headers) != tuple(source.headers):
            self._widths = [0] * len(source.headers)
        self._source, self._order = source, order
        wanted = zip(self._widths, source.widths(), strict=False)
        self._widths = [max(had, min(size, COLUMN_MAX)) for had, size in wanted]
        count = self.count
        place = max(min(self.cursor, count - 1), 0)
        if self.following:
            place = max(count - 1, 0)
        elif key is not None and self._key_at(place) != key:
            place = self._place_of(key, place)
        self._measure()
        self.cursor = place
        if self.following and self.is_attached:
            self._to_cursor()
        self.refresh()
        self._tell()

    def _key_at(self, place: int) -> Hashable | None:
        row = self.row_at(place)
        return None if row is None or self._source is None else self._source.key(row)

    def _place_of(self, key: Hashable, otherwise: int) -> int:
        assert self._source is not None
        row = find(self._source, key)
        if row is None:
            return otherwise
        place = row if self._order is None else self._order.where(row)
        return otherwise if place is None else place

    def go(self, key: Hashable) -> bool:
        """The cursor to the row with this key; False when it isn't shown."""
        if self._source is None:
            return False
        place = self._place_of(key, -1)
        if place >= 0:
            self.cursor = place
        return place >= 0

    def _measure(self) -> None:
        """Room for what is on the screen now: columns grow and never shrink, so that nothing jumps."""
        source, top = self._source, self.scroll_offset.y
        if source is None:
            return
        last = len(self._widths) - 1
        for place in range(top, min(top + self.size.height, self.count)):
            row = self.row_at(place)
            for number, text in enumerate(source.cells(row, row + 1)[0] if row is not None else ()):
                if len(text) > self._widths[number] or not text.isascii():
                    most = COLUMN_MAX if number != last else tableline.TEXT_MAX
                    self._widths[number] = max(self._widths[number], min(cell_len(text[:most]), most))
        self.virtual_size = Size(sum(self._widths) + max(last, 0), self.count + 1)

    def _tell(self) -> None:
        key = self.key
        if key != self._told:
            self._told = key
            self.post_message(self.Highlighted(self, key))

    def watch_cursor(self) -> None:
        self.refresh()
        self._to_cursor()
        self._tell()

    def _to_cursor(self) -> None:
        if self.size.height:
            self.scroll_to_region(
                Region(0, self.cursor, 1, 2), animate=False, force=True, x_axis=False, immediate=True
            )

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._measure()

    def watch_show_vertical_scrollbar(self, shown: bool) -> None:
        if shown:  # it may come after the table went to its end
            self.vertical_scrollbar.position = self.scroll_y

    def on_resize(self, event: events.Resize) -> None:
        self._measure()
        self.call_after_refresh(self._to_cursor)

    # --- drawing --------------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        source, width, style = self._source, self.scrollable_content_region.width, self.rich_style
        left, top = self.scroll_offset
        if y == 0:
            return self._head(left, width)
        place = top + y - 1
        row = self.row_at(place)
        if source is None or row is None:
            return Strip.blank(width, style)
        name = source.style(row)
        if name:
            style = self.get_component_rich_style(f"table--{name}")
        if self._tags and source.key(row) in self._tags:
            style += self.get_component_rich_style("table--tag")
        if place == self.cursor:
            style += self.get_component_rich_style("table--cursor")
        match = self.get_component_rich_style("table--match") if self.lit is not None else None
        cells = source.cells(row, row + 1)[0]
        segments = tableline.line(cells, self._widths, source.aligns, style, self.lit, match)
        return Strip(segments).crop_extend(left, left + width, style)

    def _head(self, left: int, width: int) -> Strip:
        """The columns' names, and at its right what is being done to the rows."""
        style = self.get_component_rich_style("table--head")
        source = self._source
        if source is None:
            return Strip.blank(width, style)
        parts = []
        for number, (header, size) in enumerate(zip(source.headers, self._widths, strict=True)):
            fitted = tableline.fit(header, size, source.aligns[number])
            if self.sorting is not None and self.sorting.column == number:
                arrow = "▼" if self.sorting.falling else "▲"
                bare = fitted.rstrip() if source.aligns[number] == "left" else fitted
                parts.append(tableline.fit(bare + arrow, size + 1, "left"))
            else:
                parts.append(fitted + " ")
        strip = Strip([Segment("".join(parts), style)]).crop_extend(left, left + width, style)
        note = tableline.clean(self.note())
        room = cell_len(note)
        if not note or room + 8 > width:
            return strip
        shown = Segment(f" {note}", style + self.get_component_rich_style("table--note"))
        return Strip.join([strip.crop(0, width - room - 1), Strip([shown])])

    def action_choose(self) -> None:
        if self.key is not None:
            self.post_message(self.Chosen(self, self.key))

    def column_at(self, x: int) -> int | None:
        """The column below a place of the header."""
        end, x = 0, x + self.scroll_offset.x
        for number, size in enumerate(self._widths):
            end += size + 1
            if x < end:
                return number
        return None
