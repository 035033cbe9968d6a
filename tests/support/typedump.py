"""What uniobs says of types and values, in the form of gdbtypes."""

from typing import Any

from uniobs.image.types_model import RECORDS, Kind, Type
from uniobs.image.types_value import Value


def layout(owner: Type, bit: int = 0, path: str = "") -> list[list[Any]]:
    """[member path, first bit, width of a bit field or 0, size of its type] of every member."""
    rows: list[list[Any]] = []
    for member in owner.members:
        inner = owner.table.type_at(member.reference)
        if member.name is not None:
            rows.append([path + member.name, bit + member.bit, member.bits, inner.size or 0])
        if inner.kind in RECORDS:
            rows += layout(inner, bit + member.bit, f"{path}{member.name}." if member.name else path)
    return rows


def value(of: Value) -> Any:
    if of.type.kind in RECORDS:
        return {name: value(of.member(name)) for name in of.type.fields}
    if of.type.kind is Kind.ARRAY:
        return [] if of.type.bounds[0] is None else [value(element) for element in of]
    return float(of).hex() if of.type.kind is Kind.FLOAT else int(of)
