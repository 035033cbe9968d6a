"""Raw memory: x as gdb has it, dis."""

import re
from typing import Any, Final

from uniobs.cli.shell.state import Shell
from uniobs.cli.shell.table import Call, command
from uniobs.errors import EXIT_INCOMPLETE, EXIT_OK, NotOffered, UniobsError, UnknownMemory, UsageError
from uniobs.image import types_leaf
from uniobs.image.disasm import disassemble
from uniobs.image.types_expr import Operand, address_of, evaluate
from uniobs.image.types_model import Kind
from uniobs.model.guest import Thread

GROUP = "memory"
MOST: Final = 1 << 14  # units of x
SIZES: Final = {"b": 1, "h": 2, "w": 4, "g": 8}
_FORMAT: Final = re.compile(r"(\d*)([a-z]*)$")
_WIDE: Final = {1: 8, 2: 8, 4: 4, 8: 2}  # units a line
_COUNT: Final = 10  # instructions of dis


class Format:
    """16gx: count, size in bytes, letter."""

    def __init__(self, text: str) -> None:
        match = _FORMAT.match(text)
        if match is None:
            raise UsageError(f"x/{text}: a format is COUNT SIZE LETTER, as in x/16gx, x/s, x/8i")
        self.count = int(match.group(1) or 1)
        self.size, self.letter = 0, ""
        for char in match.group(2):
            if char in SIZES and not self.size:
                self.size = SIZES[char]
            elif char in types_leaf.FORMATS + "i" and not self.letter:
                self.letter = char
            else:
                known = "a size (b h w g) nor a format (x d u o t c a s i f z)"
                raise UsageError(f"x/{text}: {char!r} is neither {known}")
        if not 0 < self.count <= MOST:
            raise UsageError(f"x/{text}: from 1 to {MOST} at once")
        self.letter = self.letter or "x"
        self.size = self.size or {"c": 1, "a": 8, "f": 8}.get(self.letter, 8 if not match.group(2) else 4)


def place_of(shell: Shell, call: Call) -> int | None:
    """The address that is meant; None when none is given."""
    if call.arguments:
        return address_of(evaluate(call.arguments, shell.scope))
    if isinstance(call.dot, Operand):
        return address_of(call.dot)
    if isinstance(call.dot, Thread):
        raise UsageError("a thread came in: an address is needed")
    return None


@command(
    "x",
    "x[/FMT] ADDR",
    "memory: x/16gx $rsp, x/4wd &ticks, x/s name, x/8i main; without ADDR it goes on",
    completes="expression",
    group=GROUP,
)
def examine(shell: Shell, call: Call) -> int:
    address = place_of(shell, call)
    wanted = call.format
    if address is None:
        if shell.next_x is None:
            raise UsageError("x of what address? x/16gx $rsp, x/s name, x/8i main")
        address, before = shell.next_x
        wanted = wanted or before
    form = Format(wanted)
    if form.letter == "i":
        return _instructions(shell, address, form.count, wanted)
    if form.letter == "s":
        return _strings(shell, address, form, wanted)
    rows = [_unit(shell, address + n * form.size, form.size) for n in range(form.count)]
    shell.next_x = (address + form.count * form.size, wanted)
    complete = None not in rows
    if shell.out.json:
        units = [{"address": address + n * form.size, "value": value} for n, value in enumerate(rows)]
        shell.object("x", units, complete=complete)
    else:
        _show(shell, address, form, rows)
    return EXIT_OK if complete else EXIT_INCOMPLETE


def _unit(shell: Shell, address: int, size: int) -> int | None:
    try:
        return int.from_bytes(shell.scope.space.read(address & (1 << 64) - 1, size), "little")
    except UnknownMemory:
        return None


def _show(shell: Shell, address: int, form: Format, rows: list[int | None]) -> None:
    letter = "z" if form.letter == "x" else form.letter
    wide = {"c": 8, "a": 2, "f": 4, "t": 4 if form.size == 1 else 2}.get(letter, _WIDE[form.size])
    shown = [
        "?" if value is None else types_leaf.number(value, form.size, letter, shell.scope.symbol_at)
        for value in rows
    ]
    width = max(map(len, shown)) if letter != "a" else 0
    for at in range(0, len(shown), wide):
        line = "  ".join(f"{text:>{width}}" for text in shown[at : at + wide])
        shell.out.line(f"{types_leaf.address(address + at * form.size, shell.scope.symbol_at)}: {line}")
    missing = rows.count(None)
    if missing:
        shell.out.notice(f"? is not known: {missing * form.size} bytes aren't in this memory")


def _strings(shell: Shell, address: int, form: Format, wanted: str) -> int:
    rows: list[dict[str, Any]] = []
    here = address
    for _ in range(form.count):
        try:
            data, whole = _text(shell, here)
        except UnknownMemory as error:
            if not rows:
                raise
            shell.out.notice(str(error))
            break
        rows.append({"address": here, "text": data.decode("utf-8", "replace"), "whole": whole})
        if not shell.out.json:
            where = types_leaf.address(here, shell.scope.symbol_at)
            shell.out.line(f"{where}: {types_leaf.quoted(data, whole)}")
        here += len(data) + whole
    if shell.out.json:
        shell.object("x", rows)
    shell.next_x = (here, wanted)
    return EXIT_OK


