"""Containers of C++'s and Rust's libraries as what they hold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from uniobs.errors import NotOffered, UnknownMemory
from uniobs.image import types_cxx, types_leaf
from uniobs.image.types_value import Value
from uniobs.image.types_walk import Walk

_SHOWN: Final = 200
_LONGEST: Final = 1 << 16
_WALKS: Final[dict[str, Callable[[Value, int], Walk]]] = {
    "vector": types_cxx.vector,
    "list": types_cxx.linked,
    "unordered_map": types_cxx.hashed,
    "unordered_set": types_cxx.hashed,
    "map": types_cxx.ordered,
    "set": types_cxx.ordered,
}
_PARTS: Final = {
    "vector": ("_M_impl._M_start",),
    "list": ("_M_impl._M_node",),
    "unordered_map": ("_M_h",),
    "unordered_set": ("_M_h",),
    "map": ("_M_t",),
    "set": ("_M_t",),
}
_OWNERS: Final = frozenset({"unique_ptr", "shared_ptr", "weak_ptr"})


@dataclass(frozen=True, slots=True)
class Held:
    """``title``: "std::vector of length 3"; ``problem``: why there may be more."""

    title: str
    items: Sequence[Value]
    problem: str | None = None
    pairs: bool = False  # of keys and values


def known(value: Value) -> Held | str | None:
    """What a library's object holds; text of a string; None for anything else, or what isn't as expected."""
    name = value.type.name or ""
    plain = name.partition("<")[0]
    try:
        if plain == "basic_string" and value.has("_M_dataplus._M_p"):
            return types_leaf.quoted(types_cxx.text(value, types_leaf.TEXT).encode(), _whole(value))
        if plain in _WALKS and "<" in name and value.has(*_PARTS[plain]):
            return _container(plain, value)
        if plain in _OWNERS and "<" in name:
            return Held(f"std::{plain}", [types_cxx.owned(value)])
        if plain == "atomic" and "<" in name:
            return Held("std::atomic", [types_cxx.atomic(value)])
        if name == "&str" and value.has("data_ptr", "length"):
            return _rust(value.member("data_ptr"), value.member("length"))
        if name == "String" and value.has("vec.len", "vec.buf.ptr.pointer"):
            return _rust(_innermost(value.member("vec.buf.ptr.pointer")), value.member("vec.len"))
    except (NotOffered, UnknownMemory):
        return None
    return None


def _container(plain: str, value: Value) -> Held:
    walk = _WALKS[plain](value, _LONGEST)
    how = f"of length {len(walk)}" if plain == "vector" else f"with {len(walk)} elements"
    problem = walk.problem
    if len(walk) > _SHOWN:
        problem = problem or f"{len(walk) - _SHOWN} more aren't shown"
    return Held(f"std::{plain} {how}", walk.items[:_SHOWN], problem, "map" in plain)


def _whole(value: Value) -> bool:
    return int(value.member("_M_string_length")) <= types_leaf.TEXT


def _innermost(value: Value) -> Value:
    """The pointer in Rust's wrappers around one."""
    for _ in range(8):
        inner = next((name for name in ("pointer", "__0") if value.has(name)), None)
        if inner is None:
            return value
        value = value.member(inner)
    return value


def _rust(pointer: Value, length: Value) -> str:
    size = int(length)
    if not 0 <= size < 1 << 32:
        raise NotOffered("no text is that long")
    data = value_bytes(pointer, min(size, types_leaf.TEXT))
    return types_leaf.quoted(data, size <= types_leaf.TEXT)


def value_bytes(pointer: Value, size: int) -> bytes:
    return pointer.space.read(int(pointer), size) if size else b""
