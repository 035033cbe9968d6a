"""The page of an address: every level of the x86-64 tables looked at (Intel SDM vol. 3A, 4.5)."""

from typing import Any, Final

from uniobs.cli.report.model import PageFacts
from uniobs.errors import UniobsError, UnknownMemory
from uniobs.memory.paging import FRAME, LARGE, NO_EXECUTE, PRESENT, USER, WRITABLE, Identity, PageTables

SIZES: Final = {1: "page", 2: "2 MiB", 3: "1 GiB", 4: "512 GiB", 5: "256 TiB"}


def page_of(target: Any, address: int, whose: str | None) -> PageFacts:
    """What the guest's page tables say of it; ``mapped`` None when they aren't known."""
    try:
        space = target.space
    except UniobsError as error:
        return PageFacts(address, None, whose=whose, note=str(error))
    if isinstance(space, PageTables):
        return _walk(space, address, whose)
    if isinstance(space, Identity):
        why = getattr(target, "space_note", None) or "the guest runs without page tables that are known"
        return PageFacts(address, None, whose=whose, note=why)
    return PageFacts(address, None, whose=whose, note="its page tables aren't of a kind that is read")


def _walk(space: PageTables, address: int, whose: str | None) -> PageFacts:
    bits = 12 + 9 * space.levels
    if address >> (bits - 1) not in (0, (1 << (65 - bits)) - 1):
        return PageFacts(address, False, whose=whose, note=f"no canonical address of {bits} bits")
    table, flags, never = space.root, WRITABLE | USER, 0
    for level in range(space.levels, 0, -1):
        shift = 12 + 9 * (level - 1)
        slot = table + 8 * (address >> shift & 511)
        size = 1 << shift
        start = address & -size
        try:
            entry = int.from_bytes(space.memory.read(slot, 8), "little")
        except UnknownMemory:
            return PageFacts(
                address, None, whose=whose, note=f"its page table at {slot:#x} isn't in this memory"
            )
        if not entry & PRESENT:
            return PageFacts(address, False, start, size, None, False, level=level, entry=entry, whose=whose)
        flags &= entry
        never |= entry & NO_EXECUTE
        if level == 1 or (entry & LARGE and level <= 3):
            return PageFacts(
                *(address, True, start, size, entry & FRAME & -size, True),
                *(bool(flags & WRITABLE), bool(flags & USER), not never, level, entry, whose),
            )
        table = entry & FRAME
    return PageFacts(address, None, whose=whose)


def words(page: PageFacts) -> str:
    """not mapped (its 4 KiB page's entry is 0); mapped read-only, supervisor only, not executable..."""
    if page.mapped is None:
        return (
            f"not known whether it is mapped: {page.note}" if page.note else "not known whether it is mapped"
        )
    if not page.mapped:
        if page.entry is None or page.level is None:
            return page.note or "not mapped"
        what = (
            "the page table entry"
            if page.level == 1
            else f"no page table for these {SIZES[page.level]}: the entry"
        )
        return f"not mapped ({what} is {page.entry:#x}, not present)"
    size = "4 KiB" if page.level == 1 else SIZES.get(page.level or 0, "?")
    rights = ", ".join(
        (
            "writable" if page.writable else "read-only",
            "executable" if page.executable else "not executable",
            "for user and kernel" if page.user else "for the kernel only",
        )
    )
    return f"mapped, {rights} ({size} at {page.start:#x}, physical {page.physical:#x})"
