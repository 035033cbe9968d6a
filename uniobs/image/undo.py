"""What a call table's rules make of a frame: its CFA, and its caller's registers. Of any machine."""

from collections.abc import Mapping

from uniobs.errors import UnknownMemory
from uniobs.image.dwarf.expr import evaluate
from uniobs.image.stackread import StackReader
from uniobs.lean import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from uniobs.image.dwarf.cfa import Rule, Rules

MASK: Final = (1 << 64) - 1


def cfa_of(rules: "Rules", registers: Mapping[int, int], memory: StackReader) -> int | None:
    """None when a register that the table needs isn't known, or it is garbled. Raises UnknownMemory."""
    try:
        if isinstance(rules.cfa, bytes):
            return evaluate(rules.cfa, registers, memory.read, [])
        return (registers[rules.cfa[0]] + rules.cfa[1]) & MASK
    except (KeyError, ValueError, IndexError):
        return None


def restored(
    number: int, rule: "Rule", cfa: int, registers: Mapping[int, int], memory: StackReader
) -> int | None:
    """A register of the caller, by the frame's own ``registers``; None: it isn't known."""
    how, operand = rule
    try:
        if isinstance(operand, bytes):
            value = evaluate(operand, registers, memory.read, [cfa])
            return memory.word(value) if how == "expr" else value
        if how == "offset":
            return memory.word(cfa + operand)
        if how == "val_offset":
            return (cfa + operand) & MASK
        if how == "register":
            return registers.get(operand)
        return registers.get(number) if how == "same" else None
    except (UnknownMemory, KeyError, ValueError, IndexError):
        return None
