"""Bar: lines made of spans, some of which can be clicked. Headers, tabs, footers and cards are bars."""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from rich.segment import Segment
from textual.events import Click
from textual.strip import Strip
from textual.widget import Widget

from uniobs.model.text import width


class Span(NamedTuple):
    """``look``: "", dim, bad, warn, good, bold, key, on; ``action``: what a click does. Safe text only."""

    text: str
    look: str = ""
    action: str = ""


class Line(NamedTuple):
    """``right`` keeps its place; ``left`` is cut off where it ends."""

    left: Sequence[Span]
    right: Sequence[Span] = ()


class Bar(Widget):
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "bar--dim", "bar--bad", "bar--warn", "bar--good", "bar--bold", "bar--key", "bar--on", "bar--accent",
    }  # fmt: skip
    DEFAULT_CSS = """
    Bar { height: 1; }
    Bar > .bar--dim { color: $text-muted; }
    Bar > .bar--bad { color: $text-error; text-style: bold; }
    Bar > .bar--warn { color: $text-warning; }
    Bar > .bar--good { color: $text-success; }
    Bar > .bar--bold { text-style: bold; }
    Bar > .bar--accent { color: $accent; }
    Bar > .bar--key { color: $text-accent; text-style: bold; }
    Bar > .bar--on { background: $primary; color: $text; text-style: bold; }
    Bar:ansi > .bar--on { background: ansi_default; color: ansi_default; text-style: bold reverse; }
    Bar:ansi > .bar--dim { color: ansi_default; text-style: dim; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: Sequence[Line] = ()

    def lines(self, cells: int) -> Sequence[Line]:
        """What it shows at a width; show() tells it, or a subclass answers."""
        return self._lines

    def show(self, *lines: Line) -> None:
        if lines != self._lines:
            self._lines = lines
            self.refresh()

    def render_line(self, y: int) -> Strip:
        cells = self.size.width
        lines = self.lines(cells)
        style = self.rich_style
        if y >= len(lines):
            return Strip.blank(cells, style)
        line = lines[y]
        right = self._segments(line.right)
        space = cells - sum(width(span.text) for span in line.right)
        if space < cells // 3:  # too narrow for both
            return Strip(self._segments([*line.left, *line.right])).crop_extend(0, cells, style)
        left = Strip(self._segments(line.left))
        if left.cell_length > space:
            left = Strip([*left.crop(0, max(space - 1, 0)), Segment("…", style)])
        return Strip.join([left.crop_extend(0, space, style), Strip(right)])

    def _segments(self, spans: Sequence[Span]) -> list[Segment]:
        base = self.rich_style
        return [
            Segment(span.text, self.get_component_rich_style(f"bar--{span.look}") if span.look else base)
            for span in spans
        ]

    def span_at(self, x: int, y: int) -> Span | None:
        lines = self.lines(self.size.width)
        if y >= len(lines):
            return None
        line = lines[y]
        at = self.size.width - sum(width(span.text) for span in line.right)
        for spans, start in ((line.right, at), (line.left, 0)):
            for span in spans:
                if start <= x < start + width(span.text):
                    return span
                start += width(span.text)
        return None

    async def on_click(self, event: Click) -> None:
        span = self.span_at(event.x, event.y)
        if span is not None and span.action:
            event.stop()
            await self.run_action(span.action)


def fitting(spans: Sequence[Span], cells: int) -> list[Span]:
    """As many whole spans as there is room for."""
    out, used = [], 0
    for span in spans:
        used += width(span.text)
        if used > cells:
            break
        out.append(span)
    return out
