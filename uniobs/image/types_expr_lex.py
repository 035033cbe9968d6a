"""Words of an expression in C's notation, as debuggers take it."""

import re
from typing import Final, NamedTuple

from uniobs.errors import UsageError

LONGEST: Final = 4096  # characters of an expression

_TOKEN: Final = re.compile(
    r"""\s*(?:
      (?P<float>\d+\.\d*(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+|\.\d+(?:[eE][-+]?\d+)?)
    | (?P<number>0[xX][0-9a-fA-F]+|0[bB][01]+|\d+)(?P<suffix>[uUlL]{0,3})
    | \$(?P<register>[A-Za-z_0-9][\w-]*?(?=\W|$)|'[^']*')
    | (?P<name>[^\W\d]\w*(?:::~?[^\W\d]\w*)*)
    | (?P<string>"(?:\\.|[^"\\])*")
    | (?P<quoted>'(?:\\.|[^'\\])*'(?:::[^\W\d]\w*)?)
    | (?P<sign><<|>>|<=|>=|==|!=|&&|\|\||->|[-+*/%&|^~!<>().,\[\]:@?=])
    )""",
    re.VERBOSE,
)
_ESCAPES: Final = {
    "n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "e": "\x1b",
}  # fmt: skip


class ExpressionError(UsageError):
    """What is wrong with an expression; ``column`` counts from 0."""

    def __init__(self, message: str, text: str, column: int) -> None:
        super().__init__(message)
        self.text = text
        self.column = column

    @property
    def pointed(self) -> tuple[str, str]:
        """The expression, and a caret under the place."""
        start = max(0, self.column - 60)
        return self.text[start : start + 100], " " * (self.column - start) + "^"


class Token(NamedTuple):
    """``kind``: float, number, register, name, string, char, sign, end."""

    kind: str
    text: str
    column: int
    suffix: str = ""


def tokens(text: str) -> list[Token]:
    """Raises ExpressionError."""
    if len(text) > LONGEST:
        raise ExpressionError(f"an expression has at most {LONGEST} characters", text[:100], 0)
    found: list[Token] = []
    at = 0
    while True:
        match = _TOKEN.match(text, at)
        if match is None:
            rest = text[at:]
            at += len(rest) - len(rest.lstrip())
            if at >= len(text):
                found.append(Token("end", "", len(text)))
                return found
            what = "this quote doesn't end" if text[at] in "\"'" else f"{text[at]!r} means nothing here"
            raise ExpressionError(what, text, at)
        kind = match.lastgroup or ""
        kind = "number" if kind == "suffix" else kind
        found.append(_token(text, kind, match.group(kind), match.start(kind), match.group("suffix") or ""))
        at = match.end()


def _token(text: str, kind: str, word: str, column: int, suffix: str) -> Token:
    if kind == "register":
        return Token(kind, word.strip("'"), column - 1)
    if kind == "string":
        return Token(kind, unescaped(word[1:-1]), column)
    if kind == "quoted":
        inside, _, rest = word[1:].rpartition("'")
        plain = unescaped(inside)
        if len(plain) == 1 and not rest:
            return Token("char", plain, column)
        if not inside:
            raise ExpressionError("an empty name", text, column)
        return Token("name", inside + rest, column, "quoted")
    return Token(kind, word, column, suffix)


def unescaped(text: str) -> str:
    """What C's backslashes stand for."""

    def one(match: re.Match[str]) -> str:
        code = match.group(1)
        if code[0] == "x":
            return chr(int(code[1:], 16))
        if code[0] in "01234567":
            return chr(int(code, 8) & 0xFF)
        return _ESCAPES.get(code, code)

    return re.sub(r"\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|.)", one, text, flags=re.DOTALL)
