"""A typed object in guest memory. A struct is read once; its members come out of those bytes."""

import math
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from uniobs.errors import NotOffered, UnknownMemory
from uniobs.image.types_model import NUMBERS, Kind, Member, Type

if TYPE_CHECKING:
    from uniobs.memory.base import AddressSpace

_WHOLE: Final = 1 << 14  # bytes; what is larger is read member by member
_WIDEST: Final = 16  # bytes of a number
_END: Final = 1 << 64
_STEP: Final = 256  # bytes of a string read at once
_LARGEST: Final = 1 << 24  # raw() of one object
_MOST: Final = 1 << 20  # elements that iterating goes through
_FLOATS: Final = {4: "<f", 8: "<d", 2: "<e"}


class Value:
    """``obj["member"]``, ``obj.member``, ``obj[3]``, ``obj.deref()``, ``int(obj)``.

    Members of what a pointer points to are reached through the pointer. A member whose name is also
    one of this class (address, type, string...) is reached by ``obj["address"]``.
    Raises UnknownMemory for bytes that aren't held, NotOffered for what the type doesn't have.
    """

    __slots__ = ("_bits", "_data", "_pointee", "address", "space", "type")

    def __init__(
        self,
        type_: Type,
        address: int,
        space: "AddressSpace",
        data: bytes | None = None,
        bits: tuple[int, int] = (0, 0),
    ) -> None:
        self.type = type_
        self.address = address  # of a bit field: of the byte with its first bit
        self.space = space
        self._data = data  # None: not read yet; b"": can't be read as a whole
        self._bits = bits  # first bit in the byte at ``address``, width; of bit fields
        self._pointee: Value | None = None

    def __repr__(self) -> str:
        return f"Value({self.type} at {self.address:#x})"

    def _read(self, address: int, size: int) -> bytes:
        if size < 0 or size > _LARGEST or address < 0 or address + size > _END:
            raise UnknownMemory(address, size, f"no place for {self.type}")
        data = self.space.read(address, size)
        if len(data) != size:
            raise UnknownMemory(address, size)
        return data

    @property
    def size(self) -> int:
        """In bytes. NotOffered for an incomplete type or an array of unknown length."""
        if self.type.size is None:
            raise NotOffered(f"this image doesn't say how large {self.type} is")
        return self.type.size

    @property
    def bit_width(self) -> int:
        """Of a bit field; 0 for anything else."""
        return self._bits[1]

    def raw(self) -> bytes:
        """All of its bytes, as they are in memory (as they were, once they have been read)."""
        if not self._data:
            self._data = self._read(self.address, (sum(self._bits) + 7) // 8 if self._bits[1] else self.size)
        return self._data

    def fresh(self) -> "Value":
        """The same object, to be read again."""
        return Value(self.type, self.address, self.space, None, self._bits)

    def _part(self, offset: int, size: int | None) -> bytes | None:
        """Bytes for something inside, or None when it must be read by itself."""
        if size is None or self.type.size is None or not 0 < self.type.size <= _WHOLE:
            return None
        if self._data is None:
            try:
                self._data = self._read(self.address, self.type.size)
            except UnknownMemory:
                self._data = b""  # some of it isn't held: what is asked for may be
        part = self._data[offset : offset + size]
        return part if part and len(part) == size else None

    def part(self, member: Member) -> "Value":
        """A member of its type's ``members``, also one without a name or a base class."""
        return self._member(member)

    def _member(self, member: Member) -> "Value":
        inner = self.type.table.type_at(member.reference)
        bits = (member.bit % 8, member.bits) if member.bits else (0, 0)
        size = (sum(bits) + 7) // 8 if member.bits else inner.size
        return Value(inner, self.address + member.offset, self.space, self._part(member.offset, size), bits)

    def member(self, name: str) -> "Value":
        """A member by name; "a.b" for one inside another. Through a pointer: of what it points to."""
        here = self
        for part in self.type.split(name):
            if here.type.kind is Kind.POINTER:
                here = here.deref()
            here = here._member(here.type.field(part))
        return here

    def __getattr__(self, name: str) -> "Value":
        if name.startswith("__"):
            raise AttributeError(name)
        return self.member(name)

    def has(self, *names: str) -> bool:
        """Whether its type has these members. Nothing is read."""
        return self.type.has(*names)

    def __getitem__(self, key: str | int) -> "Value":
        if isinstance(key, str):
            return self.member(key)
        target = self.type.target
        if target.size is None:
            raise NotOffered(f"this image doesn't say how large {target} is")
        if self.type.kind is Kind.ARRAY:
            bound = self.type.bounds[0]
            if key < 0 or (bound is not None and key >= bound):
                raise NotOffered(f"{self.type} has no element {key}")
            data = self._part(key * target.size, target.size)
            return Value(target, self.address + key * target.size, self.space, data)
        return Value(target, (self._pointer() + key * target.size) % _END, self.space)

    def __len__(self) -> int:
        """Elements of an array. NotOffered when the image doesn't say how many."""
        if self.type.kind is not Kind.ARRAY or self.type.bounds[0] is None:
            raise NotOffered(f"{self.type} has no known number of elements")
        return self.type.bounds[0]

    def __iter__(self) -> Iterator["Value"]:
        """Elements of an array."""
        for index in range(min(len(self), _MOST)):
            yield self[index]

    def __bool__(self) -> bool:
        """False for a null pointer or a number that is 0; anything else is true."""
        return int(self) != 0 if self.type.kind in NUMBERS else True

    def __int__(self) -> int:
        """Of integers, characters, booleans, enums, pointers and bit fields."""
        if self.type.kind not in NUMBERS:
            raise NotOffered(f"{self.type} is no number")
        if not 0 < self.size <= _WIDEST:
            raise NotOffered(f"{self.type} of {self.size} bytes is no number")
        number = int.from_bytes(self.raw(), "little")
        width = 8 * self.size
        if self._bits[1]:
            width = self._bits[1]
            number = number >> self._bits[0] & (1 << width) - 1
        if self.type.signed and width and number >> (width - 1):
            number -= 1 << width
        return number

    __index__ = __int__

    def __float__(self) -> float:
        if self.type.kind is not Kind.FLOAT:
            return float(int(self))
        data = self.raw()
        if len(data) in _FLOATS:
            return float(struct.unpack(_FLOATS[len(data)], data)[0])
        if len(data) == 16 or len(data) == 12:  # x87: 64 bits of fraction, 15 of exponent, sign
            return _extended(data)
        raise NotOffered(f"{self.type} of {len(data)} bytes isn't read")

    @property
    def enum(self) -> str | None:
        """The name of an enum's value; None when it has none."""
        if self.type.kind is not Kind.ENUM:
            return None
        number = int(self)  # compilers store negative constants either way
        return self.type.enumerators.get(number) or self.type.enumerators.get(number % _END)

    def _pointer(self) -> int:
        if self.type.kind is not Kind.POINTER:
            raise NotOffered(f"{self.type} is no pointer")
        address = int(self)
        if not address:
            raise UnknownMemory(0, self.type.target.size or 0, f"a null pointer to {self.type.target}")
        return address

    def deref(self) -> "Value":
        """What a pointer points to (nothing of it is read yet). UnknownMemory for a null pointer."""
        address = self._pointer()
        if self._pointee is None:
            self._pointee = Value(self.type.target, address, self.space)
        return self._pointee

    def cast(self, type_: Type) -> "Value":
        """The same bytes taken as another type."""
        return Value(type_, self.address, self.space)

    def pointee(self, type_: Type) -> "Value":
        """What a pointer (or a number that holds an address) points to, taken as another type."""
        if not int(self):
            raise UnknownMemory(0, type_.size or 0, f"a null pointer to {type_}")
        return Value(type_, int(self) % _END, self.space)

    def string(self, limit: int = 4096) -> str:
        """Text of a char array or behind a char pointer, up to its NUL or ``limit`` bytes."""
        return self.text(limit)[0]

    def text(self, limit: int = 4096) -> tuple[str, bool]:
        """(text, whether its end was found); what isn't UTF-8 becomes U+FFFD."""
        if self.type.kind is Kind.ARRAY and self.type.target.size == 1:
            if self.type.size is not None:
                data = self._part(0, self.type.size) or self._read(self.address, min(self.type.size, limit))
                whole, _, _ = data.partition(b"\0")
                return whole[:limit].decode("utf-8", "replace"), len(whole) <= limit
            return self._chars(self.address, limit)
        if self.type.kind is Kind.POINTER and self.type.target.size in (1, None):
            return self._chars(self._pointer(), limit)
        raise NotOffered(f"{self.type} is no text")

    def _chars(self, address: int, limit: int) -> tuple[str, bool]:
        found = b""
        while len(found) < limit:
            # steps end at page bounds: the next page need not be there
            step = min(_STEP - (address + len(found)) % _STEP, limit - len(found))
            try:
                piece = self._read(address + len(found), step)
            except UnknownMemory:
                if not found:
                    raise
                return found.decode("utf-8", "replace"), False
            text, end, _ = piece.partition(b"\0")
            found += text
            if end:
                return found.decode("utf-8", "replace"), True
        return found.decode("utf-8", "replace"), False


def _extended(data: bytes) -> float:
    fraction = int.from_bytes(data[:8], "little")
    exponent = int.from_bytes(data[8:10], "little")
    sign = -1.0 if exponent >> 15 else 1.0
    exponent &= 0x7FFF
    if exponent == 0x7FFF:
        return sign * (float("inf") if not fraction << 1 & (1 << 64) - 1 else float("nan"))
    try:
        return sign * math.ldexp(float(fraction), exponent - 16383 - 63)
    except OverflowError:
        return sign * float("inf")
