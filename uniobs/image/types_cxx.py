"""Containers of libstdc++ (its layouts since GCC 5), in the memory of a C++ kernel. Bounded as types_walk is.

Raises NotOffered when a value isn't such a container, or another library's.
"""

from typing import Final

from uniobs.errors import NotOffered, UnknownMemory
from uniobs.image.types_model import Kind, Type
from uniobs.image.types_value import Value
from uniobs.image.types_walk import LIMIT, Collect, Walk

_LONGEST: Final = 1 << 20  # bytes of a string
_ATOMIC: Final = ("_M_b._M_p", "_M_i", "_M_base._M_i")


def _need(value: Value, what: str, *members: str) -> None:
    if not value.has(*members):
        raise NotOffered(f"{value.type} is no {what} of libstdc++")


def vector(value: Value, limit: int = LIMIT) -> Walk:
    """Elements of a std::vector."""
    _need(value, "vector", "_M_impl._M_start", "_M_impl._M_finish", "_M_impl._M_end_of_storage")
    first, last = value.member("_M_impl._M_start"), value.member("_M_impl._M_finish")
    walk = Collect(limit)
    what = f"the vector of {first.type.target}"
    size = first.type.target.size
    if not size:
        raise NotOffered(f"{what}: this image doesn't say how large an element is")
    length = int(last) - int(first)
    if length < 0 or length % size or int(value.member("_M_impl._M_end_of_storage")) < int(last):
        walk.stop(f"{what} has ends that don't fit")
        return walk.done()
    try:
        for index in range(length // size):
            item = first[index]
            if not walk.enter(item.address, what):
                break
            item.raw()
            walk.add(item)
    except UnknownMemory as error:
        walk.stop(f"{what} leads out of memory: {error}")
    return walk.done()


def _storage(node: Type, element: Type) -> int:
    """Where a node keeps its element."""
    for name in ("_M_storage", "_M_value_field", "_M_data"):
        if node.has(name):
            offset = node.offset(name)
            if node.size is None or offset + (element.size or 0) <= node.size:
                return offset
    raise NotOffered(f"{node} keeps its element in no known place")


def linked(value: Value, limit: int = LIMIT) -> Walk:
    """Elements of a std::list, in order."""
    _need(value, "list", "_M_impl._M_node._M_next", "_M_impl._M_node._M_prev")
    element, node = value.type.inner("value_type"), value.type.inner("_Node")
    offset = _storage(node, element)
    walk = Collect(limit)
    what = f"the list of {element}"
    end = value.member("_M_impl._M_node")
    here = end
    try:
        while (address := int(here.member("_M_next"))) != end.address:
            following = here.member("_M_next").deref()
            if int(following.member("_M_prev")) != here.address:
                walk.stop(f"{what}: the node at {address:#x} belongs elsewhere (its link back differs)")
            if walk.problem or not walk.enter(address, what):
                break
            walk.add(Value(element, address + offset, value.space))
            here = following
        if not walk.problem and int(end.member("_M_prev")) != here.address:
            walk.stop(f"{what} ends elsewhere than it says")
    except UnknownMemory as error:
        walk.stop(f"{what} leads out of memory: {error}")
    return walk.done()


def hashed(value: Value, limit: int = LIMIT) -> Walk:
    """Elements of a std::unordered_map or _set (of a map: pairs with ``first`` and ``second``)."""
    _need(value, "unordered container", "_M_h._M_before_begin._M_nxt", "_M_h._M_element_count")
    table = value.member("_M_h")
    element, node = value.type.inner("value_type"), table.type.inner("__node_type")
    offset = _storage(node, element)
    walk = Collect(limit)
    what = f"the table of {element}"
    pointer = table.member("_M_before_begin._M_nxt")
    count = 0
    try:
        while address := int(pointer):
            if not walk.enter(address, what):
                break
            pointer = pointer.deref().member("_M_nxt")
            int(pointer)
            walk.add(Value(element, address + offset, value.space))
            count += 1
        if not walk.problem and count != int(table.member("_M_element_count")):
            walk.stop(f"{what} holds {count} elements and says {int(table.member('_M_element_count'))}")
    except UnknownMemory as error:
        walk.stop(f"{what} leads out of memory: {error}")
    return walk.done()


def ordered(value: Value, limit: int = LIMIT) -> Walk:
    """Elements of a std::map or std::set, in order."""
    _need(value, "ordered container", "_M_t._M_impl._M_header._M_parent", "_M_t._M_impl._M_node_count")
    inside = value.member("_M_t")
    element = value.type.inner("value_type")
    node = inside.type.inner("_Link_type").target
    offset = _storage(node, element)
    walk = Collect(limit)
    what = f"the tree of {element}"
    header = inside.member("_M_impl._M_header")
    stack: list[Value] = []
    found = 0
    try:
        here, above = header.member("_M_parent"), header.address
        while True:
            while address := int(here):
                if not walk.enter(address, what):
                    return walk.done()
                item = here.deref()
                if int(item.member("_M_parent")) != above:
                    walk.stop(f"{what}: the node at {address:#x} belongs elsewhere (its parent differs)")
                    return walk.done()
                stack.append(item)
                here, above = item.member("_M_left"), address
            if not stack:
                break
            item = stack.pop()
            walk.add(Value(element, item.address + offset, value.space))
            found += 1
            here, above = item.member("_M_right"), item.address
        if found != int(inside.member("_M_impl._M_node_count")):
            walk.stop(f"{what} holds {found} elements and says otherwise")
    except UnknownMemory as error:
        walk.stop(f"{what} leads out of memory: {error}")
    return walk.done()


def text(value: Value, limit: int = 4096) -> str:
    """A std::string, up to ``limit`` bytes."""
    _need(value, "string", "_M_dataplus._M_p", "_M_string_length")
    length = int(value.member("_M_string_length"))
    pointer = value.member("_M_dataplus._M_p")
    if not 0 <= length <= _LONGEST:
        raise UnknownMemory(int(pointer), length, "no string is that long")
    size = min(length, limit)
    return value.space.read(int(pointer), size).decode("utf-8", "replace") if size else ""


def owned(value: Value) -> Value:
    """The pointer in a std::unique_ptr or std::shared_ptr."""
    if value.has("_M_ptr"):
        return value.member("_M_ptr")
    _need(value, "unique_ptr", "_M_t._M_t")
    pointer = value.type.inner("pointer")
    if pointer.kind is not Kind.POINTER:
        raise NotOffered(f"{value.type} holds no plain pointer")
    return Value(pointer, value.member("_M_t").address, value.space)


def atomic(value: Value) -> Value:
    """What a std::atomic holds."""
    for name in _ATOMIC:
        if value.has(name):
            return value.member(name)
    raise NotOffered(f"{value.type} is no atomic of libstdc++")
