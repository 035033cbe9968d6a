"""From an expression's words to a tree. Its depth is bounded: whoever walks it needn't fear for the stack."""

from collections.abc import Callable
from typing import Any, Final

from uniobs.image.types_expr_lex import ExpressionError, Token, tokens
from uniobs.model.row import frozen

DEEPEST: Final = 64

# Operator -> how tightly it binds; all of them group from the left. "@" is gdb's: so many of them in a row.
BINARY: Final = {
    "||": 1, "&&": 2, "|": 3, "^": 4, "&": 5, "==": 6, "!=": 6, "<": 7, ">": 7, "<=": 7, ">=": 7,
    "<<": 8, ">>": 8, "@": 9, "+": 10, "-": 10, "*": 11, "/": 11, "%": 11,
}  # fmt: skip
UNARY: Final = frozenset("-+!~*&")
_TAGS: Final = frozenset({"struct", "class", "union", "enum"})
_BASE: Final = frozenset(
    {"void", "char", "short", "int", "long", "signed", "unsigned", "float", "double", "bool", "_Bool"}
)
_QUALIFIERS: Final = frozenset({"const", "volatile", "restrict"})


@frozen
class TypeName:
    """``words``: "struct uk_thread", "unsigned long"; then so many stars, then the bounds of an array."""

    words: str
    stars: int
    bounds: tuple[int, ...]
    column: int


@frozen
class Node:
    """``op``: number float string name register it member arrow index slice cast sizeof cond, a binary
    operator, or a unary one as "u-"."""

    op: str
    column: int
    parts: tuple["Node", ...] = ()
    text: str = ""
    number: int | float = 0
    type: TypeName | None = None
    depth: int = 1


def parse(text: str, is_type: Callable[[str], bool]) -> Node:
    """``is_type``: whether a bare name is one of a type. Raises ExpressionError."""
    parser = _Parser(text, is_type)
    node = parser.binary(0)
    parser.finish()
    return node


def parse_type(text: str) -> TypeName:
    """A type's name alone. Raises ExpressionError."""
    parser = _Parser(text, lambda name: True)
    found = parser.type_name()
    parser.finish()
    return found


