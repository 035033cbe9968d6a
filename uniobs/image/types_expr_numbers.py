"""C's numbers: which type a result has, and what fits into it."""

import math
import struct
from typing import Any, Final

from uniobs.errors import NotOffered
from uniobs.image.types_model import Kind, Type
from uniobs.image.types_value import Value
from uniobs.memory.base import AddressSpace

# These types aren't of an image: they refer to nothing that a table of it would be asked for.
_NO_TABLE: Final[Any] = None


def _made(kind: Kind, name: str, size: int | None, signed: bool = False) -> Type:
    return Type(_NO_TABLE, kind, name, size, signed=signed)


VOID: Final = _made(Kind.VOID, "void", None)
BASE: Final = {
    "void": VOID,
    "bool": _made(Kind.BOOL, "bool", 1),
    "_Bool": _made(Kind.BOOL, "_Bool", 1),
    "char": _made(Kind.CHAR, "char", 1, True),
    "signed char": _made(Kind.CHAR, "signed char", 1, True),
    "unsigned char": _made(Kind.CHAR, "unsigned char", 1),
    "short": _made(Kind.INT, "short", 2, True),
    "unsigned short": _made(Kind.INT, "unsigned short", 2),
    "int": _made(Kind.INT, "int", 4, True),
    "unsigned int": _made(Kind.INT, "unsigned int", 4),
    "long": _made(Kind.INT, "long", 8, True),
    "unsigned long": _made(Kind.INT, "unsigned long", 8),
    "float": _made(Kind.FLOAT, "float", 4),
    "double": _made(Kind.FLOAT, "double", 8),
    "__int128": _made(Kind.INT, "__int128", 16, True),
    "unsigned __int128": _made(Kind.INT, "unsigned __int128", 16),
}
for _bits in (8, 16, 32, 64):
    BASE[f"int{_bits}_t"] = _made(Kind.INT, f"int{_bits}_t", _bits // 8, True)
    BASE[f"uint{_bits}_t"] = _made(Kind.INT, f"uint{_bits}_t", _bits // 8)
INT, UNSIGNED, LONG, ULONG, DOUBLE, CHAR = (
    BASE[name] for name in ("int", "unsigned int", "long", "unsigned long", "double", "char")
)
_BY_SIZE: Final = {
    (4, True): INT, (4, False): UNSIGNED, (8, True): LONG, (8, False): ULONG,
    (16, True): BASE["__int128"], (16, False): BASE["unsigned __int128"],
}  # fmt: skip


def base_type(words: str) -> Type | None:
    """ "unsigned long int" and what else C lets one say; None when it's no such words."""
    parts = words.split()
    if words in BASE:
        return BASE[words]
    if not set(parts) <= {"unsigned", "signed", "long", "int", "short", "char", "double"}:
        return None
    longs, unsigned = parts.count("long"), "unsigned" in parts
    if "char" in parts:
        return BASE["unsigned char" if unsigned else "signed char" if "signed" in parts else "char"]
    if "double" in parts:
        return DOUBLE if not longs else _made(Kind.FLOAT, "long double", 16)
    size = "short" if "short" in parts else "long" if longs else "int"
    return BASE[f"unsigned {size}" if unsigned else size]


def pointer_to(target: Type) -> Type:
    return Type(target.table, Kind.POINTER, None, 8, to=target)


def array_of(target: Type, count: int) -> Type:
    size = target.size * count if target.size is not None else None
    return Type(target.table, Kind.ARRAY, None, size, to=target, bounds=(count,))


def integer(number: int, type_: Type, space: AddressSpace) -> Value:
    """A number that isn't in memory; what doesn't fit its type is cut off, as C has it."""
    size = type_.size or 8
    return Value(type_, 0, space, (number & (1 << 8 * size) - 1).to_bytes(size, "little"))


def real(number: float, type_: Type, space: AddressSpace) -> Value:
    try:
        data = struct.pack("<f", number) if type_.size == 4 else struct.pack("<d", number)
    except OverflowError:
        data = struct.pack("<f", math.copysign(math.inf, number))
    return Value(type_ if type_.size == len(data) else DOUBLE, 0, space, data)


def literal(number: int, how: str) -> Type:
    """The type of a number as written; ``how``: suffix letters, then d for decimal."""
    types = [INT, UNSIGNED, LONG, ULONG]
    if "l" in how:
        types = types[2:]
    if "u" in how:
        types = [made for made in types if not made.signed]
    elif how.endswith("d"):
        types = [made for made in types if made.signed] + [ULONG]
    for made in types:
        bits = 8 * (made.size or 0) - made.signed
        if not number >> bits:
            return made
    return ULONG


def promoted(value: Value) -> Type:
    """The type that an operator takes a number as."""
    if value.type.kind is Kind.FLOAT:
        return DOUBLE
    size = value.size
    if size < 4:
        return INT
    signed = value.type.signed
    if value.type.kind is Kind.ENUM and not signed:
        return UNSIGNED if size == 4 else ULONG
    found = _BY_SIZE.get((size, signed))
    if found is None:
        raise NotOffered(f"{value.type} of {size} bytes is no number to reckon with")
    return found


def common(left: Type, right: Type) -> Type:
    """The type that both sides of an operator become."""
    if Kind.FLOAT in (left.kind, right.kind):
        return DOUBLE
    wide, narrow = (left, right) if (left.size or 0) >= (right.size or 0) else (right, left)
    if wide.size == narrow.size:
        return wide if not wide.signed else narrow
    return wide
