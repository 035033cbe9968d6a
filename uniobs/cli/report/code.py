"""Source and instructions around an address."""

import os
from contextlib import suppress
from typing import Any, Final

from uniobs.cli.report.context import Context
from uniobs.cli.report.model import Code, Insn, Source
from uniobs.image.disasm import Instruction, disassemble

BACK_MAX: Final = 4096  # bytes from the function's start that are decoded to come to the address
PIECE: Final = 64  # instructions that are decoded at a time: most functions are short
CALLS: Final = ("call ", "bl ", "blr ")
FAULT: Final = (5, 6, 5)  # source lines before and after, instructions before, instructions after
FRAME: Final = (3, 4, 2)


def around(
    context: Context, file: str | None, line: int | None, pc: int, *, call: bool, reach: tuple[int, int, int]
) -> tuple[Source | None, Code | None]:
    """For a frame; (None, None) when the report has enough of them. ``call``: pc is a return address, and the
    call before it is what is meant."""
    if context.codes_left <= 0:
        return None, None
    context.codes_left -= 1
    lines = context.sources.around(file, line, _built(context, pc - call), reach[0])
    return lines, code(context, pc, call=call, before=reach[1], after=reach[2])


def _built(context: Context, pc: int) -> float | None:
    """When the image that holds ``pc`` was written."""
    module = _module(context, pc)
    with suppress(OSError):
        return os.stat(module.path).st_mtime if module is not None else None
    return None


def _module(context: Context, pc: int) -> Any:
    return next((module for module in context.modules if module.holds(pc)), None)


def code(context: Context, pc: int, *, call: bool, before: int, after: int) -> Code | None:
    """Decoded from the function's start, so that what lies before ``pc`` is right. None: no bytes."""
    module = _module(context, pc - call)
    function = module.function(pc - call) if module is not None else None
    rows: list[Instruction] = []
    mark = None
    if function is not None and 0 < pc - function[1] <= BACK_MAX:
        rows = _decode(context, module, function[1], pc, after)
        mark = _find(rows, pc, call)
        if call and mark is not None and not rows[mark].text.startswith(CALLS):
            mark = _find(rows, pc, False)  # it was interrupted there: nothing returns to it
    note = None
    if mark is None:  # the function isn't known, or holds more than instructions
        rows = _decode(context, module, pc, pc, after)
        mark = _find(rows, pc, False) if not call else None
        if call:
            note = "the call that this returns to can't be decoded for certain"
        elif function is None or function[1] != pc:
            note = "what lies before can't be decoded for certain"
    if not rows:
        return None
    if function is not None and function[2]:
        end = function[1] + function[2]
        rows = [row for row in rows if row.address < end or (row.address == pc and not call)]
    low = max(0, (mark or 0) - before)
    rows = rows[low : (mark or 0) + after + 1]
    found = tuple(_row(context, row, mark is not None and n == mark - low) for n, row in enumerate(rows))
    return Code(found, all(row.from_memory for row in rows), note)


def _decode(context: Context, module: Any, start: int, pc: int, after: int) -> list[Instruction]:
    """From ``start`` to ``after`` instructions behind ``pc``; fewer where bytes are no instruction."""
    space = context.target.space
    found: list[Instruction] = []
    at = start
    while sum(1 for row in found if row.address > pc) < after:
        rows = disassemble(module, space, at, PIECE if start != pc else after + 1)
        found += rows
        if not rows or start == pc:
            break
        at = rows[-1].address + rows[-1].size
    return found


def _find(rows: list[Instruction], pc: int, call: bool) -> int | None:
    return next((n for n, row in enumerate(rows) if row.address + row.size * call == pc), None)


def _row(context: Context, row: Instruction, marked: bool) -> Insn:
    return Insn(row.address, context.pointers.symbol(row.address) or "", symbolic(context, row), marked)


def symbolic(context: Context, row: Instruction) -> str:
    """call 0x1162d7 <crash_here>; mov rax, qword ptr [rip + 0x10] <lock_a>"""
    pointers = context.pointers
    names: list[str | None] = [pointers.symbol(row.target)] if row.target is not None else []
    for operand in row.memory:
        if operand.base == "rip":
            address = row.address + row.size + operand.offset
        elif not operand.base and not operand.index and not operand.segment:
            address = operand.offset
        else:
            continue
        address &= (1 << 64) - 1
        names.append(pointers.variable(address) or pointers.symbol(address))
    known = ", ".join(name for name in names if name)
    return f"{row.text} <{known}>" if known else row.text
