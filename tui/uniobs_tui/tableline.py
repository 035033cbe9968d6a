"""One line of a table: cells put into their columns, with what a search found lit."""

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style

from uniobs.model.text import safe
from uniobs_tui.search import Pattern

CUT = "…"
TEXT_MAX = 8192  # characters of one cell that are drawn


def clean(text: str) -> str:
    """Nothing that could steer the terminal, whoever made the text."""
    text = text if len(text) <= TEXT_MAX else text[:TEXT_MAX]
    return text if text.isprintable() else safe(text)


def fit(text: str, size: int, align: str) -> str:
    """``text`` in exactly ``size`` cells."""
    length = len(text) if text.isascii() else cell_len(text)
    if length == size:
        return text
    if length > size:
        return set_cell_size(text, size - 1) + CUT if size > 1 else set_cell_size(text, max(size, 0))
    fill = " " * (size - length)
    return fill + text if align == "right" else text + fill


def line(
    cells: Sequence[str],
    widths: Sequence[int],
    aligns: Sequence[str],
    style: Style,
    lit: Pattern | None = None,
    match: Style | None = None,
) -> list[Segment]:
    """Cells, a space between them, as segments; ``match`` where ``lit`` matches."""
    texts = [clean(text) for text in cells]
    placed = [fit(text, size, align) for text, size, align in zip(texts, widths, aligns, strict=False)]
    if lit is None or match is None:
        return [Segment(" ".join(placed), style)]
    spans = lit.spans(" ".join(texts))
    if not spans:
        return [Segment(" ".join(placed), style)]
    segments: list[Segment] = []
    start = 0  # of this cell, in the text that was searched
    for number, (text, shown) in enumerate(zip(texts, placed, strict=False)):
        lead = len(shown) - len(shown.lstrip()) if aligns[number] == "right" else 0
        at = 0
        for low, high in spans:
            first, last = max(low - start, 0) + lead, min(high - start, len(text)) + lead
            if first >= last or first >= len(shown):
                continue
            segments += [Segment(shown[at:first], style), Segment(shown[first:last], style + match)]
            at = min(last, len(shown))
        segments.append(Segment(shown[at:] + (" " if number < len(placed) - 1 else ""), style))
        start += len(text) + 1
    return [segment for segment in segments if segment.text]