class _Parser:
    def __init__(self, text: str, is_type: Callable[[str], bool]) -> None:
        self.text = text
        self.tokens = tokens(text)
        self.at = 0
        self.depth = 0
        self.is_type = is_type

    @property
    def here(self) -> Token:
        return self.tokens[self.at]

    def fail(self, what: str, column: int | None = None) -> ExpressionError:
        return ExpressionError(what, self.text, self.here.column if column is None else column)

    def sees(self, *signs: str) -> bool:
        return self.here.kind == "sign" and self.here.text in signs

    def take(self, sign: str) -> bool:
        if self.sees(sign):
            self.at += 1
            return True
        return False

    def need(self, sign: str, why: str) -> None:
        if not self.take(sign):
            raise self.fail(f"{why} needs a {sign!r}")

    def finish(self) -> None:
        if self.here.kind == "end":
            return
        if self.sees("="):
            raise self.fail("nothing is ever written to a guest ('==' compares)")
        raise self.fail(f"{self.here.text!r} is one word too many")

    def node(self, op: str, column: int, *parts: Node, **more: Any) -> Node:
        depth = 1 + max((part.depth for part in parts), default=0)
        if depth > DEEPEST:
            raise self.fail(f"nested deeper than {DEEPEST}", column)
        return Node(op, column, parts, depth=depth, **more)

    def binary(self, floor: int) -> Node:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.fail(f"nested deeper than {DEEPEST}")
        left = self.unary()
        while self.here.kind == "sign" and (level := BINARY.get(self.here.text, 0)) > floor:
            sign = self.here
            self.at += 1
            left = self.node(sign.text, sign.column, left, self.binary(level))
        if not floor and self.sees("?"):
            column = self.here.column
            self.at += 1
            yes = self.binary(0)
            self.need(":", "a choice")
            left = self.node("cond", column, left, yes, self.binary(0))
        self.depth -= 1
        return left

    def unary(self) -> Node:
        """Prefixes are collected first: a row of them needs no recursion."""
        prefixes: list[tuple[str, int, TypeName | None]] = []
        while True:
            here = self.here
            if here.kind == "sign" and here.text in UNARY:
                self.at += 1
                prefixes.append(("u" + here.text, here.column, None))
            elif here.kind == "sign" and here.text == "&&":
                raise self.fail("the address of an address")
            elif here.kind == "name" and here.text == "sizeof" and not here.suffix:
                self.at += 1
                if self._type_follows():
                    self.at += 1
                    kind = self.type_name()
                    self.need(")", "sizeof")
                    inner = self.node("sizeof", here.column, type=kind)
                    break
                prefixes.append(("sizeof", here.column, None))
            elif self._cast_follows():
                self.at += 1
                kind = self.type_name()
                self.need(")", "a cast")
                prefixes.append(("cast", here.column, kind))
            else:
                inner = self.postfix(self.primary())
                break
            if len(prefixes) > DEEPEST:
                raise self.fail(f"nested deeper than {DEEPEST}")
        for op, column, made in reversed(prefixes):
            inner = self.node(op, column, inner, type=made)
        return inner

    def _type_follows(self) -> bool:
        """Whether "(" and a type's name come next."""
        if not self.sees("("):
            return False
        following = self.tokens[self.at + 1]
        if following.kind != "name":
            return False
        if following.text in _TAGS | _BASE | _QUALIFIERS and not following.suffix:
            return True
        after = self.at + 2
        while self.tokens[after].kind == "sign" and self.tokens[after].text == "*":
            after += 1
        closes = self.tokens[after].kind == "sign" and self.tokens[after].text in (")", "[")
        return closes and self.is_type(following.text)

    def _cast_follows(self) -> bool:
        return self._type_follows()

    def type_name(self) -> TypeName:
        column = self.here.column
        words: list[str] = []
        while self.here.kind == "name":
            word = self.here.text
            if word not in _QUALIFIERS or self.here.suffix:
                if words and not (words[0] in _TAGS and len(words) == 1) and not {words[-1], word} <= _BASE:
                    raise self.fail("one type too many")
                words.append(word)
            self.at += 1
        if not words:
            raise self.fail("a type's name is missing")
        if words[0] in _TAGS and len(words) == 1:
            raise self.fail(f"the name of the {words[0]} is missing")
        stars = 0
        while self.sees("*") or (self.here.kind == "name" and self.here.text in _QUALIFIERS):
            stars += self.here.text == "*"
            self.at += 1
        bounds: list[int] = []
        while self.take("["):
            if self.here.kind != "number":
                raise self.fail("an array's type needs a number of elements")
            bounds.append(self.integer(self.here))
            self.at += 1
            self.need("]", "an array's type")
        if stars > 8 or len(bounds) > 8:
            raise self.fail("too much of a type", column)
        return TypeName(" ".join(words), stars, tuple(bounds), column)

    def integer(self, token: Token) -> int:
        word = token.text
        octal = len(word) > 1 and word[0] == "0" and word.isdigit()
        try:
            number = int(word, 8 if octal else 0)
        except ValueError:
            raise self.fail(f"{word} is no number (0... is octal)", token.column) from None
        if number >> 64:
            raise self.fail(f"{word} has more than 64 bits", token.column)
        return number

    def primary(self) -> Node:
        here = self.here
        self.at += 1
        if here.kind == "number":
            return self.node("number", here.column, number=self.integer(here), text=self._literal(here))
        if here.kind == "float":
            return self.node("float", here.column, number=float(here.text))
        if here.kind == "char":
            return self.node("char", here.column, number=ord(here.text) & 0xFF)
        if here.kind == "string":
            return self.node("string", here.column, text=here.text)
        if here.kind == "register":
            return self._register(here)
        if here.kind == "name":
            return self.node("name", here.column, text=here.text)
        if here.kind == "sign" and here.text == "(":
            inner = self.binary(0)
            self.need(")", "a parenthesis")
            return inner
        if here.kind == "sign" and here.text == ".":
            if self.here.kind == "name":
                self.at -= 1  # .name is $it.name
            return self.node("it", here.column)
        self.at -= 1
        if here.kind == "end":
            raise self.fail("the expression ends too early" if self.at else "an expression is missing")
        raise self.fail(f"{here.text!r} needs something before it")

    def _literal(self, here: Token) -> str:
        """Which of C's types a number has: its suffix, and whether it's decimal."""
        return here.suffix.lower() + ("d" if here.text[0] != "0" else "x")

    def _register(self, here: Token) -> Node:
        """$rip, $3.rip, $'worker-a'.rip; $it and $_ are what came in."""
        if here.text in ("it", "_"):
            return self.node("it", here.column)
        if self.sees(".") and (here.text.isdigit() or self.text[here.column + 1] == "'"):
            self.at += 1
            name = self.here
            if name.kind != "name":
                raise self.fail("a register's name is missing")
            self.at += 1
            return self.node("register", here.column, text=f"{here.text}\0{name.text}")
        if here.text.isdigit():
            raise self.fail(f"${here.text} is a thread: ${here.text}.rip is a register of it", here.column)
        return self.node("register", here.column, text=f"\0{here.text}")

    def postfix(self, node: Node) -> Node:
        while True:
            column = self.here.column
            if self.sees(".", "->"):
                op = "arrow" if self.here.text == "->" else "member"
                self.at += 1
                name = self.here
                if name.kind != "name":
                    raise self.fail("a member's name is missing")
                self.at += 1
                node = self.node(op, name.column, node, text=name.text)
            elif self.take("["):
                index = self.binary(0)
                if self.take(":"):
                    node = self.node("slice", column, node, index, self.binary(0))
                else:
                    node = self.node("index", column, node, index)
                self.need("]", "an index")
            elif self.sees("("):
                raise self.fail("functions of the guest can't be called: it is only read")
            else:
                return node
