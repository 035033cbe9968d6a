"""What DWARF says a type is. Typedefs and qualifiers are already taken off."""

from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

from uniobs.errors import BadFormat, NotOffered

if TYPE_CHECKING:
    from uniobs.image.dwarf.unit import Unit
    from uniobs.image.types_table import TypeTable

_MOST_NESTED: Final = 256  # anonymous members and bases of one struct


class Kind(StrEnum):
    INT = "int"
    BOOL = "bool"
    CHAR = "char"
    FLOAT = "float"
    ENUM = "enum"
    POINTER = "pointer"
    ARRAY = "array"
    STRUCT = "struct"
    UNION = "union"
    FUNCTION = "function"
    VOID = "void"
    OTHER = "other"


RECORDS: Final = frozenset({Kind.STRUCT, Kind.UNION})
NUMBERS: Final = frozenset({Kind.INT, Kind.BOOL, Kind.CHAR, Kind.ENUM, Kind.POINTER})


class Member(NamedTuple):
    """A member of a struct, as declared. Positions count from the struct's start."""

    name: str | None  # None: an anonymous struct or union, or a base class
    bit: int  # where it starts, in bits
    bits: int  # width of a bit field; 0 for any other member
    reference: int  # its type, as an offset of .debug_info
    base: bool = False  # what a C++ class inherits

    @property
    def offset(self) -> int:
        """In bytes; of a bit field: the byte that holds its first bit."""
        return self.bit // 8


class Type:
    """One type. ``size`` in bytes, None when it has none (incomplete types, arrays of unknown bound)."""

    def __init__(
        self,
        table: "TypeTable",
        kind: Kind,
        name: str | None,
        size: int | None,
        *,
        unit: "Unit | None" = None,
        at: int = 0,
        signed: bool = False,
        reference: int | None = None,
        to: "Type | None" = None,
        bounds: tuple[int | None, ...] = (),
    ) -> None:
        self.table = table
        self.kind = kind
        self.name = name  # "tcp_pcb", without struct or union; None when it has none
        self.size = size
        self.unit = unit
        self.at = at  # its entry, from the unit's start
        self.signed = signed
        self.bounds = bounds  # an array's, outermost first; None: unknown
        self._reference = reference
        self._to = to

    def __repr__(self) -> str:
        return f"Type({self})"

    def __str__(self) -> str:
        return self._text(8)

    def _text(self, depth: int) -> str:
        if not depth:
            return "..."
        if self.kind is Kind.POINTER:
            to = self.target._text(depth - 1)
            return f"{to}*" if to.endswith("*") else f"{to} *"
        if self.kind is Kind.ARRAY:
            bounds = "".join(f"[{'' if bound is None else bound}]" for bound in self.bounds)
            return self._innermost._text(depth - 1) + bounds
        named = self.name or "{...}"
        return f"{self.kind} {named}" if self.kind in (Kind.STRUCT, Kind.UNION, Kind.ENUM) else named

    @cached_property
    def _innermost(self) -> "Type":
        return self._to or self.table.type_at(self._reference)

    @cached_property
    def target(self) -> "Type":
        """What a pointer points to, or what an array is made of (of several dimensions: its rows)."""
        if self.kind is Kind.ARRAY and len(self.bounds) > 1:
            return self.table.array(self._reference, self.bounds[1:])
        if self.kind not in (Kind.ARRAY, Kind.POINTER):
            raise NotOffered(f"{self} is neither a pointer nor an array")
        return self._innermost

    @cached_property
    def members(self) -> tuple[Member, ...]:
        """Of a struct or union, as declared."""
        return self.table.members(self)

    @cached_property
    def fields(self) -> dict[str, Member]:
        """Every name that can be asked for: own members, those of anonymous ones, inherited ones."""
        found: dict[str, Member] = {}
        bases: list[tuple[Type, int]] = [(self, 0)]
        looked = 0
        while bases:
            stack = [bases.pop(0)]
            while stack:
                here, bit = stack.pop()
                looked += 1
                if looked > _MOST_NESTED:
                    raise BadFormat(f"{self.table.elf.file}: too much is nested in {self}")
                inner: list[tuple[Type, int]] = []
                for member in here.members:
                    if member.name is not None:
                        found.setdefault(member.name, member._replace(bit=bit + member.bit))
                        continue
                    nested = self.table.type_at(member.reference)
                    if nested.kind in RECORDS:
                        (bases if member.base else inner).append((nested, bit + member.bit))
                stack += reversed(inner)
        return found

    def has(self, *names: str) -> bool:
        """Whether a struct has all of these members; "a.b" looks inside a. Pointers are followed."""
        return all(self._has(name) for name in names)

    def _has(self, path: str) -> bool:
        here = self
        for name in self.split(path):
            here = here.target if here.kind is Kind.POINTER else here
            member = here.fields.get(name) if here.kind in RECORDS else None
            if member is None:
                return False
            here = self.table.type_at(member.reference)
        return True

    def field(self, name: str) -> Member:
        """One member. Raises NotOffered when this image's struct has none of that name."""
        if self.kind not in RECORDS:
            raise NotOffered(f"{self} has no members (asked for {name})")
        found = self.fields.get(name)
        if found is None:
            if self.size is None:
                raise NotOffered(f"this image doesn't say what is in {self} (asked for {name})")
            raise NotOffered(f"this image's {self} has no member {name}")
        return found

    def split(self, path: str) -> list[str]:
        """The names in "a.b"; one that holds a dot itself (_vptr.base) stays whole."""
        here = self.target if self.kind is Kind.POINTER else self
        return [path] if here.kind in RECORDS and path in here.fields else path.split(".")

    def path(self, path: str) -> tuple[int, "Type"]:
        """(offset in bytes, type) of a member, or of one inside another: "ctx.sp", "queue.first"."""
        here = self.target if self.kind is Kind.POINTER else self
        offset = 0
        for name in self.split(path):
            member = here.field(name)
            if member.bits:
                raise NotOffered(f"{here}.{name} is a bit field: it has no address")
            offset += member.offset
            here = self.table.type_at(member.reference)
        return offset, here

    def offset(self, path: str) -> int:
        """Bytes from the struct's start to a member ("a.b" for one inside another)."""
        return self.path(path)[0]

    def inner(self, name: str) -> "Type":
        """A type that is named inside a C++ class or a base of it: value_type. NotOffered: there is none."""
        found = self.table.inner(self, name)
        if found is None:
            raise NotOffered(f"this image's {self} names no type {name}")
        return found

    @cached_property
    def enumerators(self) -> dict[int, str]:
        """Value -> name; the first name wins."""
        return self.table.enumerators(self)
