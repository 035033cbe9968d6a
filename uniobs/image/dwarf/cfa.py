"""Call frame programs: how to undo a frame at one address (DWARF 5, 6.4; LSB 5, .eh_frame)."""

from uniobs.image.dwarf.reader import sleb, uleb, unsigned
from uniobs.lean import Literal, NamedTuple

Rule = tuple[
    Literal["undefined", "same", "offset", "val_offset", "register", "expr", "val_expr"], int | bytes
]


class Rules(NamedTuple):
    """How the caller's registers are found, by DWARF number (6 rbp, 7 rsp, 16 the return address)."""

    start: int  # link addresses that the function's table covers
    end: int
    cfa: tuple[int, int] | bytes  # (register, offset), or an expression
    registers: dict[int, Rule]
    return_column: int
    signal: bool  # the frame was interrupted: its caller's pc is no return address


class Cie(NamedTuple):
    code_align: int
    data_align: int
    return_column: int
    pointer_encoding: int
    augmented: bool
    signal: bool
    program: bytes


class _State:
    __slots__ = ("cfa", "registers")

    def __init__(self, cfa: tuple[int, int] | bytes, registers: dict[int, Rule]) -> None:
        self.cfa = cfa
        self.registers = registers


def run(cie: Cie, program: bytes, start: int, end: int, address: int) -> Rules:
    """The row for ``address``. Raises ValueError or IndexError for a bad program."""
    initial = _State((7, 8), {})
    _execute(cie, cie.program, start, end, initial, None)
    state = _State(initial.cfa, dict(initial.registers))
    _execute(cie, program, start, address, state, initial)
    return Rules(start, end, state.cfa, state.registers, cie.return_column, cie.signal)


def _execute(
    cie: Cie, code: bytes, location: int, address: int, state: _State, initial: _State | None
) -> None:
    at = 0
    size = len(code)
    registers = state.registers
    align = cie.data_align
    stack: list[tuple[tuple[int, int] | bytes, dict[int, Rule]]] = []
    while at < size:
        op = code[at]
        at += 1
        high, low = op & 0xC0, op & 0x3F
        if high == 0x40 or op in (0x01, 0x02, 0x03, 0x04):  # advance_loc, set_loc, advance_loc1/2/4
            if high:
                location += low * cie.code_align
            elif op == 0x01:
                raise ValueError("set_loc in a call frame program")
            else:
                width = 1 << (op - 2)
                location += unsigned(code, at, width) * cie.code_align
                at += width
            if location > address:
                break
        elif high == 0x80:  # offset
            value, at = uleb(code, at)
            registers[low] = ("offset", value * align)
        elif high == 0xC0 or op == 0x06:  # restore, restore_extended
            if not high:
                low, at = uleb(code, at)
            if initial is not None and low in initial.registers:
                registers[low] = initial.registers[low]
            else:
                registers.pop(low, None)
        elif op == 0x0C:  # def_cfa
            register, at = uleb(code, at)
            value, at = uleb(code, at)
            state.cfa = (register, value)
        elif op == 0x0E or op == 0x13:  # def_cfa_offset, _sf
            value, at = uleb(code, at) if op == 0x0E else sleb(code, at)
            state.cfa = (_plain(state)[0], value if op == 0x0E else value * align)
        elif op == 0x0D:  # def_cfa_register
            register, at = uleb(code, at)
            state.cfa = (register, _plain(state)[1])
        elif op == 0x0A:  # remember_state
            stack.append((state.cfa, dict(registers)))
            if len(stack) > 64:
                raise ValueError("too many remembered states")
        elif op == 0x0B:  # restore_state
            state.cfa, saved = stack.pop()
            registers.clear()
            registers.update(saved)
        elif op:
            at = _rare(op, code, at, align, state)


def _plain(state: _State) -> tuple[int, int]:
    if isinstance(state.cfa, bytes):
        raise ValueError("an offset to a CFA that is an expression")
    return state.cfa


def _rare(op: int, code: bytes, at: int, align: int, state: _State) -> int:
    registers = state.registers
    if op == 0x0F:  # def_cfa_expression
        size, at = uleb(code, at)
        state.cfa = code[at : at + size]
        return at + size
    if op == 0x2E:  # GNU_args_size
        return uleb(code, at)[1]
    if op == 0x2D:  # GNU_window_save
        return at
    register, at = uleb(code, at)
    if op == 0x07:
        registers[register] = ("undefined", 0)
    elif op == 0x08:
        registers[register] = ("same", 0)
    elif op in (0x05, 0x11, 0x14, 0x15, 0x2F):  # offset_extended(_sf), val_offset(_sf), negative offset
        value, at = sleb(code, at) if op in (0x11, 0x15) else uleb(code, at)
        value = -value if op == 0x2F else value
        registers[register] = ("val_offset" if op in (0x14, 0x15) else "offset", value * align)
    elif op == 0x09:
        value, at = uleb(code, at)
        registers[register] = ("register", value)
    elif op == 0x12:  # def_cfa_sf
        value, at = sleb(code, at)
        state.cfa = (register, value * align)
    elif op in (0x10, 0x16):
        size, at = uleb(code, at)
        registers[register] = ("expr" if op == 0x10 else "val_expr", code[at : at + size])
        at += size
    else:
        raise ValueError(f"call frame instruction {op:#x}")
    return at
