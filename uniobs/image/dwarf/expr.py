"""DWARF expressions, as far as call frame information uses them (DWARF 5, 2.5)."""

import operator
from collections.abc import Callable, Mapping

from uniobs.image.dwarf.reader import sleb, uleb, unsigned
from uniobs.lean import Final

_MASK: Final = (1 << 64) - 1
_STEPS: Final = 1000
_DEPTH: Final = 64


def signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


_BINARY: Final[dict[int, Callable[[int, int], int]]] = {
    0x1A: operator.and_,
    0x1B: lambda a, b: int(signed(a) / signed(b)) if abs(signed(a)) < 1 << 52 else signed(a) // signed(b),
    0x1C: operator.sub,
    0x1D: operator.mod,
    0x1E: operator.mul,
    0x21: operator.or_,
    0x22: operator.add,
    0x24: lambda a, b: a << min(b, 64),
    0x25: lambda a, b: a >> min(b, 64),
    0x26: lambda a, b: signed(a) >> min(b, 64),
    0x27: operator.xor,
    0x29: lambda a, b: int(a == b),
    0x2A: lambda a, b: int(signed(a) >= signed(b)),
    0x2B: lambda a, b: int(signed(a) > signed(b)),
    0x2C: lambda a, b: int(signed(a) <= signed(b)),
    0x2D: lambda a, b: int(signed(a) < signed(b)),
    0x2E: lambda a, b: int(a != b),
}
_ADDR: Final = 0x03
_CONSTANTS: Final = {_ADDR: 8, 0x08: 1, 0x09: -1, 0x0A: 2, 0x0B: -2, 0x0C: 4, 0x0D: -4, 0x0E: 8, 0x0F: -8}


def evaluate(
    code: bytes,
    registers: Mapping[int, int],
    read: Callable[[int, int], bytes],
    stack: list[int],
    bias: int = 0,
) -> int:
    """The value on top at the end; ``bias`` is added to the link addresses in it.

    Raises KeyError for a register that isn't known, ValueError for bad code, UnknownMemory from
    ``read(address, size)``.
    """
    at = 0
    for _ in range(_STEPS):
        if at >= len(code):
            return stack[-1]
        op = code[at]
        at += 1
        if len(stack) > _DEPTH:
            raise ValueError("expression stack too deep")
        if 0x70 <= op <= 0x8F:  # breg
            offset, at = sleb(code, at)
            stack.append((registers[op - 0x70] + offset) & _MASK)
        elif 0x30 <= op <= 0x4F:  # lit
            stack.append(op - 0x30)
        elif op in _CONSTANTS:
            size = _CONSTANTS[op]
            value = unsigned(code, at, abs(size))
            at += abs(size)
            if size < 0 and value >> (8 * -size - 1):
                value -= 1 << 8 * -size
            stack.append((value + bias if op == _ADDR else value) & _MASK)
        elif op in _BINARY:
            right, left = stack.pop(), stack.pop()
            if op in (0x1B, 0x1D) and not right:
                raise ValueError("division by zero in an expression")
            stack.append(_BINARY[op](left, right) & _MASK)
        elif op in (0x06, 0x94):  # deref, deref_size
            size = 8
            if op == 0x94:
                size, at = code[at], at + 1
            if not 1 <= size <= 8:
                raise ValueError("dereference of an odd size")
            stack.append(int.from_bytes(read(stack.pop(), size), "little"))
        elif op in (0x2F, 0x28):  # skip, bra
            offset = unsigned(code, at, 2)
            at += 2
            if op == 0x2F or stack.pop():
                at += offset - 0x10000 if offset & 0x8000 else offset
                if at < 0:
                    raise ValueError("jump out of an expression")
        else:
            at = _other(op, code, at, registers, stack)
    raise ValueError("expression without an end")


def _other(op: int, code: bytes, at: int, registers: Mapping[int, int], stack: list[int]) -> int:
    if op in (0x10, 0x11):  # constu, consts
        value, at = uleb(code, at) if op == 0x10 else sleb(code, at)
        stack.append(value & _MASK)
    elif op == 0x12:
        stack.append(stack[-1])
    elif op == 0x13:
        stack.pop()
    elif op == 0x14:
        stack.append(stack[-2])
    elif op == 0x15:
        stack.append(stack[-1 - code[at]])
        at += 1
    elif op == 0x16:
        stack[-1], stack[-2] = stack[-2], stack[-1]
    elif op == 0x17:
        stack[-1], stack[-2], stack[-3] = stack[-2], stack[-3], stack[-1]
    elif op in (0x19, 0x1F, 0x20):  # abs, neg, not
        value = stack.pop()
        stack.append((abs(signed(value)) if op == 0x19 else -value if op == 0x1F else ~value) & _MASK)
    elif op == 0x23:  # plus_uconst
        value, at = uleb(code, at)
        stack[-1] = (stack[-1] + value) & _MASK
    elif op == 0x92:  # bregx
        number, at = uleb(code, at)
        offset, at = sleb(code, at)
        stack.append((registers[number] + offset) & _MASK)
    elif op != 0x96:  # nop
        raise ValueError(f"expression operation {op:#x}")
    return at