def _text(shell: Shell, address: int) -> tuple[bytes, bool]:
    found = b""
    while len(found) < types_leaf.TEXT:
        step = min(64 - (address + len(found)) % 64, types_leaf.TEXT - len(found))
        try:
            piece = shell.scope.space.read(address + len(found), step)
        except UnknownMemory:
            if not found:
                raise
            break
        part, end, _ = piece.partition(b"\0")
        found += part
        if end:
            return found, True
    return found, False


@command(
    "dis",
    "::dis [-n N] [FUNC|ADDR]",
    "instructions: a whole function, or from an address; without one, where the thread stands",
    completes="symbol",
    group=GROUP,
)
def dis(shell: Shell, call: Call) -> int:
    text, count = call.arguments, None
    if (match := re.match(r"-n\s*(\d{1,4})\s*", text)) is not None:
        count, text = int(match.group(1)), text[match.end() :]
    if not text and call.dot is None:
        operand = evaluate("$rip", shell.scope)
        return _around(shell, address_of(operand), count or _COUNT)
    operand = evaluate(text or "$it", shell.scope)
    start = address_of(operand)
    if operand.type.kind is Kind.FUNCTION and count is None:
        for module in shell.target.modules:
            if (found := module.function(start)) is not None:
                return _listing(shell, start, MOST, found[1] + found[2])
    return _listing(shell, start, count or _COUNT, None)


def _around(shell: Shell, pc: int, count: int) -> int:
    """From the function's start where it isn't far, so that instructions are cut right."""
    for module in shell.target.modules:
        found = module.function(pc)
        if found is not None and pc - found[1] < 1 << 14:
            rows = [row.address for row in _decoded(shell, found[1], 4096, pc + 64)]
            if pc in rows:
                at = rows.index(pc)
                return _listing(shell, rows[max(0, at - count // 2)], count, None, pc)
    return _listing(shell, pc, count, None, pc)


def _check_machine(shell: Shell) -> None:
    """Raises NotOffered for a guest of another machine than x86-64."""
    try:
        registers = shell.target.registers()
    except UniobsError:
        return
    if registers and "pc" in registers[0].values and "rip" not in registers[0].values:
        raise NotOffered("only x86-64 instructions are decoded, and this guest's are aarch64's")


def _decoded(shell: Shell, start: int, count: int, end: int | None) -> list[Any]:
    _check_machine(shell)
    module = next((module for module in shell.target.modules if module.holds(start)), None)
    rows: list[Any] = []
    here = start
    while len(rows) < count and (end is None or here < end):
        found = disassemble(module, shell.scope.space, here, min(256, count - len(rows)))
        if not found:
            break
        rows += found
        here = found[-1].address + found[-1].size
    return [row for row in rows if end is None or row.address < end]


def _instructions(shell: Shell, address: int, count: int, wanted: str) -> int:
    code = _listing(shell, address, count, None)
    rows = _decoded(shell, address, count, None)
    shell.next_x = (rows[-1].address + rows[-1].size if rows else address, wanted)
    return code


def _listing(shell: Shell, start: int, count: int, end: int | None, pc: int | None = None) -> int:
    rows = _decoded(shell, start, count, end)
    if not rows:
        raise NotOffered(f"no instruction can be read at {start:#x}")
    if shell.out.json:
        units = [{"address": row.address, "size": row.size, "text": _text_of(shell, row)} for row in rows]
        shell.object("dis", units)
        return EXIT_OK
    spots = [_spot(shell, row.address) for row in rows]
    names = [shell.scope.symbol_at(row.address) or f"{row.address:#x}" for row in rows]
    width = max(map(len, names))
    last = None
    for row, name, spot in zip(rows, names, spots, strict=True):
        mark = "=>" if row.address == pc else "  "
        text = f"{mark} {row.address:#x}  {name:<{width}}  {_text_of(shell, row)}"
        if spot is not None and spot != last:
            text = f"{text:<{width + 66}} {spot}"
            last = spot
        shell.out.line(text.rstrip(), "bold" if row.address == pc else None)
    _say_unproven(shell, rows)
    return EXIT_OK


def _text_of(shell: Shell, row: Any) -> str:
    if row.target is not None and (name := shell.scope.symbol_at(row.target)) is not None:
        return f"{row.text} <{name}>"
    for operand in row.memory:
        if operand.base == "rip" and not operand.index:
            address = row.address + row.size + operand.offset
            name = shell.scope.symbol_at(address)
            return f"{row.text} # {address:#x}" + (f" <{name}>" if name is not None else "")
    return str(row.text)


def _spot(shell: Shell, pc: int) -> str | None:
    for module in shell.target.modules:
        frames = module.symbolise(pc)
        if frames and frames[0].file and frames[0].line:
            return f"{frames[0].file.rsplit('/', 1)[-1]}:{frames[0].line}"
    return None


def _say_unproven(shell: Shell, rows: list[Any]) -> None:
    if not all(row.from_memory for row in rows):
        shell.out.notice("these are the image's bytes: that memory isn't held")
    if any(module.differs(row.address) for module in shell.target.modules for row in rows[:1]):
        shell.out.notice("this function in memory differs from the image: names and lines are UNPROVEN")
