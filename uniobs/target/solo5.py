"""Solo5's tenders, solo5-spt and solo5-hvt: found by their name, their guest's RAM by their mappings.

Source: tenders/spt/spt_core.c, tenders/hvt/hvt_kvm.c and the mains beside them, Solo5 0.12. Neither has a
monitor: what Linux tells of the process is all there is beside memory.
"""

import re
import time
from collections.abc import Sequence
from contextlib import suppress

from uniobs.errors import NotOffered, TargetError
from uniobs.lean import TYPE_CHECKING
from uniobs.memory.blocks import Block
from uniobs.memory.maps import Mapping, read_maps
from uniobs.memory.process import ProcessMemory
from uniobs.model.guest import Registers, Status
from uniobs.target import procfs, scan
from uniobs.target.hosted import waiting_registers
from uniobs.target.origin import Origin, running

if TYPE_CHECKING:
    from uniobs.target.discovery import GuestInfo

SPT_BASE = 0x10000  # SPT_HOST_MEM_BASE: Linux lets nobody map what is below
MEMORY_MAX = 1 << 40
POLLS = frozenset({7, 23, 232, 270, 271, 281, 441})  # x86-64: poll, select, epoll_wait and their like
STEP = 0.05
LOOKS = 25  # at a guest that runs now and may wait soon
LOOK_S = 0.002
UNKNOWN = "whether it makes progress: Solo5 has no scheduler to watch"


def blocks(maps: Sequence[Mapping], name: str, size: int) -> list[Block]:
    """Where the guest's RAM lies. Raises TargetError when no mapping can be it."""
    return _spt_blocks(maps, size) if name == "solo5-spt" else _hvt_blocks(maps, size)


def _spt_blocks(maps: Sequence[Mapping], size: int) -> list[Block]:
    """At the guest's own addresses, but for the first pages; what it may not read is no hole."""
    at = SPT_BASE
    for mapping in maps:
        if mapping.start == at and not mapping.inode and not mapping.path and at < size:
            at = min(mapping.end, size)
    if size > MEMORY_MAX or at < size:
        raise TargetError("this solo5-spt doesn't map its guest's RAM at the guest's addresses")
    return [Block(SPT_BASE, size - SPT_BASE, SPT_BASE)]


def _hvt_blocks(maps: Sequence[Mapping], size: int) -> list[Block]:
    """One anonymous shared mapping, which protection of text and data has split."""
    found: list[Block] = []
    start = end = inode = 0
    for mapping in maps:
        if not (mapping.shared and mapping.path.startswith("/dev/zero")):
            continue
        if mapping.start != end or mapping.inode != inode:
            start, inode = mapping.start, mapping.inode
        end = mapping.end
        if end - start == size:
            found.append(Block(0, size, start))
    if len(found) != 1:
        raise TargetError(
            f"the guest's RAM can't be told: {len(found)} shared mappings of this solo5-hvt are of its size"
        )
    return found


def origin(info: "GuestInfo", name: str | None) -> Origin:
    procfs.check_access(info.pid)
    memory = ProcessMemory(info.pid, blocks(read_maps(info.pid), info.vmm, info.memory or 0))

    def registers() -> Sequence[Registers]:
        if info.vmm != "solo5-spt":
            raise NotOffered("registers can't be had: solo5-hvt has no monitor, and KVM tells only its owner")
        for _ in range(LOOKS):
            with suppress(NotOffered):
                found = waiting_registers(info.pid, info.pid)
                return (Registers({**found.values, "halted": 1}, found.source, 0),)
            time.sleep(LOOK_S)
        raise NotOffered("registers can't be had: it runs, and Linux tells where it is only while it waits")

    def find(hint: int | None) -> int | None:
        return scan.find_region(memory, hint)

    return running(info, name, memory, find, registers, identity=True)


def waits(pid: int) -> bool | None:
    """Whether the guest waits for its devices or a deadline; None when Linux doesn't tell."""
    try:
        with open(f"/proc/{pid}/syscall", encoding="ascii") as file:
            first = file.read(512).split()[:1]
    except (OSError, UnicodeDecodeError):
        return None
    if first == ["running"]:
        return False
    return int(first[0]) in POLLS if first and first[0].lstrip("-").isdigit() else None


def status(info: "GuestInfo", limit: float) -> Status:
    """Idle when it waits; running when it was seen to wait meanwhile; else busy, which shows no progress."""
    before = turns(info.pid)
    begun = time.monotonic()
    while True:
        idle = waits(info.pid)
        if procfs.start_time(info.pid) != info.process.start:
            return Status("dead", "VMM gone")
        if idle is None:
            return Status("unknown", "Linux doesn't tell what its tender does", unknown=(UNKNOWN,))
        if idle:
            return Status("live", "idle" if time.monotonic() - begun < STEP else "running")
        if before is not None and turns(info.pid) != before:
            return Status("live", "running")
        watched = time.monotonic() - begun
        if watched >= limit:
            said = (
                f"busy: it never waited for its devices or a deadline in {watched:.1f} s" if limit else "busy"
            )
            return Status("unknown", said, round(watched, 3), unknown=(UNKNOWN,))
        time.sleep(STEP)


def turns(pid: int) -> int | None:
    """How often it has waited of its own will."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            match = re.search(r"^voluntary_ctxt_switches:\s*(\d+)", file.read(65536), re.MULTILINE)
    except OSError:
        return None
    return int(match[1]) if match else None
