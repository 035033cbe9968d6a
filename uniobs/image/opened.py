"""Image files opened once however many guests run them: one mapping, one index of its debug information."""

import os
from functools import cached_property
from weakref import WeakValueDictionary

from uniobs.image.elf import Elf
from uniobs.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from uniobs.image.dwarf.index import Dwarf
    from uniobs.image.index.keep import Identity, Keeper


class Opened:
    """A file and its index. It lives as long as a module uses it; nothing in it refers back to it."""

    def __init__(self, path: str | os.PathLike[str], identity: "Identity" = (0, 0, 0, 0)) -> None:
        self._identity = identity
        self.elf = Elf(path)
        self.elf.check()

    @cached_property
    def dwarf(self) -> "Dwarf":
        from uniobs.image.dwarf.index import Dwarf

        return Dwarf(self.elf)

    @cached_property
    def keeper(self) -> "Keeper":
        """Of its symbol index, which answers what ``dwarf`` does, faster."""
        from uniobs.image.index.keep import Keeper

        return Keeper(self.elf, self._identity)


_OPEN: WeakValueDictionary[tuple[int, int, int, int], Opened] = WeakValueDictionary()


def open_image(path: str | os.PathLike[str]) -> Opened:
    """The file at ``path``, shared while it stays the same one. Raises as Elf does."""
    try:
        status = os.stat(path)
    except OSError:
        return Opened(path)  # Elf says what is wrong
    key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    found = _OPEN.get(key)
    if found is None:
        found = _OPEN[key] = Opened(path, key)
    return found
