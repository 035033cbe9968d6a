"""The shell's grammar: CMD ; CMD, [EXPR]::CMD/FORMAT ARGS, | for values, ! for a command of this host."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from uniobs.errors import UsageError

LONGEST: Final = 1 << 16  # characters of a line
_DIGITS: Final = re.compile(r"[0-9]{1,19}")
_NAME: Final = re.compile(r"::([A-Za-z][\w-]*)(/[\w]*)?(?=\s|$)")
_BARE: Final = re.compile(r"([A-Za-z][\w-]*)(/[\w]*)?(?=\s|$)")
# after a name, these make it an expression: "heap + 1", "threads ? 1 : 2"
_OPERATOR: Final = re.compile(r"\s*(==|!=|<=|>=|<<|>>|[-+*%^<>&|=?](?=\s))")


@dataclass(frozen=True, slots=True)
class Stage:
    """One command. ``dot``: the expression before ``::``; ``name`` is empty for a bare expression."""

    name: str
    format: str
    arguments: str
    dot: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """Stages that hand values on, and the host's command that their text goes to."""

    stages: tuple[Stage, ...]
    host: str | None = None


def lines(text: str, names: "frozenset[str] | set[str]") -> Iterator[Line]:
    """What stands between semicolons. ``names``: the commands there are. Raises UsageError."""
    if len(text) > LONGEST:
        raise UsageError(f"a line has at most {LONGEST} characters")
    for part in _split(text, ";"):
        part = part.strip()
        if part and not part.startswith("#"):
            yield _line(part, names)


def is_number(text: str) -> bool:
    """Of digits that int() takes, and not of thousands of them."""
    return _DIGITS.fullmatch(text) is not None


def _line(text: str, names: "frozenset[str] | set[str]") -> Line:
    host = None
    at = next((n for n in _outside(text) if text[n] == "!" and text[n + 1 : n + 2] != "="), None)
    # "!x" is C's not; a host's command follows what it is fed with, after a space
    if at is not None and text[at - 1 : at].isspace() and not text[at + 1 : at + 2].strip():
        text, host = text[:at].strip(), text[at + 1 :].strip()
        if not host:
            raise UsageError("after ! a command of this host is expected: ::threads ! grep worker")
    pieces = _pipes(text, names)
    return Line(tuple(stage(piece, names) for piece in pieces), host)


def _pipes(text: str, names: "frozenset[str] | set[str]") -> list[str]:
    """``|`` before a command hands values on; any other is C's."""
    pieces: list[str] = []
    start = 0
    for at in _outside(text):
        if text[at] != "|" or "|" in (text[at - 1 : at], text[at + 1 : at + 2]):
            continue
        rest = text[at + 1 :].lstrip()
        match = _NAME.match(rest) or _BARE.match(rest)
        if match is not None and match.group(1) in names:
            pieces.append(text[start:at])
            start = at + 1
    return [*pieces, text[start:]]


def stage(text: str, names: "frozenset[str] | set[str]") -> Stage:
    text = text.strip()
    for match in _NAME.finditer(text):
        if match.start() and text[match.start() - 1].isspace() and match.group(1) not in names:
            continue
        if match.group(1) in names or not match.start():
            before = text[: match.start()].strip()
            if before and _command(before, names):
                break  # ::print std::heap
            form, rest = (match.group(2) or "/")[1:], text[match.end() :].strip()
            return Stage(match.group(1), form, rest, before or None)
    if (bare := _command(text, names)) is not None:
        return bare
    return Stage("", "", text)


def _command(text: str, names: "frozenset[str] | set[str]") -> Stage | None:
    """A command written without ``::``."""
    if text == "p":
        return None  # a pointer's name, more likely than a print of nothing
    match = _BARE.match(text)
    if match is None or match.group(1) not in names or _OPERATOR.match(text, match.end()):
        return None
    return Stage(match.group(1), (match.group(2) or "/")[1:], text[match.end() :].strip())


def _outside(text: str) -> Iterator[int]:
    """Positions outside of quotes, parentheses and brackets."""
    quote, depth, skip = "", 0, False
    for at, char in enumerate(text):
        if skip:
            skip = False
        elif quote:
            skip = char == "\\"
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in "([":
            depth += 1
        elif char in ")]":
            depth -= 1
        elif depth <= 0:
            yield at


def _split(text: str, separator: str) -> list[str]:
    parts: list[str] = []
    start = 0
    for at in _outside(text):
        if text[at] in (separator, "\n"):
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]]
