"""VMware's suspended states and snapshots (.vmss, .vmsn), with memory inside or in the .vmem beside it.

Source: vmware_vmss.h and vmware_vmss.c of crash, volatility3's vmware layer. A header, groups, and in each
group tags: {u8 value size and number of indices, u8 length of name, name, u32 indices, value or block}.
"""

import os
import struct
from typing import NamedTuple

from uniobs.cores.core import Core
from uniobs.cores.pieces import cut_notice, take, within
from uniobs.cores.vmware_tags import Tag, tags
from uniobs.errors import BadFormat, UniobsError
from uniobs.memory.blocks import Block
from uniobs.memory.file import FileMemory, open_file
from uniobs.model.guest import Registers

KIND = "vmware"
HEADER = struct.Struct("<III")
GROUP = struct.Struct("<64sQQ")
OLD = 0xBED0BED0  # 32-bit
MAGICS = (0xBED2BED2, 0xBED3BED3, 0xBAD1BAD1, 0xBAD2BAD2)
GROUPS_MAX = 1 << 10
REGIONS_MAX = 64
CPUS_MAX = 4096
PAGE = 4096
ENDINGS = (".vmss", ".vmsn")
WHOLE = 2 << 30  # memory up to this size has no hole in it
_GENERAL = "rax rcx rdx rbx rbp rsp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15"
GENERAL = _GENERAL.split()  # in the order of the block named gpregs
SEGMENTS = "es cs ss ds fs gs".split()


class Inside(NamedTuple):
    """Memory inside of the state's file."""

    where: int
    size: int


def read(fd: int, path: str) -> Core:
    """Raises BadFormat."""
    groups = _groups(fd, path)
    if "memory" not in groups:
        raise BadFormat(f"{path}: a state of VMware without a group about memory")
    memory = list(tags(fd, path, groups["memory"]))
    cpu = list(tags(fd, path, groups["cpu"])) if "cpu" in groups else []
    registers = _registers(cpu)
    inside = _inside(memory, path)
    if inside is not None:
        file, where, size, name = fd, inside.where, inside.size, path
        there = max(min(size, os.fstat(fd).st_size - where), 0)
    else:
        file, name = _vmem(path)
        where, size = 0, os.fstat(file).st_size
        there = size
    try:
        notices = [] if file == fd else [f"read together: {name} and {path}"]
        blocks, missing = within(_blocks(memory, where, size, path, notices), where + there)
        notices += cut_notice(name, missing)
        if not registers:
            notices.append(f"{path}: its vCPUs' registers can't be read")
        core = Core(KIND, path, FileMemory(file, blocks), registers, notices=tuple(notices))
    except UniobsError:
        if file != fd:
            os.close(file)
        raise
    if file != fd:
        os.close(fd)
    return core


def _groups(fd: int, path: str) -> dict[str, int]:
    magic, _, count = HEADER.unpack(take(fd, 0, HEADER.size, path, "its header"))
    if magic == OLD:
        raise BadFormat(f"{path}: a state of an old, 32-bit VMware, which isn't read")
    if magic not in MAGICS or not 0 < count <= GROUPS_MAX:
        raise BadFormat(f"{path}: a garbled state of VMware: {count} groups")
    table = take(fd, HEADER.size, count * GROUP.size, path, "its list of groups")
    rows = GROUP.iter_unpack(table)
    return {name.split(b"\0", 1)[0].decode("ascii", "replace"): at for name, at, _ in rows}


def _inside(memory: list[Tag], path: str) -> Inside | None:
    found = [tag for tag in memory if tag.name == "Memory" and tag.block]
    if not found:
        return None
    if len(found) > 1 or found[0].packed:
        raise BadFormat(f"{path}: its memory is compressed or in several parts, which isn't read")
    return Inside(found[0].where, found[0].size)


def _vmem(path: str) -> tuple[int, str]:
    stem, ending = os.path.splitext(path)
    name = stem + ".vmem"
    if ending.lower() not in ENDINGS or not os.path.exists(name):
        raise BadFormat(f"{path}: its memory is neither in it nor in {name} beside it")
    return open_file(name), name


def _blocks(memory: list[Tag], where: int, size: int, path: str, notices: list[str]) -> list[Block]:
    known = {(tag.name, tag.indices): tag.number for tag in memory if tag.number is not None}
    count = known.get(("regionsCount", ()), 0)
    if count > REGIONS_MAX:
        raise BadFormat(f"{path}: a garbled state of VMware: {count} regions of memory")
    if not count:
        if size > WHOLE:
            notices.append(f"{path}: it doesn't say where memory above 2 GiB lies, so that isn't shown")
        return [Block(0, min(size, WHOLE), where)]
    blocks = []
    for region in range(count):
        try:
            page, offset, pages = (
                known[(name, (region,))] for name in ("regionPPN", "regionPageNum", "regionSize")
            )
        except KeyError:
            raise BadFormat(f"{path}: a garbled state of VMware: region {region} isn't told") from None
        if max(page, offset, pages) >= 1 << 32 or (offset + pages) * PAGE > size:
            raise BadFormat(f"{path}: a garbled state of VMware: region {region} goes beyond its memory")
        blocks.append(Block(page * PAGE, pages * PAGE, where + offset * PAGE))
    return blocks


def _registers(cpu: list[Tag]) -> tuple[Registers, ...]:
    """None at all unless every vCPU's rip and rsp are told, in the sizes that are known."""
    count = next((tag.number for tag in cpu if tag.name == "cpu:numVCPUs" and not tag.indices), None)
    if count is None or not 0 < count <= CPUS_MAX:
        return ()
    values: list[dict[str, int]] = [{} for _ in range(count)]
    for tag in cpu:
        if tag.indices and tag.indices[0] < count:
            _note(tag, values[tag.indices[0]])
    if not all("rip" in known and "rsp" in known for known in values):
        return ()
    return tuple(Registers(known, "snapshot", number) for number, known in enumerate(values))


def _note(tag: Tag, known: dict[str, int]) -> None:
    index = tag.indices[1] if len(tag.indices) == 2 else None
    if tag.block:
        if tag.name == "gpregs" and len(tag.data) == 128:
            known.update(zip(GENERAL, struct.unpack("<16Q", tag.data), strict=True))
        elif tag.name == "CR64" and len(tag.data) == 72:
            control = struct.unpack_from("<5Q", tag.data)
            known.update((f"cr{number}", control[number]) for number in (0, 2, 3, 4))
        elif tag.name == "IDTR" and len(tag.data) == 10:
            (known["idt_base"],) = struct.unpack_from("<Q", tag.data, 2)
    elif tag.number is None:
        return
    elif index is None:
        if (tag.name in GENERAL or tag.name == "rip") and tag.size == 8:
            known[tag.name] = tag.number
        elif tag.name in ("eflags", "EFLAGS") and tag.size == 4:
            known["rflags"] = known.get("rflags", 0) | tag.number
    elif tag.name == "CR64" and tag.size == 8 and index in (0, 2, 3, 4):
        known[f"cr{index}"] = tag.number
    elif tag.name == "S" and index < len(SEGMENTS):
        known[SEGMENTS[index]] = tag.number & 0xFFFF
    elif tag.name == "S.base64" and tag.size == 8 and index < len(SEGMENTS):
        known[f"{SEGMENTS[index]}_base"] = tag.number
