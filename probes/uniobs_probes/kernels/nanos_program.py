"""What the program on Nanos tells of its locks: names and owners, by its own debug information.

Without the program's ELF a futex is an address, and who holds the lock is unknown.
"""

from bisect import bisect_right
from functools import cached_property
from typing import Any, Final

from uniobs.errors import NotOffered, UniobsError
from uniobs.model.guest import LockKind
from uniobs.model.row import frozen

MUTEX: Final = "pthread_mutex_t"
OBJECTS: Final[dict[str, LockKind]] = {MUTEX: "mutex", "pthread_cond_t": "cond", "sem_t": "sem"}
OWNER: Final = "__data.__owner"  # glibc's; others don't keep it where debug information tells
DEPTH_MAX: Final = 8


@frozen
class Object:
    """What a futex belongs to. ``address``: its own; ``owner``: a tid, 0 is nobody."""

    address: int
    kind: LockKind | None = None
    name: str | None = None
    owner: int | None = None


class Program:
    """Of the modules that aren't the kernel."""

    def __init__(self, modules: list[Any]) -> None:
        self._modules = modules

    def __bool__(self) -> bool:
        return bool(self._modules)

    def object(self, address: int, space: Any) -> Object | None:
        """What lies at a futex's address; None when no module has a variable or a mutex there."""
        for module, names in zip(self._modules, self._variables, strict=True):
            name = _name_at(names, address - module.bias)
            if name is not None:
                return self._named(module, name, address, space)
        for module in self._modules:
            found = self._mutex(module, address, space)
            if found is not None and found.owner:
                return found
        return None

    @cached_property
    def _variables(self) -> "list[tuple[list[int], list[tuple[int, int, str]]]]":
        """Of each module: (starts, rows of (start, size, name)) of its variables, ascending."""
        found = []
        for module in self._modules:
            rows = sorted(_symbols(module))
            found.append(([row[0] for row in rows], rows))
        return found

    def _named(self, module: Any, name: str, address: int, space: Any) -> Object:
        start = address
        try:
            start, made = module.types.locate(name)
            kind, inside = _inner(made, address - start)
        except UniobsError:
            return Object(address, None, name)
        begin = address - inside
        label = name if begin == start else f"{name}+{begin - start:#x}"
        if kind == MUTEX and not inside:
            found = self._mutex(module, begin, space)
            return Object(begin, "mutex", label, found.owner if found is not None else None)
        return Object(begin, OBJECTS.get(kind or ""), label)

    def _mutex(self, module: Any, address: int, space: Any) -> Object | None:
        """The mutex at an address, by its type; None when the module doesn't tell who owns one."""
        try:
            made = module.types.type(MUTEX)
            if not made.has(OWNER):
                return None
            value = module.types.at(made, address, space)
            return Object(address, "mutex", None, int(value.member(OWNER)))
        except UniobsError:
            return None


def _symbols(module: Any) -> "list[tuple[int, int, str]]":
    """(link address, size, name) of each variable that its symbols name."""
    return [(address - module.bias, size, name) for name, address, size in module.variables() if size > 0]


def _name_at(table: "tuple[list[int], list[tuple[int, int, str]]]", address: int) -> str | None:
    starts, rows = table
    index = bisect_right(starts, address) - 1
    if index < 0:
        return None
    start, size, name = rows[index]
    return name if address < start + size else None


def _inner(made: Any, offset: int) -> tuple[str | None, int]:
    """(the known kind of object that holds an offset of a type, the offset inside it)."""
    here = made
    for _ in range(DEPTH_MAX):
        if here.name in OBJECTS:
            return here.name, offset
        if str(here.kind) == "array":
            size = here.target.size
            if not size:
                break
            here, offset = here.target, offset % size
            continue
        try:
            member = next(
                m for m in here.members
                if (t := here.table.type_at(m.reference)).size and m.offset <= offset < m.offset + t.size
            )  # fmt: skip
        except (StopIteration, NotOffered):
            break
        here, offset = here.table.type_at(member.reference), offset - member.offset
    return None, offset
