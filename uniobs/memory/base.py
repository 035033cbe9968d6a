"""The Memory protocol: guest-physical memory, wherever its bytes come from."""

from collections.abc import Sequence

from uniobs.lean import NamedTuple, Protocol


class Range(NamedTuple):
    """``size`` bytes from ``start``, both guest-physical."""

    start: int
    size: int

    @property
    def end(self) -> int:
        return self.start + self.size


class Memory(Protocol):
    """Guest-physical bytes. Reading never changes the guest."""

    live: bool  # the bytes may change between two reads

    def read(self, address: int, size: int) -> bytes:
        """Exactly ``size`` bytes.

        Raises UnknownMemory when any of them isn't held, TargetGone when the guest went away.
        """

    def ranges(self) -> Sequence[Range]:
        """What is held, ascending and disjoint. Holes of a sparse file are left out when they can
        be skipped without reading (they are zero, and read() gives zeros)."""

    def close(self) -> None: ...


class AddressSpace(Protocol):
    """Virtual memory of a guest: what its pointers mean."""

    def translate(self, address: int) -> int:
        """The guest-physical address; raises UnknownMemory when it isn't mapped."""

    def read(self, address: int, size: int) -> bytes:
        """As Memory.read, at a virtual address, across pages."""
