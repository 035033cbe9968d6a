"""Which region of a core is the guest's: one that an earlier boot left in RAM isn't.

A region that is certain spares a search of all memory for others.
"""

from collections.abc import Callable, Sequence

from uniobs.errors import UniobsError
from uniobs.lean import TYPE_CHECKING
from uniobs.memory.base import AddressSpace
from uniobs.region.reader import Region

if TYPE_CHECKING:
    from uniobs.cores.core import Core
    from uniobs.image.opened import Opened

STATE = "uniobs_state"  # the library's own variable in the guest; words of it point to its region
STATE_MAX = 4096
CR0_PAGING = 1 << 31


def certain(core: "Core", images: Sequence[str]) -> Callable[[int], bool]:
    """Whether the region at a physical address is the guest's for certain."""
    opened: list[Opened] = []  # kept, so that they are opened once

    def accept(address: int) -> bool:
        try:
            region = Region(core.memory, address)
            return stands_on(core, region) or owned(core, region, images, opened)
        except UniobsError:
            return False

    return accept


def stands_on(core: "Core", region: Region) -> bool:
    """Whether it describes the stack that a vCPU stands on. Raises UniobsError."""
    sps = [sp for registers in core.registers if (sp := registers.get("rsp")) is not None]
    tid = region.live().current_tid
    rows = [row.value for row in region.threads() if not row.torn and row.value.tid == tid]
    return any(row.stack_lo < sp <= row.stack_hi for row in rows for sp in sps)


def owned(core: "Core", region: Region, images: Sequence[str], opened: "list[Opened]") -> bool:
    """Whether the library's state, where the image that the region names has it, points to the region in the
    vCPU's own address space. Raises UniobsError."""
    space = _space(core)
    if space is None or not region.image_id:
        return False
    if not opened:
        from uniobs.image.opened import open_image
        from uniobs.image.store import path_of

        paths = images or filter(None, [path_of(region.image_id.hex())])
        opened += [open_image(path) for path in paths]
    header = region.header
    for image in opened:
        found = image.elf.symbols.find(STATE) if image.elf.build_id == region.image_id.hex() else None
        if found is None or not 0 < found.size <= STATE_MAX:
            continue
        data = space.read(found.address + header.image_bias, found.size)
        words = {data[at : at + 8] for at in range(0, len(data), 8)}
        if header.self_va.to_bytes(8, "little") in words:
            return space.translate(header.self_va) == region.address
    return False


def _space(core: "Core") -> AddressSpace | None:
    from uniobs.memory.paging import Identity, PageTables

    for registers in core.registers:
        cr0, cr3 = registers.get("cr0"), registers.get("cr3")
        if cr0 is not None and cr3 is not None:
            paged = cr0 & CR0_PAGING
            return PageTables(core.memory, cr3, registers.get("cr4") or 0) if paged else Identity(core.memory)
    return None
