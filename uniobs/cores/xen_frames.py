"""The frames of a PV guest of Xen: its page tables hold machine frames, its memory is known by its own."""

import os
from typing import TYPE_CHECKING, Final

from uniobs.errors import UnknownMemory

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Words = NDArray[np.uint64]

PAGE: Final = 4096
INVALID: Final = (1 << 64) - 1


class MachineFrames:
    """Guest-physical by machine address, out of .xen_p2m ({pfn, gmfn} a page); read when first asked for."""

    def __init__(self, fd: int, path: str, offset: int, pages: int) -> None:
        self._where = (fd, path, offset, pages)
        self._table: tuple[Words, Words] | None = None  # machine frames, ascending; the guest's own

    def __call__(self, address: int) -> int:
        """Raises UnknownMemory for a frame that isn't the guest's."""
        machine, own = self._table or self._load()
        frame = address // PAGE
        at = int(machine.searchsorted(frame)) if frame < INVALID else len(machine)
        if at == len(machine) or int(machine[at]) != frame:
            raise UnknownMemory(address, 1, "no machine frame of this guest")
        return int(own[at]) * PAGE | (address & PAGE - 1)

    def _load(self) -> "tuple[Words, Words]":
        import numpy as np

        fd, path, offset, pages = self._where
        data = os.pread(fd, pages * 16, offset)
        if len(data) != pages * 16:
            raise UnknownMemory(offset, pages * 16, f"the table of frames of {path} is cut short")
        rows = np.frombuffer(data, dtype="<u8").reshape(-1, 2)
        rows = rows[rows[:, 0] != INVALID]
        order = np.argsort(rows[:, 1], kind="stable")
        self._table = (rows[order, 1], rows[order, 0])
        return self._table
