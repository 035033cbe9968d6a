"""Numbers, pointers, enums and text of a guest as gdb writes them."""

import math
from collections.abc import Callable
from typing import Final

from uniobs.errors import NotOffered, UnknownMemory
from uniobs.image.types_model import NUMBERS, Kind
from uniobs.image.types_value import Value

FORMATS: Final = "xduotcasfz"
TEXT: Final = 200  # characters of a string
_ESCAPES: Final = {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\", "\a": "\\a", "\b": "\\b",
                   "\f": "\\f", "\v": "\\v", "\x1b": "\\033"}  # fmt: skip


def text(value: Value, style: str, symbol: Callable[[int], str | None]) -> str:
    """Of what has no parts. Raises UnknownMemory, NotOffered."""
    kind = value.type.kind
    if kind is Kind.FUNCTION:
        return f"{{function}} {address(value.address, symbol)}"
    if kind is Kind.VOID:
        raise NotOffered("its type isn't known, cast it: (int)x")
    if kind is Kind.FLOAT:
        if style in ("", "f", "s"):
            return floating(float(value))
        return number(int.from_bytes(value.raw(), "little"), value.size, style, symbol)
    if kind not in NUMBERS:
        raw = value.raw()[:64]
        return "0x" + raw[::-1].hex() if raw else "{}"
    whole = int(value)
    if style == "s" and kind is Kind.POINTER and value.type.target.size == 1:
        return quoted(*_chars(value))
    if style and style != "s":
        return number(whole, value.size, style, symbol, bits=value.bit_width)
    if kind is Kind.POINTER:
        return _pointer(value, whole, symbol)
    if kind is Kind.ENUM:
        return enum(value, whole)
    if kind is Kind.BOOL:
        return {0: "false", 1: "true"}.get(whole, str(whole))
    if kind is Kind.CHAR and value.size == 1:
        return f"{whole} {char(whole)}"
    return str(whole)


def number(
    whole: int, size: int, style: str, symbol: Callable[[int], str | None], bits: int = 0
) -> str:
    """A number in one of gdb's formats."""
    width = bits or 8 * size
    plain = whole & (1 << width) - 1
    if style == "x":
        return f"{plain:#x}"
    if style == "z":
        return f"0x{plain:0{(width + 3) // 4}x}"
    if style == "o":
        return f"0{plain:o}" if plain else "0"
    if style == "t":
        return f"{plain:b}"
    if style == "u":
        return str(plain)
    if style == "a":
        return address(plain, symbol)
    if style == "c":
        low = whole & 0xFF
        return f"{low - 256 if low > 127 else low} {char(low)}"
    if style == "f" and size in (4, 8) and not bits:
        import struct

        data = plain.to_bytes(size, "little")
        return floating(float(struct.unpack("<f" if size == 4 else "<d", data)[0]))
    signed = plain - (1 << width) if plain >> (width - 1) else plain
    return str(signed)


def address(number: int, symbol: Callable[[int], str | None]) -> str:
    """0x1234 <lock_a+8>"""
    name = symbol(number) if number else None
    return f"{number:#x} <{name}>" if name else f"{number:#x}"


def _pointer(value: Value, whole: int, symbol: Callable[[int], str | None]) -> str:
    shown = address(whole, symbol)
    target = value.type.target
    if not whole or target.kind is not Kind.CHAR or target.size != 1:
        return shown
    try:
        return f"{shown} {quoted(*_chars(value))}"
    except UnknownMemory:
        return f"{shown} <unknown: not in this memory>"


def _chars(value: Value) -> tuple[bytes, bool]:
    """(bytes behind a char pointer, whether their end was found)."""
    found = b""
    here = int(value)
    while len(found) < TEXT:
        step = min(64 - (here + len(found)) % 64, TEXT - len(found))
        try:
            piece = value.space.read(here + len(found), step)
        except UnknownMemory:
            if not found:
                raise
            return found, False
        part, end, _ = piece.partition(b"\0")
        found += part
        if end:
            return found, True
    return found, False


def letters(value: Value, limit: int) -> str | None:
    """A char array as text; None when it's none, or bytes rather than text."""
    target = value.type.target
    if target.kind is not Kind.CHAR or target.size != 1 or not value.type.size:
        return None
    whole = value.type.size
    data = value.raw() if whole <= 1 << 16 else value.space.read(value.address, limit + 1)
    head, end, tail = data.partition(b"\0")
    behind = bool(tail.strip(b"\0"))
    if target.name != "char" and (behind or not printable(head)):
        return None
    if behind and not (head and printable(head)):  # no text: all of it is shown
        data = data.rstrip(b"\0")
        return quoted(data[:limit], len(data) <= limit)
    return quoted(head[:limit], bool(end or whole <= len(data)) and len(head) <= limit)


def printable(data: bytes) -> bool:
    try:
        return all(one.isprintable() or one in "\n\t\r" for one in data.decode())
    except UnicodeDecodeError:
        return False


def quoted(data: bytes, whole: bool) -> str:
    """ "text", with dots when it's cut."""
    found = []
    for one in data.decode("utf-8", "surrogateescape"):
        if one in _ESCAPES:
            found.append(_ESCAPES[one])
        elif one.isprintable():
            found.append(one)
        else:
            found.append("".join(f"\\{byte:03o}" for byte in one.encode("utf-8", "surrogateescape")))
    return '"' + "".join(found) + '"' + ("" if whole else "...")


def char(code: int) -> str:
    """'a', '\\n', '\\033'"""
    one = chr(code & 0xFF)
    if one == "'":
        return "'\\''"
    if one in _ESCAPES and one != '"':
        return f"'{_ESCAPES[one]}'"
    return f"'{one}'" if 32 <= code < 127 else f"'\\{code & 0xFF:03o}'"


def enum(value: Value, whole: int) -> str:
    """The name; of flags: (A | B), with what has no name said."""
    name = value.enum
    if name is not None:
        return name
    names = value.type.enumerators
    flags = sorted(number for number in names if number)
    together = 0
    for flag in flags:
        if flag < 0 or together & flag:
            return str(whole)  # no flags: their bits overlap
        together |= flag
    if not whole or not flags or (together & whole == 0 and len(flags) < 2):
        return str(whole)
    parts = [names[flag] for flag in flags if whole & flag == flag]
    rest = whole & ~sum(flag for flag in flags if whole & flag == flag)
    if rest:
        parts.append(f"unknown: {rest:#x}")
    return f"({' | '.join(parts)})"


def floating(number: float) -> str:
    if math.isnan(number):
        return "nan"
    if math.isinf(number):
        return "inf" if number > 0 else "-inf"
    return repr(number).removesuffix(".0")
