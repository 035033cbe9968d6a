"""What can be found on a line of a console."""

import re
from typing import Literal, NamedTuple, Protocol

Kind = Literal["pc", "return", "word", "stack"]

NUMBER = r"(?:0[xX])?[0-9a-fA-F]{4,16}"


class Address(NamedTuple):
    """A number on a line that may lie in code. ``start`` and ``end`` are its columns.

    kind: pc - there it executed, or would; return - it is returned to, so the call before it is meant;
    word - a register, or a number that nothing speaks for: it counts only where it begins a function or
    follows a call; stack - a word of a stack: as that, but nearly all that lie in code do.
    """

    value: int
    kind: Kind
    start: int
    end: int
    call: int | None = None  # the return address itself, where something near it is printed
    name: str | None = None  # the function as the kernel prints it,
    offset: int | None = None  # and how far into it


class Slide(NamedTuple):
    """Where the log says that an image lies: ``address`` was added to its link addresses."""

    address: int
    image: Literal["nanos", "hermit"]


class Code(NamedTuple):
    """Bytes of code that the log shows."""

    address: int
    data: bytes


class Crash(NamedTuple):
    """Here begins a kernel's account of a crash. ``slide``: it will say where the kernel lies."""

    kernel: str
    slide: bool = False


Fact = Slide | Code | Crash


class Reader(Protocol):
    """One kernel's output. It sees every line once, in order."""

    def read(self, text: str) -> list[Address | Fact]: ...


def number(text: str) -> int:
    return int(text, 16)


def address(match: re.Match[str], group: int | str, kind: Kind) -> Address:
    """The number that a group of a match holds."""
    return Address(number(match[group]), kind, match.start(group), match.end(group))
