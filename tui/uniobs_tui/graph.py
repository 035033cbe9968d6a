"""Graphs in braille dots: two a cell across, four down; and bars of blocks. The app makes ASCII of them."""

from collections.abc import Sequence
from typing import Final

_DOTS: Final = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))  # a cell's columns, from the bottom up
ACROSS: Final = 2  # values a cell


def plot(values: Sequence[float | None], width: int, height: int, top: float | None = None) -> list[str]:
    """``height`` lines of ``width`` cells, the newest value at the right; unknown values leave a gap.

    ``top``: what a full column stands for; None: the largest value.
    """
    if width <= 0 or height <= 0:
        return []
    newest = list(values)[-width * ACROSS :]
    shown: list[float | None] = [*[None] * (width * ACROSS - len(newest)), *newest]
    known = [value for value in shown if value is not None]
    scale = max(top if top is not None else max(known, default=0.0), 1e-9)
    levels = [None if v is None else _level(v, scale, height * 4) for v in shown]
    return [_row(levels, (height - 1 - row) * 4, width) for row in range(height)]


def _level(value: float, scale: float, full: int) -> int:
    """How many dots high; something that isn't nothing is seen."""
    level = round(min(max(value, 0.0), scale) / scale * full)
    return max(level, 1) if value > 0 else 0


def _row(levels: Sequence[int | None], below: int, width: int) -> str:
    text = []
    for cell in range(width):
        code = 0
        for side in range(ACROSS):
            level = levels[ACROSS * cell + side]
            if level is None:
                continue
            for dot in range(4):
                if level > below + dot or (level == 0 and below + dot == 0):
                    code |= _DOTS[side][dot]
        text.append(chr(0x2800 + code) if code else " ")
    return "".join(text)


def bar(share: float | None, width: int) -> str:
    """A part of one, filled from the left; unknown is all dots."""
    if width <= 0:
        return ""
    if share is None:
        return "·" * width
    share = min(max(share, 0.0), 1.0)
    eighths = round(share * width * 8)
    if share > 0:
        eighths = max(eighths, 1)
    whole, rest = divmod(eighths, 8)
    partial = " ▏▎▍▌▋▊▉"[rest] if rest else ""
    return ("█" * whole + partial).ljust(width)
