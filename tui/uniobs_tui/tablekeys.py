"""What a person does to a table: move, sort, search, filter, tag; by keys and by mouse."""

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, ClassVar, Final

from textual import events
from textual.binding import Binding, BindingType
from textual.scroll_view import ScrollView

from uniobs_tui.arrange import CHUNK, Sort, Test, TextTest, lines
from uniobs_tui.arranger import INLINE_S, Arranger
from uniobs_tui.order import Order
from uniobs_tui.search import Pattern, TooSlow
from uniobs_tui.sources import Source
from uniobs_tui.steps import Steps

SIDEWAYS: Final = 10  # cells that an arrow moves


def _key(keys: str, action: str, text: str, id: str) -> Binding:
    return Binding(keys, action, text, show=False, id=f"table.{id}")


class TableKeys(ScrollView):
    """The part of LineTable that answers a person; what it shows is the other part's."""

    BINDINGS: ClassVar[list[BindingType]] = [
        _key("up", "move(-1)", "Up", "up"),
        _key("down", "move(1)", "Down", "down"),
        _key("pageup", "page(-1)", "Page up", "page_up"),
        _key("pagedown", "page(1)", "Page down", "page_down"),
        _key("home", "edge(-1)", "First row", "first"),
        _key("end", "edge(1)", "Last row", "last"),
        _key("left", "sideways(-1)", "Scroll left", "left"),
        _key("right", "sideways(1)", "Scroll right", "right"),
        _key("enter", "choose", "Open", "choose"),
        _key("space", "tag", "Tag", "tag"),
        _key("U", "untag", "Untag all", "untag"),
        _key("F", "follow", "Follow the end", "follow"),
        _key("less_than_sign", "sort_by(-1)", "Sort by the column before", "sort_before"),
        _key("greater_than_sign", "sort_by(1)", "Sort by the next column", "sort_next"),
        _key("I", "invert", "Invert the order", "invert"),
        _key("f6", "sort_menu", "Sort by...", "sort_menu"),
    ]

    # What the other part gives.
    cursor: Any
    following: bool
    tail: bool
    _source: Source | None
    _order: Order | None
    _tags: set[Hashable]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.lit: Pattern | None = None
        self._arranger = Arranger(self, self._take, self._failed)
        self._latest: Source | None = None
        self._tests: dict[str, Test] = {}
        self._sorted: tuple[str, bool] | None = None  # a column's header, and whether it falls
        self._seeking: Steps | None = None
        self._anchor: int | None = None
        self._said = ""

    def _take(self, source: Source, order: Order | None) -> None:
        raise NotImplementedError

    # --- filters and order ----------------------------------------------------------------------------

    def put(self, source: Source) -> None:
        """Filter and sort as it was asked for, then show."""
        self._latest = source
        self._arranger.tests = tuple(self._tests.values())
        self._arranger.sort = self._sort_in(source)
        self._arranger.show(source)
        self.refresh()

    def _again(self) -> None:
        if self._latest is not None:
            self.put(self._latest)

    def _sort_in(self, source: Source) -> Sort | None:
        if self._sorted is None or self._sorted[0] not in source.headers:
            return None
        return Sort(list(source.headers).index(self._sorted[0]), self._sorted[1])

    @property
    def sorting(self) -> Sort | None:
        return self._sort_in(self._source) if self._source is not None else None

    def check_filter(self, text: str) -> str:
        """"" when it can be used, else what is wrong. Any text can: what is no pattern stands for itself."""
        return ""

    def set_filter(self, text: str) -> str:
        """Show only the rows that match; "" shows all."""
        self.set_test("filter", TextTest(text) if text else None)
        return ""

    def set_test(self, name: str, test: Test | None) -> None:
        """One of the conditions that rows have to pass; None takes it away."""
        if self._tests.get(name) == test:
            return
        self._said = ""
        self._tests.pop(name, None)
        if test is not None:
            self._tests[name] = test
        self._again()

    def sort_by(self, column: int | None, falling: bool | None = None) -> None:
        """None: as the source has them. Columns of numbers begin with the largest."""
        source = self._source
        if source is None:
            return
        if column is None or not 0 <= column < len(source.headers):
            self._sorted = None
        else:
            falls = source.aligns[column] == "right" if falling is None else falling
            self._sorted = (source.headers[column], falls)
            self.following = False
        self._again()

    def _failed(self, why: str) -> None:
        self._tests.pop("filter", None)
        self._said = why
        self.refresh()

    def note(self) -> str:
        """What holds for the rows: how many of how many, how far the work on them is."""
        parts = [self._said] if self._said else []
        if self._arranger.progress is not None:
            verb = "sorting" if self._arranger.sort is not None else "filtering"
            parts.append(f"{verb} {self._arranger.progress:.0%}")
        if self._seeking is not None:
            parts.append(f"searching {self._seeking.progress:.0%}")
        if self._order is not None and self._tests and self._source is not None:
            parts.append(f"{len(self._order):,} of {len(self._source):,}")
        if self._tags:
            parts.append(f"{len(self._tags)} tagged")
        if self.tail and not self.following:
            parts.append("F: follow")
        return " · ".join(parts)

    # --- search ---------------------------------------------------------------------------------------

    def search(self, text: str, by: int = 1) -> str:
        """The next row that matches, after (-1: before) the cursor, around the ends; 0: while it's typed,
        from where it began. "" or why not; long tables go on being searched when this has returned."""
        if self._seeking is not None:
            self._seeking.stop()
        self._seeking, self._said = None, ""
        if not text:
            self.lit, self._anchor = None, None
            self.refresh()
            return ""
        if self.lit is None or self.lit.text != text:
            self.lit = Pattern(text)
        self.refresh()
        if self._anchor is None:
            self._anchor = self.cursor
        start = self._anchor if by == 0 else self.cursor + by
        if by:
            self._anchor = None
        steps = Steps(self, self._seek(start, by < 0), self._sought)
        try:
            if steps.run(INLINE_S):
                return self._said
        except TooSlow:
            self.lit = None
            return "this pattern takes too long on some rows: make it simpler"
        self._seeking = steps
        return ""

    def _seek(self, start: int, backwards: bool) -> Iterator[float]:
        """Once around, in pieces; the cursor moves to the first row that is found."""
        source, order, lit, count = self._source, self._order, self.lit, self._count()
        if source is None or lit is None or not count:
            self._sought("nothing here to search")
            return
        begin = start % count
        for done in range(0, count, CHUNK):
            size = min(CHUNK, count - done)
            at = begin - done - size + 1 if backwards else begin + done
            places: list[int] = [place % count for place in range(at, at + size)]
            rows: Sequence[int] = places if order is None else [order[place] for place in places]
            if rows[-1] - rows[0] == size - 1 and order is None:
                rows = range(rows[0], rows[0] + size)
            found = lit.hits(lines(source, rows))
            if found:
                self.following = False
                self.cursor = places[found[-1 if backwards else 0]]
                self._sought("")
                return
            yield done / count
        self._sought(f"no match for /{lit.text}/")

    def _sought(self, said: str) -> None:
        self._seeking, self._said = None, said
        self.refresh()

    # --- keys -----------------------------------------------------------------------------------------

    def _count(self) -> int:
        if self._source is None:
            return 0
        return len(self._source) if self._order is None else len(self._order)

    def _to(self, place: int) -> None:
        last = self._count() - 1
        self._anchor = None
        self.following = self.tail and self._sorted is None and place >= last
        self.cursor = max(0, min(place, last))
        self.refresh()

    def action_move(self, by: int) -> None:
        self._to(self.cursor + by)

    def action_page(self, by: int) -> None:
        self._to(self.cursor + by * max(self.size.height - 2, 1))

    def action_edge(self, side: int) -> None:
        self._to(0 if side < 0 else self._count() - 1)

    def action_sideways(self, by: int) -> None:
        self.scroll_to(x=self.scroll_offset.x + by * SIDEWAYS, animate=False, force=True)

    def action_follow(self) -> None:
        """F: stay at the end as rows come."""
        if self.tail:
            self._sorted = None
            self.following = not self.following
            self._again()

    def action_tag(self) -> None:
        key = self._key_at(self.cursor)
        if key is not None:
            if key in self._tags:
                self._tags.discard(key)
            else:
                self._tags.add(key)
            self._to(self.cursor + 1)

    def action_untag(self) -> None:
        self._tags.clear()
        self.refresh()

    def _key_at(self, place: int) -> Hashable | None:
        raise NotImplementedError

    def action_sort_by(self, by: int) -> None:
        """The next column (or the one before); beyond the last: as the source has them."""
        count = len(self._source.headers) if self._source is not None else 0
        now = self.sorting.column if self.sorting is not None else (-1 if by > 0 else count)
        self.sort_by(now + by if 0 <= now + by < count else None)

    def action_invert(self) -> None:
        if self.sorting is not None:
            self.sort_by(self.sorting.column, not self.sorting.falling)

    def action_sort_menu(self) -> None:
        from uniobs_tui.sortmenu import SortMenu

        if self._source is not None:
            menu = SortMenu(self._source.headers, self.sorting.column if self.sorting else None)
            self.app.push_screen(menu, self._sort_chosen)

    def _sort_chosen(self, column: int | None) -> None:
        if column is not None:
            self._sort_toggled(column)

    def _sort_toggled(self, column: int) -> None:
        now = self.sorting
        self.sort_by(column, not now.falling if now is not None and now.column == column else None)

    def action_choose(self) -> None:
        raise NotImplementedError

    # --- mouse ----------------------------------------------------------------------------------------

    def on_click(self, event: events.Click) -> None:
        """A header sorts; a row is selected, and chosen by a click when it was."""
        event.stop()
        if event.y == 0:
            column = self.column_at(event.x)
            if column is not None:
                self._sort_toggled(column)
            return
        place = self.scroll_offset.y + event.y - 1
        if place >= self._count():
            return
        if place == self.cursor and event.chain > 1:
            self.action_choose()
        else:
            self._to(place)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.call_after_refresh(self._wheeled, False)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.call_after_refresh(self._wheeled, True)

    def _wheeled(self, down: bool) -> None:
        """The cursor stays on the screen; who scrolls away from the end doesn't follow it any more, and who
        comes back to it does."""
        top, lines = self.scroll_offset.y, max(self.size.height - 1, 1)
        place = min(max(self.cursor, top), top + lines - 1)
        if down and self.tail and top + lines >= self._count():
            place = self._count() - 1
        if place != self.cursor:
            self._to(place)

    def column_at(self, x: int) -> int | None:
        raise NotImplementedError
