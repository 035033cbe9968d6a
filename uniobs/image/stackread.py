"""Words of a stack, read a page at a time."""

from uniobs.errors import UnknownMemory
from uniobs.lean import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from uniobs.memory.base import AddressSpace

_MASK: Final = (1 << 64) - 1
_PAGE: Final = 4096


class StackReader:
    """Reads of an address space, a page at a time."""

    def __init__(self, space: "AddressSpace") -> None:
        self._space = space
        self._pages: dict[int, bytes | None] = {}

    def read(self, address: int, size: int) -> bytes:
        page, at = address & -_PAGE, address & (_PAGE - 1)
        if at + size <= _PAGE:
            data = self._pages.get(page)
            if data is None and page not in self._pages:
                data = self._fill(page)
            if data is not None:
                return data[at : at + size]
        if not 0 <= address <= _MASK - size:
            raise UnknownMemory(address, size, "no address")
        return self._space.read(address, size)

    def _fill(self, page: int) -> bytes | None:
        if len(self._pages) >= 4096:
            self._pages.clear()
        try:
            data = self._space.read(page, _PAGE)
        except UnknownMemory:
            self._pages[page] = None
            return None
        self._pages[page] = data
        return data

    def word(self, address: int) -> int:
        return int.from_bytes(self.read(address & _MASK, 8), "little")
