"""Markup that can't be broken by what is put into it: every str is escaped, only Html is taken as it is."""

from html import escape
from typing import Final

from uniobs.model.text import safe

LONGEST: Final = 600  # characters of one piece of text
ATTRIBUTE: Final = 20_000
_VOID: Final = frozenset({"meta", "br", "hr"})


class Html(str):
    """Markup, escaped where it must be."""

    __slots__ = ()


Child = Html | str | None


def text(value: str, limit: int = LONGEST) -> Html:
    """Control and bidi characters visible, then escaped."""
    shown = safe(value[: limit + 1])
    if len(shown) > limit:
        shown = shown[:limit] + "…"
    return Html(escape(shown, quote=True))


def join(*children: Child) -> Html:
    pieces = (child for child in children if child is not None)
    return Html("".join(piece if isinstance(piece, Html) else text(piece) for piece in pieces))


def el(tag: str, *children: Child, **attributes: str | int | float | bool | None) -> Html:
    """An element. Attributes: ``class_`` is class, ``_`` is ``-``; True is bare, None and False are none."""
    parts = []
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        name = name.rstrip("_").replace("_", "-")
        if value is True:
            parts.append(f" {name}")
            continue
        shown = f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
        parts.append(f' {name}="{text(shown, ATTRIBUTE)}"')
    opened = Html(f"<{tag}{''.join(parts)}>")
    return opened if tag in _VOID else Html(f"{opened}{join(*children)}</{tag}>")
