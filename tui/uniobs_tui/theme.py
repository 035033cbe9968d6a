"""Colours: dark, light, and the terminal's own sixteen; monochrome where NO_COLOR asks for it. ASCII where a
terminal can't show more.
"""

from collections.abc import Mapping
from typing import Final

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter
from textual.theme import BUILTIN_THEMES, Theme

DARK: Final = Theme(
    name="uniobs-dark",
    primary="#2f5d8c",
    secondary="#3f6f9f",
    accent="#6cb6d9",
    warning="#e0af55",
    error="#f2777a",
    success="#8cc47e",
    foreground="#d3d7dc",
    background="#14171a",
    surface="#1b1f23",
    panel="#23282d",
    dark=True,
)
LIGHT: Final = Theme(
    name="uniobs-light",
    primary="#2a6ebb",
    secondary="#3d7fc4",
    accent="#00688b",
    warning="#8a5a00",
    error="#b3261e",
    success="#2e6b34",
    foreground="#24292e",
    background="#fafafa",
    surface="#f1f2f3",
    panel="#e4e7ea",
    dark=False,
)
_ANSI: Final = BUILTIN_THEMES["ansi-dark"]
SIXTEEN: Final = Theme(
    name="uniobs-16",
    ansi=True,
    primary="ansi_blue",
    secondary="ansi_cyan",
    warning="ansi_yellow",
    error="ansi_red",
    success="ansi_green",
    accent="ansi_cyan",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    dark=True,
    variables=dict(_ANSI.variables),
)
THEMES: Final = (DARK, LIGHT, SIXTEEN)
MANY: Final = ("256color", "kitty", "alacritty", "ghostty", "foot", "wezterm", "direct")
POOR: Final = ("linux", "dumb", "cons25", "ansi")


def choose(wanted: str, environ: Mapping[str, str], background: bool | None = None) -> str:
    """The theme's name. ``wanted``: auto, dark, light, 16; ``background``: True when known to be dark."""
    if "NO_COLOR" in environ:
        return SIXTEEN.name  # without its colours
    if wanted != "auto":
        return f"uniobs-{wanted}"
    if not many_colours(environ):
        return SIXTEEN.name
    if background is None:
        background = _told(environ.get("COLORFGBG", ""))
    return LIGHT.name if background is False else DARK.name


def many_colours(environ: Mapping[str, str]) -> bool:
    term = environ.get("TERM", "")
    if environ.get("COLORTERM", "").lower() in ("truecolor", "24bit") or in_browser(environ):
        return True
    return any(word in term for word in MANY)


def in_browser(environ: Mapping[str, str]) -> bool:
    """Whether textual-serve runs this: it draws in a page."""
    return "web" in environ.get("TEXTUAL_DRIVER", "")


def _told(colours: str) -> bool | None:
    """COLORFGBG, as rxvt and Konsole set it: 15;0 is dark."""
    last = colours.rpartition(";")[2]
    return int(last) < 7 or int(last) == 8 if last.isascii() and last.isdigit() else None


def poor(environ: Mapping[str, str]) -> bool:
    """Whether only ASCII can be shown: the C locale was asked for, or the terminal is a simple one."""
    if in_browser(environ):
        return False
    term = environ.get("TERM", "")
    if term in POOR or term.startswith("vt"):
        return True
    locale = environ.get("LC_ALL") or ""
    if not locale:
        locale = environ.get("LC_CTYPE") or ""
        if locale.upper() in ("C.UTF-8", "C.UTF8") and environ.get("LANG") in ("C", "POSIX"):
            locale = environ["LANG"]  # Python's own: it sets LC_CTYPE in the C locale (PEP 538)
    locale = locale or environ.get("LANG") or ""
    return locale in ("C", "POSIX") or ("." in locale and "utf" not in locale.lower())


# --- ASCII --------------------------------------------------------------------------------------------

_TABLE: Final = {
    **dict.fromkeys((*map(ord, "─━═╌┄┈╶╴╸╺‾▁▔⎯"), 0x2013, 0x2014), "-"),
    **dict.fromkeys(map(ord, "│┃║╎┆┊▏▕╵╷▎▍"), "|"),
    **dict.fromkeys(map(ord, "┌┐└┘├┤┬┴┼╭╮╰╯┏┓┗┛╔╗╚╝╠╣╦╩╬┠┨"), "+"),
    **dict(zip(map(ord, "▂▃▄▅▆▇█"), "_.-=+*#", strict=True)),
    **dict.fromkeys(map(ord, "▌▐▊▋▉▀░▒▓■"), "#"),
    **{ord("…"): "~", ord("●"): "*", ord("○"): "o", ord("▮"): "|", ord("▶"): ">", ord("◀"): "<"},
    **{ord("✗"): "x", ord("✓"): "+", ord("⚠"): "!", ord("→"): ">", ord("←"): "<", ord("↑"): "^"},
    **{ord("↓"): "v", ord("▲"): "^", ord("▼"): "v", ord("▸"): ">", ord("▾"): "v", ord("·"): "."},
    **{ord("∙"): ".", ord("•"): "*", ord("◆"): "#", ord("┉"): "-", 0xD7: "x", 0xB5: "u"},
}  # fmt: skip
_TABLE.update({code: " .:::++##"[(code - 0x2800).bit_count()] for code in range(0x2800, 0x2900)})  # braille


def ascii_text(text: str) -> str:
    """The same cells in ASCII: what is no line, bar or mark becomes ?."""
    if text.isascii():
        return text
    from uniobs.model.text import width

    text = text.translate(_TABLE)
    return text if text.isascii() else "".join(c if c.isascii() else "?" * width(c) for c in text)


class AsciiFilter(LineFilter):
    """The last step before the terminal."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            one if one.text.isascii() else Segment(ascii_text(one.text), one.style, one.control)
            for one in segments
        ]
