"""Text of a guest, made fit for a terminal; sizes and times as people read them."""

from unicodedata import combining, east_asian_width

UNKNOWN = "-"
_MAX_COMBINING = 2


def safe(text: str) -> str:
    """``text`` with everything that could steer a terminal, or reorder what it shows, written as an escape.

    str.isprintable() is false for control, format (bidi, zero width), surrogate, private and unassigned
    characters and for line and paragraph separators. Runs of combining marks are cut, since they
    can paint over the lines around them.
    """
    if text.isascii() and text.isprintable():
        return text
    out: list[str] = []
    marks = 0
    for char in text:
        if not char.isprintable():
            code = ord(char)
            out.append(
                f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
            )
            marks = 0
        elif combining(char):
            marks += 1
            if marks <= _MAX_COMBINING:
                out.append(char)
        else:
            marks = 0
            out.append(char)
    return "".join(out)


def width(text: str) -> int:
    """How many terminal cells a safe text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def pad(text: str, cells: int, align: str = "left") -> str:
    """``text`` filled up with spaces to ``cells``."""
    fill = " " * max(0, cells - width(text))
    return fill + text if align == "right" else text + fill


def size_text(count: int | None) -> str:
    """Bytes as 512, 6.1K, 64K, 1.5G; ``-`` when unknown."""
    if count is None:
        return UNKNOWN
    value = float(count)
    for unit in ("", "K", "M", "G", "T"):
        if value < 1024 or unit == "T":
            break
        value /= 1024
    digits = f"{value:.0f}" if unit == "" or value >= 100 or value == int(value) else f"{value:.1f}"
    return digits + unit


def span_text(ns: int | None) -> str:
    """A duration as 350us, 60ms, 1.2s, 3m10s, 2h05m, 4d03h; ``-`` when unknown."""
    if ns is None:
        return UNKNOWN
    if ns < 1_000_000:
        return f"{ns // 1000}us"
    if ns < 1_000_000_000:
        return f"{ns // 1_000_000}ms"
    seconds = ns / 1e9
    if seconds < 60:
        return f"{seconds:.1f}s" if seconds < 9.95 else f"{int(seconds)}s"
    whole = int(seconds)
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"


def clock_text(ns: int | None) -> str:
    """CPU time as minutes:seconds.hundredths, 00:00.12."""
    if ns is None:
        return UNKNOWN
    hundredths = ns // 10_000_000
    return f"{hundredths // 6000:02d}:{hundredths // 100 % 60:02d}.{hundredths % 100:02d}"


def percent_text(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.1f}"
