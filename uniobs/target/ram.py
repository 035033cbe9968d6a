"""A VMM's guest RAM: which of its mappings it is, and where the guest sees it."""

import os

from uniobs.errors import BadFormat, TargetError
from uniobs.memory.base import Memory
from uniobs.memory.blocks import Block
from uniobs.memory.file import FileMemory
from uniobs.memory.maps import Mapping, read_maps
from uniobs.memory.process import ProcessMemory, gather
from uniobs.region._abi import HEADER_OFFSETS
from uniobs.region.find import find
from uniobs.target import procfs, scan
from uniobs.target.discovery import GuestInfo

GIB = 1 << 30
FOUR_GIB = 4 * GIB
MIN_RAM = 1 << 20


def low_memory(machine: str, size: int) -> int | None:
    """Bytes of RAM below 4 GiB of a QEMU machine without max-ram-below-4g; None when it isn't known.

    Source: hw/i386/pc_q35.c, pc_piix.c and microvm.c of QEMU 7.2.
    """
    if machine.startswith("microvm"):
        return min(size, 3 * GIB)
    if machine.startswith(("q35", "pc-q35")):
        low = 0xB0000000 if size < 0xB0000000 else 2 * GIB
        return min(size, low)
    if machine.startswith("pc"):
        low = 0xE0000000 if size < 0xE0000000 else 3 * GIB
        return min(size, low)
    return size if size <= 2 * GIB else None


def ram_start(info: GuestInfo) -> int:
    """Where the RAM of a QEMU machine begins. Raises TargetError when it isn't known.

    Source: hw/arm/virt.c of QEMU; machines of x86 have it from 0.
    """
    program = os.path.basename(info.process.exe or (info.process.argv or [""])[0]).removesuffix(" (deleted)")
    other = program.removeprefix("qemu-system-")
    if other == program or other in ("x86_64", "i386"):
        return 0
    if other == "aarch64" and (info.machine or "").startswith("virt"):
        return GIB
    raise TargetError(f"pid {info.pid}: where {program} puts the RAM of its {info.machine} isn't known")


def layout(size: int, below: int | None, where: int) -> list[Block]:
    """One or two blocks of RAM. ``where``: VMM address or file offset of its first byte."""
    if below is None:
        return [Block(0, min(size, 2 * GIB), where)]
    blocks = [Block(0, min(size, below), where)]
    if size > below:
        blocks.append(Block(FOUR_GIB, size - below, where + below))
    return blocks


def ram_mappings(maps: list[Mapping], size: int) -> list[Mapping]:
    """Mappings that may be the guest's RAM, the most likely first."""
    big = [
        m
        for m in maps
        if m.perms.startswith("rw-") and m.size >= MIN_RAM and m.path not in ("[heap]", "[stack]")
    ]
    return sorted(big, key=lambda m: (m.size != size, m.size < size, -m.size))


def find_ram(info: GuestInfo, notices: list[str]) -> Memory:
    """The RAM of a VMM. Raises TargetError when none of its mappings can be it."""
    procfs.check_access(info.pid)
    size, start = info.memory or 0, ram_start(info)
    choices = ram_mappings(read_maps(info.pid), size)
    exact = [m for m in choices if m.size == size]
    if exact:
        chosen, base = exact[0], exact[0].start
        if len(exact) > 1:  # the region tells
            shown = [m for m in exact if _shows_region(info.pid, m, size, info.machine or "?", start)]
            if shown:
                chosen, base = shown[0], shown[0].start
            else:
                notices.append(
                    f"{len(exact)} mappings of {info.name} are of its RAM's size: the first is taken"
                )
    elif start:
        raise TargetError(f"pid {info.pid}: no mapping that could be {size >> 20} MiB of guest RAM")
    else:
        found = next((hit for m in choices if (hit := _base_by_region(info.pid, m, size)) is not None), None)
        if found is not None:
            chosen, base = found
        elif choices and choices[0].size >= size:
            chosen, base = choices[0], choices[0].start
            notices.append(
                f"no mapping of {info.name} is exactly -m {size >> 20}M: the biggest is taken for its RAM"
            )
        else:
            raise TargetError(f"pid {info.pid}: no mapping that could be {size >> 20} MiB of guest RAM")
    if start:
        return _memory(info.pid, chosen, [Block(start, size, base)])
    below = _below(info, size, notices)
    return _memory(info.pid, chosen, layout(size, below, base))


def _below(info: GuestInfo, size: int, notices: list[str]) -> int | None:
    custom = False
    for name, value in info.options.options if info.options else ():
        custom = custom or (name in ("M", "machine", "global") and "max-ram-below-4g" in value)
    below = None if custom and size > GIB else low_memory(info.machine or "?", size)
    if below is None:
        notices.append(f"memory of {info.name} above 2 GiB isn't shown: where {info.vmm} puts it isn't known")
    return below


def _memory(pid: int, mapping: Mapping, blocks: list[Block]) -> Memory:
    """A shared backend is read from its file, so that reading fills no hole; the rest from the process."""
    if mapping.shared and mapping.inode:
        fd = procfs.open_mapped(pid, mapping)
        if fd is not None:
            shift = mapping.offset - mapping.start
            return FileMemory(fd, [block._replace(where=block.where + shift) for block in blocks], live=True)
    return ProcessMemory(pid, blocks)


def _own_address(pid: int, where: int) -> int:
    return int.from_bytes(gather(pid, [where + HEADER_OFFSETS["self_pa"]], 8), "little")


def _shows_region(pid: int, mapping: Mapping, size: int, machine: str, start: int) -> bool:
    blocks = layout(size, low_memory(machine, size), mapping.start)
    if start:
        blocks = [Block(start, size, mapping.start)]
    for where in scan.magic_in_process(pid, mapping.start, mapping.size):
        own = _own_address(pid, where)
        if any(own - block.start == where - block.where for block in blocks):
            return True
    return False


def _base_by_region(pid: int, mapping: Mapping, size: int) -> tuple[Mapping, int] | None:
    """A mapping joined with its neighbours: the region says where RAM begins in it."""
    if mapping.size < size:
        return None
    for where in scan.magic_in_process(pid, mapping.start, mapping.size):
        base = where - _own_address(pid, where)
        if base % 4096 == 0 and mapping.start <= base and base + size <= mapping.end:
            probe = ProcessMemory(pid, [Block(0, size, base)])
            try:
                if find(probe, where - base) == where - base:
                    return mapping, base
            except BadFormat:
                continue
            finally:
                probe.close()
    return None
