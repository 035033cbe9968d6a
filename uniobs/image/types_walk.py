"""Lists and trees that run through structs. Every walk is bounded, and says when it isn't whole.

A walk ends early at a cycle, at memory that isn't held, at a link that its neighbour contradicts, and at
``limit``; what came before is kept, ``complete`` is False and ``problem`` says why.
"""

from collections.abc import Callable, Iterator
from typing import Final

from uniobs.errors import NotOffered, UnknownMemory
from uniobs.image.types_model import Kind, Type
from uniobs.image.types_value import Value
from uniobs.model.row import frozen

LIMIT: Final = 1 << 16
_END: Final = 1 << 64
# BSD's queue.h (Unikraft's UK_TAILQ and so on): the head's first member, the link's next, the link back.
_QUEUES: Final = (
    ("tqh_first", "tqe_next", "tqe_prev"),
    ("stqh_first", "stqe_next", ""),
    ("slh_first", "sle_next", ""),
    ("sqh_first", "sqe_next", ""),
    ("lh_first", "le_next", "le_prev"),
)


@frozen
class Walk:
    """What was found, in order."""

    items: tuple[Value, ...]
    complete: bool
    problem: str | None = None  # why it isn't complete

    def __iter__(self) -> Iterator[Value]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


class Collect:
    """Collects a walk: the bounds, and why it ended."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._seen: set[int] = set()
        self._items: list[Value] = []
        self.problem: str | None = None

    def enter(self, address: int, what: str) -> bool:
        """Whether to go on to the node at ``address``; keeps the reason when not."""
        if address in self._seen:
            return self.stop(f"{what} leads back to {address:#x}")
        if len(self._seen) >= self._limit:
            return self.stop(f"{what} is longer than {self._limit}")
        self._seen.add(address)
        return True

    def stop(self, why: str) -> bool:
        self.problem = self.problem or why
        return False

    def add(self, item: Value) -> None:
        self._items.append(item)

    def done(self) -> Walk:
        return Walk(tuple(self._items), self.problem is None, self.problem)


def container_of(pointer: Value | int, type_: Type, member: str, space: Value | None = None) -> Value:
    """The struct whose ``member`` ("a.b" for one inside another) a pointer points to.

    ``space``: with a bare address, any value of the same memory.
    """
    source = pointer if isinstance(pointer, Value) else space
    if source is None:
        raise NotOffered("container_of an address needs a value of the same memory")
    address = (int(pointer) - type_.offset(member)) % _END
    return Value(type_, address, source.space)


def chain(first: Value, follow: str | Callable[[Value], Value] = "next", limit: int = LIMIT) -> Walk:
    """Structs that point to one another, from the pointer ``first`` until a null one (lwIP's lists).

    ``follow``: the member with the next pointer, or a function that gives it. ``first`` may be unreadable.
    """
    walk = Collect(limit)
    what = f"the list of {first.type.target}"
    step = follow if callable(follow) else lambda value: value.member(follow)
    pointer = first
    try:
        while address := int(pointer):
            if not walk.enter(address, what):
                break
            item = pointer.deref()
            pointer = step(item)
            int(pointer)  # reads the item: one that isn't held is no item
            walk.add(item)
    except UnknownMemory as error:
        walk.stop(f"{what} leads out of memory: {error}")
    return walk.done()


def queue(head: Value, link: str, limit: int = LIMIT) -> Walk:
    """A queue of BSD's queue.h kind (TAILQ, STAILQ, SLIST, SIMPLEQ, LIST), by its head and the elements'
    link. Raises NotOffered when ``head`` is none."""
    for first, following, back in _QUEUES:
        if not head.has(first):
            continue
        start = head.member(first)
        end = first.replace("first", "last")
        last = head.member(end) if head.has(end) else None
        known = bool(back) and start.type.has(f"{link}.{back}")
        return _linked(start, f"{link}.{following}", f"{link}.{back}" if known else "", last, limit)
    raise NotOffered(f"{head.type} is no head of a queue")


def _linked(start: Value, following: str, back: str, last: Value | None, limit: int) -> Walk:
    """A queue. ``back``: its elements point to the pointer that points to them; ``last``: the head points
    to the last of these."""
    walk = Collect(limit)
    what = f"the queue of {start.type.target}"
    pointer = start
    try:
        while address := int(pointer):
            if not walk.enter(address, what):
                break
            item = pointer.deref()
            if back and int(item.member(back)) != pointer.address:
                walk.stop(f"{what}: the element at {address:#x} belongs elsewhere (its link back differs)")
                break
            follow = item.member(following)
            int(follow)  # reads the item: one that isn't held is no item
            walk.add(item)
            pointer = follow
        if not walk.problem and last is not None and int(last) != pointer.address:
            walk.stop(f"{what} ends elsewhere than its head says")
    except UnknownMemory as error:
        walk.stop(f"{what} leads out of memory: {error}")
    return walk.done()


def circular(head: Value, type_: Type, member: str, limit: int = LIMIT) -> Walk:
    """Structs on a circular list of {next, prev} nodes (Linux', Nanos', Unikraft's uk_list_head).

    ``head``: the node that isn't an element; ``member``: the node inside ``type_``.
    """
    walk = Collect(limit)
    what = f"the list of {type_}"
    back = "prev" if head.has("prev") else ""
    previous = head.address
    try:
        address = int(head.member("next"))
        while address != head.address:
            if not address:
                walk.stop(f"{what} ends in a null pointer")
                break
            if not walk.enter(address, what):
                break
            item = container_of(address, type_, member, head)
            node = item.member(member)
            following = int(node.member("next"))
            if back and int(node.member(back)) != previous:
                walk.stop(f"{what}: the element at {item.address:#x} belongs elsewhere (its prev differs)")
                break
            walk.add(item)
            previous, address = address, following
        if not walk.problem and back and int(head.member(back)) != previous:
            walk.stop(f"{what} ends elsewhere than its head says")
    except UnknownMemory as error:
        walk.stop(f"{what} leads out of memory: {error}")
    return walk.done()


def _sides(node: Type) -> tuple[Callable[[Value], Value], Callable[[Value], Value], str]:
    """(left, right, member with the parent) of a tree's nodes, by the members that they have."""
    for left, right, parent in (
        ("rb_left", "rb_right", "__rb_parent_color"),
        ("rb_left", "rb_right", "rb_parent_color"),
        ("rbe_left", "rbe_right", "rbe_parent"),
        ("left", "right", "parent"),
    ):
        if node.has(left, right):
            known = parent if node.has(parent) else ""
            return (lambda v: v.member(left)), (lambda v: v.member(right)), known  # noqa: B023
    for children in ("c", "rbe_link", "child"):
        if node.has(children) and node.path(children)[1].kind is Kind.ARRAY:
            known = next((name for name in ("parent_color", "rbe_parent", "parent") if node.has(name)), "")
            return (lambda v: v.member(children)[0]), (lambda v: v.member(children)[1]), known  # noqa: B023
    raise NotOffered(f"{node} is no node of a tree")


def tree(root: Value, type_: Type, member: str, limit: int = LIMIT) -> Walk:
    """Structs in a red-black tree (Nanos', Linux', BSD's), in order.

    ``root``: the pointer to the topmost node; ``member``: the node inside ``type_``. Parents may carry the
    colour in their low bits.
    """
    walk = Collect(limit)
    what = f"the tree of {type_}"
    node = type_.path(member)[1]
    left, right, parent = _sides(node)
    # BSD's trees point to the elements, the others to the nodes inside them
    target = root.type.target if root.type.kind is Kind.POINTER else node
    shift = type_.offset(member) if str(target) == str(type_) != str(node) else 0
    stack: list[tuple[Value, bool]] = []

    def push(address: int, above: int) -> bool:
        """Put a node (and what is left of it, later) on the stack."""
        if not address:
            return True
        if not walk.enter(address, what):
            return False
        here = Value(node, address + shift, root.space)
        if parent and (int(here.member(parent)) & ~3) != above:
            return walk.stop(f"{what}: the node at {address:#x} belongs elsewhere (its parent differs)")
        stack.append((here, False))
        return True

    try:
        going = push(int(root), 0)
        while stack and going:
            here, visited = stack.pop()
            address = here.address - shift
            if not visited:
                stack.append((here, True))
                going = push(int(left(here)), address)
                continue
            walk.add(container_of(here.address, type_, member, here))
            going = push(int(right(here)), address)
    except UnknownMemory as error:
        walk.stop(f"{what} leads out of memory: {error}")
    return walk.done()
