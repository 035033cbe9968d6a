"""HexView: bytes as hex and text, sixteen a line, a span of them lit."""

from typing import ClassVar, Final

from rich.segment import Segment
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

LINE: Final = 16


class HexView(ScrollView, can_focus=True):
    """Shows ``data``; only what is on the screen is drawn."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"hex--address", "hex--lit", "hex--zero"}
    DEFAULT_CSS = """
    HexView { height: 1fr; scrollbar-size-horizontal: 0; scrollbar-size-vertical: 1; }
    HexView > .hex--address { color: $text-muted; }
    HexView > .hex--zero { color: $text-disabled; }
    HexView > .hex--lit { background: $primary; color: $text; text-style: bold; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._data = b""
        self._lit = (0, 0)

    def show(self, data: bytes) -> None:
        if data != self._data:
            self._data, self._lit = data, (0, 0)
            self.virtual_size = Size(5 + 3 * LINE + 2 + LINE, -(-len(data) // LINE))
            self.scroll_to(0, 0, animate=False, force=True)
            self.refresh()

    def light(self, start: int, stop: int) -> None:
        """Light these bytes, and show the first of them."""
        self._lit = (start, stop)
        if stop > start:
            lines = (stop - 1) // LINE - start // LINE + 1
            region = Region(0, start // LINE, 1, min(lines, max(self.size.height, 1)))
            self.scroll_to_region(region, animate=False, force=True, x_axis=False)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        left, top = self.scroll_offset
        width, style = self.scrollable_content_region.width, self.rich_style
        start = (top + y) * LINE
        row = self._data[start : start + LINE]
        if not row:
            return Strip.blank(width, style)
        lit, zero = self.get_component_rich_style("hex--lit"), self.get_component_rich_style("hex--zero")
        segments = [Segment(f"{start:04x} ", self.get_component_rich_style("hex--address"))]
        text = []
        for number, byte in enumerate(row):
            is_lit = self._lit[0] <= start + number < self._lit[1]
            look = style + lit if is_lit else style + zero if not byte else style
            joined = is_lit and start + number + 1 < self._lit[1] and number + 1 < len(row)
            segments += [Segment(f"{byte:02x}", look), Segment(" ", look if joined else style)]
            text.append(Segment(chr(byte) if 32 <= byte < 127 else ".", look))
        segments.append(Segment(" " * (3 * (LINE - len(row)) + 1), style))
        return Strip([*segments, *text]).crop_extend(left, left + width, style)
