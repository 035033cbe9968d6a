"""Operators of expressions: numbers as C reckons with them, pointers in elements."""

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final

from uniobs.errors import UniobsError
from uniobs.image.types_expr import Operand, Scope, decayed
from uniobs.image.types_expr_lex import ExpressionError
from uniobs.image.types_expr_numbers import (
    DOUBLE,
    INT,
    LONG,
    ULONG,
    common,
    integer,
    pointer_to,
    promoted,
    real,
)
from uniobs.image.types_expr_parse import Node
from uniobs.image.types_model import NUMBERS, Kind, Type

_END: Final = 1 << 64
_COMPARE: Final[dict[str, Callable[[float, float], bool]]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt, "<=": operator.le,
    ">=": operator.ge,
}  # fmt: skip
_WHOLE: Final[dict[str, Callable[[int, int], int]]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "&": operator.and_, "|": operator.or_,
    "^": operator.xor,
}  # fmt: skip


class Operators(ABC):
    """For one expression; the rest of the evaluator is built on it."""

    def __init__(self, text: str, scope: Scope) -> None:
        self.text = text
        self.scope = scope
        self.space = scope.space

    @abstractmethod
    def run(self, node: Node) -> Operand:
        """Raises ExpressionError at the node whose fault it is."""

    @abstractmethod
    def _deref(self, operand: Operand, node: Node) -> Operand: ...

    def fail(self, what: str, node: Node) -> ExpressionError:
        return ExpressionError(what, self.text, node.column)

    def _integer(self, number: int, made: Type) -> Operand:
        return Operand(integer(number, made, self.space), False)

    def _pointer(self, address: int, target: Type) -> Operand:
        return self._integer(address, pointer_to(target))

    def _moved(self, operand: Operand, count: int, node: Node) -> Operand:
        if operand.type.kind is Kind.ARRAY:  # of a value that isn't in memory
            return operand
        if operand.type.kind is not Kind.POINTER:
            raise self.fail(f"{operand.type} is neither a pointer nor an array", node)
        target = operand.type.target
        size = 1 if target.kind in (Kind.VOID, Kind.FUNCTION) else target.size
        if size is None:
            raise self.fail(f"this image doesn't say how large {target} is", node)
        return self._pointer((int(operand.value) + count * size) % _END, target)

    def _unary(self, node: Node) -> Operand:
        op, inner = node.op[1:], node.parts[0]
        if op == "!":
            return self._integer(not self._truth(inner), INT)
        operand = self.run(inner)
        if op == "*":
            return self._deref(operand, node)
        if op == "&":
            if not operand.place:
                raise self.fail("this isn't in memory: it has no address", inner)
            if operand.value.bit_width:
                raise self.fail("a bit field has no address", inner)
            return self._pointer(operand.value.address, operand.type)
        made = self._number(operand, node)
        if made.kind is Kind.FLOAT:
            if op == "~":
                raise self.fail("~ takes whole numbers", node)
            number = float(operand.value)
            return Operand(real(-number if op == "-" else number, DOUBLE, self.space), False)
        whole = int(operand.value)
        return self._integer({"-": -whole, "~": ~whole}.get(op, whole), made)

    def _number(self, operand: Operand, node: Node) -> Type:
        """The promoted type. Raises ExpressionError for what is no number."""
        kind = operand.type.kind
        if kind is Kind.VOID:
            raise self.fail("its type isn't known: cast it, (int)x", node)
        if kind is Kind.POINTER:
            return ULONG
        if kind is not Kind.FLOAT and kind not in NUMBERS:
            raise self.fail(f"{operand.type} is no number", node)
        return promoted(operand.value)

    def _whole(self, node: Node) -> int:
        operand = self.run(node)
        if self._number(operand, node).kind is Kind.FLOAT:
            raise self.fail("a whole number is needed", node)
        return int(operand.value)

    def _truth(self, node: Node) -> bool:
        operand = decayed(self.run(node))
        if operand.type.kind is Kind.FLOAT:
            return float(operand.value) != 0
        self._number(operand, node)
        return int(operand.value) != 0

    def _binary(self, node: Node) -> Operand:
        op = node.op
        if op in ("&&", "||"):
            first = self._truth(node.parts[0])
            return self._integer(first if first == (op == "||") else self._truth(node.parts[1]), INT)
        if op in ("==", "!=") and (same := self._texts(node)) is not None:
            return self._integer(same == (op == "=="), INT)
        left, right = self._sides(node)
        pointers = [Kind.POINTER in (left.type.kind,), Kind.POINTER in (right.type.kind,)]
        if any(pointers) and op in ("+", "-"):
            return self._walk(left, right, node)
        a, b = self._number(left, node.parts[0]), self._number(right, node.parts[1])
        made = common(a, b)
        if op in ("<<", ">>"):
            made = a
        if made.kind is Kind.FLOAT or b.kind is Kind.FLOAT:
            return self._floats(op, float(left.value), float(right.value), node)
        size, whole = made.size or 8, (int(left.value), int(right.value))
        if op in _COMPARE:
            low, high = (self._fit(number, made) for number in whole)
            return self._integer(_COMPARE[op](low, high), INT)
        x, y = self._fit(whole[0], made), whole[1] if op in ("<<", ">>") else self._fit(whole[1], made)
        if op in _WHOLE:
            return self._integer(_WHOLE[op](x, y), made)
        if op in ("<<", ">>"):
            if not 0 <= y < 8 * size:
                raise self.fail(f"a shift of {size * 8} bits by {y}", node)
            return self._integer(x << y if op == "<<" else x >> y, made)
        if not y:
            raise self.fail("division by zero", node)
        quotient = abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)
        return self._integer(quotient if op == "/" else x - quotient * y, made)

    def _fit(self, number: int, made: Type) -> int:
        return int(integer(number, made, self.space))

    def _floats(self, op: str, x: float, y: float, node: Node) -> Operand:
        if op in _COMPARE:
            return self._integer(_COMPARE[op](x, y), INT)
        if op not in ("+", "-", "*", "/"):
            raise self.fail(f"{op} takes whole numbers", node)
        if op == "/" and not y:
            raise self.fail("division by zero", node)
        try:
            number = x + y if op == "+" else x - y if op == "-" else x * y if op == "*" else x / y
        except OverflowError:
            number = float("inf")
        return Operand(real(number, DOUBLE, self.space), False)

    def _sides(self, node: Node) -> tuple[Operand, Operand]:
        """Both sides; a name that nothing has may be a value of the enum on the other side."""
        found: list[Operand | None] = []
        problem: UniobsError | None = None
        for part in node.parts:
            try:
                found.append(decayed(self.run(part)))
            except ExpressionError as error:
                if part.op != "name":
                    raise
                problem = problem or error
                found.append(None)
        left, right = found
        if left is None and right is not None:
            left = self._enumerator(node.parts[0], right.type)
        elif right is None and left is not None:
            right = self._enumerator(node.parts[1], left.type)
        if left is None or right is None:
            assert problem is not None
            raise problem
        return left, right

    def _enumerator(self, node: Node, other: Type) -> Operand | None:
        if other.kind is not Kind.ENUM:
            return None
        for number, name in other.enumerators.items():
            if name == node.text:
                return self._integer(number, LONG)
        return None

    def _texts(self, node: Node) -> bool | None:
        """Whether a char array or pointer holds a given text; None when neither side is written as text."""
        for one, other in (node.parts, node.parts[::-1]):
            if one.op != "string":
                continue
            value = self.run(other).value
            if value.type.kind is Kind.POINTER and not int(value):
                return False
            text, whole = value.text(len(one.text.encode()) + 1)
            return whole and text == one.text
        return None

    def _walk(self, left: Operand, right: Operand, node: Node) -> Operand:
        """Pointers and numbers added; pointers subtracted."""
        if left.type.kind is Kind.POINTER and right.type.kind is Kind.POINTER:
            if node.op == "+":
                raise self.fail("two pointers can't be added", node)
            size = left.type.target.size or 1
            if size != (right.type.target.size or 1):
                raise self.fail(f"{left.type} and {right.type} point to different things", node)
            distance = self._fit(int(left.value) - int(right.value), LONG)
            return self._integer(distance // size, LONG)
        if right.type.kind is Kind.POINTER:
            if node.op == "-":
                raise self.fail("a pointer can't be taken from a number", node)
            left, right = right, left
        if self._number(right, node).kind is Kind.FLOAT:
            raise self.fail("a whole number is needed", node)
        count = int(right.value)
        return self._moved(left, -count if node.op == "-" else count, node)
