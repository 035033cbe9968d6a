"""Graphs in braille dots (two a cell across, four down), or in ASCII."""

import os
from collections.abc import Sequence
from typing import Final

_DOTS: Final = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))  # a cell's columns, from the bottom up
_ASCII: Final = " .:|#"


def unicode_ok() -> bool:
    """Whether the terminal's character set has more than ASCII."""
    named = os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE") or os.environ.get("LANG") or ""
    return "utf" in named.lower().replace("-", "") and os.environ.get("TERM") != "linux"


def plot(
    values: Sequence[float | None], width: int, height: int, top: float | None = None, *, dots: bool = True
) -> list[str]:
    """``height`` lines of ``width`` cells, the newest value at the right; unknown values leave a gap.

    ``top``: what a full column stands for; None: the largest value. ``dots`` False: ASCII.
    """
    if width <= 0 or height <= 0:
        return []
    across, steps = (2, 4) if dots else (1, len(_ASCII) - 1)
    newest = list(values)[-width * across :]
    shown: list[float | None] = [*[None] * (width * across - len(newest)), *newest]
    known = [value for value in shown if value is not None]
    scale = max(top if top is not None else max(known, default=0.0), 1e-9)
    full = height * steps
    levels = [None if v is None else _level(v, scale, full) for v in shown]
    draw = _braille if dots else _plain
    return [draw(levels, row, width, height) for row in range(height)]


def _level(value: float, scale: float, full: int) -> int:
    """How many steps high; something that isn't nothing is seen."""
    level = round(min(max(value, 0.0), scale) / scale * full)
    return max(level, 1) if value > 0 else 0


def _braille(levels: Sequence[int | None], row: int, width: int, height: int) -> str:
    below = (height - 1 - row) * 4
    text = []
    for cell in range(width):
        code = 0
        for side in (0, 1):
            level = levels[2 * cell + side]
            if level is None:
                continue
            for dot in range(4):
                if level > below + dot or (level == 0 and below + dot == 0):
                    code |= _DOTS[side][dot]
        text.append(chr(0x2800 + code) if code else " ")
    return "".join(text)


def _plain(levels: Sequence[int | None], row: int, width: int, height: int) -> str:
    steps = len(_ASCII) - 1
    below = (height - 1 - row) * steps
    text = []
    for level in levels[:width]:
        if level is None:
            text.append(" ")
        elif level == 0 and below == 0:
            text.append("_")
        else:
            text.append(_ASCII[max(0, min(level - below, steps))])
    return "".join(text)


def spark(values: Sequence[float | None], width: int, top: float | None = None, *, dots: bool = True) -> str:
    """One line of it."""
    lines = plot(values, width, 1, top, dots=dots)
    return lines[0] if lines else ""


def bar(share: float | None, width: int, *, dots: bool = True) -> str:
    """A part of one, filled from the left; unknown is all dots."""
    if width <= 0:
        return ""
    if share is None:
        return ("·" if dots else ".") * width
    share = min(max(share, 0.0), 1.0)
    if not dots:
        full = round(share * width)
        return "#" * full + "-" * (width - full)
    eighths = round(share * width * 8)
    if share > 0:
        eighths = max(eighths, 1)
    whole, rest = divmod(eighths, 8)
    partial = " ▏▎▍▌▋▊▉"[rest] if rest else ""
    return ("█" * whole + partial).ljust(width)
