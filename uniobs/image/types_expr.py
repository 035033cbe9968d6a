"""Expressions in C's notation over a guest's variables: parsed, then evaluated. Nothing is ever written.

    parse("mutex_a.owner->name == \\"worker-a\\"", scope.is_type)
    evaluate(text, scope) -> Operand

Numbers behave as C's do (promotion, wrap-around, truncating division); pointers count in elements.
"""

from dataclasses import dataclass
from typing import Protocol

from uniobs.errors import NotOffered, UniobsError, UnknownMemory
from uniobs.image.types_expr_lex import ExpressionError
from uniobs.image.types_expr_numbers import array_of, base_type, pointer_to
from uniobs.image.types_expr_parse import Node, TypeName, parse, parse_type
from uniobs.image.types_model import NUMBERS, Kind, Type
from uniobs.image.types_value import Value
from uniobs.memory.base import AddressSpace


@dataclass(frozen=True, slots=True)
class Operand:
    """What an expression gives. ``place``: it lies in the guest's memory, at value.address."""

    value: Value
    place: bool

    @property
    def type(self) -> Type:
        return self.value.type


class Scope(Protocol):
    """What names mean. Methods raise NotOffered for what isn't there."""

    @property
    def space(self) -> AddressSpace: ...

    def variable(self, name: str) -> Value: ...

    def symbol(self, name: str) -> tuple[int, bool] | None:
        """(address, whether it is a function) of what has only a symbol."""

    def type(self, words: str) -> Type:
        """ "struct uk_thread", "u64", "sched::thread"."""

    def register(self, thread: str, name: str) -> int:
        """``thread``: its id or name; empty for the chosen one."""

    def it(self) -> Operand | None:
        """What $it stands for."""


class Nowhere:
    """Where null pointers lead. A guest may well have memory at 0: it isn't what they point to."""

    def __init__(self, what: str) -> None:
        self._why = f"a null pointer to {what}"

    def translate(self, address: int) -> int:
        raise UnknownMemory(address, 1, self._why)

    def read(self, address: int, size: int) -> bytes:
        raise UnknownMemory(address, size, self._why)


def evaluate(text: str, scope: Scope) -> Operand:
    """Raises ExpressionError, with the place; UnknownMemory; NotOffered."""
    return run(parse(text, lambda name: is_type(scope, name)), text, scope)


def is_type(scope: Scope, name: str) -> bool:
    """A variable of the same name comes first."""
    if base_type(name) is not None:
        return True
    try:
        scope.type(name)
    except UniobsError:
        return False
    try:
        scope.variable(name)
    except UniobsError:
        return scope.symbol(name) is None
    return False


def type_of(text: str, scope: Scope) -> Type:
    """A type by its name: "struct x *", "unsigned long [4]"."""
    return find_type(parse_type(text), text, scope)


def find_type(name: TypeName, text: str, scope: Scope) -> Type:
    """Raises ExpressionError."""
    found = base_type(name.words)
    try:
        made = found if found is not None else scope.type(name.words)
    except NotOffered as error:
        raise ExpressionError(str(error), text, name.column) from None
    for _ in range(name.stars):
        made = pointer_to(made)
    for count in reversed(name.bounds):
        if count > 1 << 24:
            raise ExpressionError(f"an array of {count} elements", text, name.column)
        made = array_of(made, count)
    return made


def run(node: Node, text: str, scope: Scope) -> Operand:
    from uniobs.image.types_expr_run import Evaluator

    return Evaluator(text, scope).run(node)


def address_of(operand: Operand) -> int:
    """What an operand says as an address: a pointer's or number's value, the place of anything else."""
    value = operand.value
    if value.type.kind in NUMBERS:
        return int(value) % (1 << 64)
    if not operand.place:
        raise NotOffered(f"{value.type} is no address")
    return value.address


def decayed(operand: Operand) -> Operand:
    """Arrays and functions become pointers, as C has it."""
    value = operand.value
    if operand.place and value.type.kind in (Kind.ARRAY, Kind.FUNCTION):
        target = value.type if value.type.kind is Kind.FUNCTION else value.type.target
        data = (value.address % (1 << 64)).to_bytes(8, "little")
        return Operand(Value(pointer_to(target), 0, value.space, data), False)
    return operand
