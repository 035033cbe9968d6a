"""print and its kin: any variable, member, register or expression of them."""

import re
from collections.abc import Iterator
from typing import Any

from uniobs.cli.shell.state import Shell
from uniobs.cli.shell.table import Call, Dot, command
from uniobs.errors import EXIT_INCOMPLETE, EXIT_OK, UsageError
from uniobs.image.types_expr import Operand, evaluate
from uniobs.image.types_leaf import FORMATS
from uniobs.image.types_model import NUMBERS, Kind
from uniobs.image.types_plain import Plain
from uniobs.image.types_shape import declared
from uniobs.model.guest import Thread

GROUP = "values"
_FOLLOW = re.compile(r"-f\s*(\d{1,2})\s+")


def _given(shell: Shell, call: Call) -> tuple[str, int | None]:
    """(the expression, pointers to follow)."""
    text = call.arguments
    match = _FOLLOW.match(text)
    follow = int(match.group(1)) if match else None
    text = text[match.end() :] if match else text
    if not text:
        if call.dot is None:
            raise UsageError("print what? print lock_a.owner->name, print/x *thread, print $rip")
        text = "$it"
    return text, follow


def _values(shell: Shell, call: Call) -> Iterator[Dot]:
    """An array hands on its elements, anything else itself."""
    operand = evaluate(_given(shell, call)[0], shell.scope)
    if operand.type.kind is Kind.ARRAY and operand.type.target.kind is not Kind.CHAR:
        for value in operand.value:
            yield Operand(value, operand.place)
        return
    yield operand


@command(
    "print",
    "print[/FMT] [-f N] EXPR",
    "any expression: variables, members, casts, slices a[0:8], $rip, $3.rsp (-f: follow N pointers)",
    completes="expression",
    produces=_values,
    group=GROUP,
    also=("p",),
)
def print_(shell: Shell, call: Call) -> int:
    text, follow = _given(shell, call)
    if isinstance(call.dot, Thread) and text == "$it":
        raise UsageError("a thread's id came in: ::stack, ::regs and print $it take it")
    letter = letter_of(call.format)
    operand = evaluate(text, shell.scope)
    if shell.out.json:
        return _object(shell, text, operand, letter)
    shown = shell.printer(letter, follow).text(operand.value)
    shell.lines(with_type(operand, shown) if not letter else shown)
    return EXIT_INCOMPLETE if shown.startswith("<unknown: ") else EXIT_OK


def with_type(operand: Operand, shown: str) -> str:
    """A pointer says what it points to, where its text doesn't."""
    made = operand.type
    if made.kind is not Kind.POINTER or made.target.kind in (Kind.CHAR, Kind.FUNCTION):
        return shown
    return f"({declared(made, '')}) {shown}"


def letter_of(text: str) -> str:
    """A format's letter; raises UsageError for one that there isn't."""
    if len(text) > 1 or text not in FORMATS:
        known = "x hex, d signed, u unsigned, o octal, t binary, c char, a address, s text, f float, z"
        raise UsageError(f"no format /{text}: {known}")
    return text


def _object(shell: Shell, text: str, operand: Operand, letter: str) -> int:
    value = operand.value
    plain = Plain()
    row: dict[str, Any] = {
        "expression": text,
        "type": str(value.type),
        "address": value.address if operand.place else None,
        "value": plain.of(value),
    }
    if value.type.kind in NUMBERS and plain.complete:
        number = int(value)
        row["symbol"] = shell.scope.symbol_at(number) if value.type.kind is Kind.POINTER else None
    if letter:
        row["text"] = shell.printer(letter).text(value)
    shell.object("print", [row], complete=plain.complete)
    return EXIT_OK if plain.complete else EXIT_INCOMPLETE
