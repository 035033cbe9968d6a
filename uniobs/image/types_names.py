"""Names of C++ and Rust: what lies inside what."""

from collections.abc import Iterator
from typing import Final

from uniobs.image.dwarf import info, tags
from uniobs.image.dwarf.unit import AT_NAME, Unit

LETTERS_OF: Final = {  # the tags that types_scan's letters stand for
    "s": frozenset({tags.STRUCTURE, tags.CLASS}),
    "u": frozenset({tags.UNION}),
    "e": frozenset({tags.ENUMERATION}),
    "t": frozenset({tags.TYPEDEF, tags.ALIAS}),
    "b": frozenset({tags.BASE}),
    "v": frozenset({tags.VARIABLE}),
}
_OUTER: Final = tags.RECORDS | {
    tags.NAMESPACE, tags.ENUMERATION, tags.TYPEDEF, tags.VARIABLE, tags.MEMBER, info.TAG_SUBPROGRAM
}  # fmt: skip
_MOST: Final = 1 << 17  # entries below one that isn't a unit
_DEEPEST: Final = 64


def children(unit: Unit, at: int, wanted: frozenset[int]) -> Iterator[tuple[int, int]]:
    """(position, tag) of the entries right below one."""
    abbrev, _, first = unit.attributes(at, frozenset())
    if abbrev is None or not abbrev.children:
        return
    most = 0 if at == unit.first else _MOST
    for start, shape, depth in info.walk(unit, first, wanted, tags.EVERY, most):
        if depth == 0:
            yield start, shape.tag


def qualified(unit: Unit, at: int, start: int = 0) -> str:
    """ "sched::thread" for the entry at ``at``; from the entry at ``start`` on, when that holds it."""
    parts: list[str] = []
    here = start or unit.first
    for _ in range(_DEEPEST):
        around = [start for start, _ in children(unit, here, _OUTER) if start <= at]
        if not around:
            break
        here = around[-1]
        name = unit.string(unit.attributes(here, frozenset({AT_NAME}))[1].get(AT_NAME))
        parts.append(name or "(anonymous namespace)")
        if here == at:
            break
    return "::".join(parts)


def split(name: str) -> tuple[str, str]:
    """("a::b", "c") of "a::b::c"; ("", name) when it is inside nothing. Template arguments stay whole."""
    depth = 0
    for at in range(len(name) - 1, 0, -1):
        character = name[at]
        depth += (character == ">") - (character == "<")
        if not depth and name[at - 1 : at + 1] == "::":
            return name[: at - 1], name[at + 1 :]
    return "", name
