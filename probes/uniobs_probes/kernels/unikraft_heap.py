"""Unikraft's memory: what its allocators say of themselves (lib/ukalloc, lib/ukallocbbuddy)."""

from typing import TYPE_CHECKING, Any, Final

from uniobs.errors import NotOffered, UnknownMemory
from uniobs.image.types_walk import chain
from uniobs.model.guest import Heap

if TYPE_CHECKING:
    from uniobs.image.types_value import Value

PAGE: Final = 4096
ALLOCATORS_MAX: Final = 64
AREAS_MAX: Final = 1024
BUDDY: Final = "struct uk_bbpalloc"


def offered(module: Any) -> bool:
    return module.symbol("_uk_alloc_head") is not None and bool(module.types.has_type("struct uk_alloc"))


def read(module: Any, space: Any) -> Heap:
    """The page allocator's areas, and what the allocators counted where they were built to count.

    Raises NotOffered when none of them is of a kind that is known.
    """
    total = used = 0
    largest: int | None = None
    counted: list[Value] = []
    known = False
    for item in chain(module.types.variable("_uk_alloc_head", space), "next", ALLOCATORS_MAX):
        if item.has("_stats"):
            counted.append(item.member("_stats"))
        pages = _buddy(module, item)
        if pages is None:
            continue
        known = True
        total += pages[0] * PAGE
        used += (pages[0] - pages[1]) * PAGE
        if pages[2] is not None:
            largest = max(largest or 0, pages[2])
    if not known:
        raise NotOffered(f"{module.name}: its memory allocator isn't one whose bookkeeping is known")
    row = counted[0] if len(counted) == 1 else None  # several: the same bytes would count twice
    return Heap(
        total=total,
        used=used,
        largest_free=largest,
        allocs=_count(row, "tot_nb_allocs"),
        frees=_count(row, "tot_nb_frees"),
        failures=_count(row, "nb_enomem"),
    )


def ranges(module: Any, space: Any) -> list[tuple[int, int]]:
    """[start, end) of each area that a binary buddy hands out of."""
    found = []
    for item in chain(module.types.variable("_uk_alloc_head", space), "next", ALLOCATORS_MAX):
        if _buddy(module, item) is None:
            continue
        buddy = module.types.at(BUDDY, item.member("priv").address, item.space)
        for area in chain(buddy.member("memr_head"), "next", AREAS_MAX):
            if area.has("first_page", "nr_pages"):
                start = int(area.member("first_page"))
                found.append((start, start + int(area.member("nr_pages")) * PAGE))
    return found


def _count(row: "Value | None", member: str) -> int | None:
    return int(row.member(member)) if row is not None and row.has(member) else None


def _buddy(module: Any, item: "Value") -> tuple[int, int, int | None] | None:
    """(pages, free pages, bytes of the largest free piece) of a binary buddy; None of anything else."""
    if not item.has("palloc", "priv") or not module.types.has_type(BUDDY):
        return None
    function = module.function(int(item.member("palloc")))
    if function is None or not function[0].startswith("bbuddy_"):
        return None
    try:
        buddy = module.types.at(BUDDY, item.member("priv").address, item.space)
        areas = chain(buddy.member("memr_head"), "next", AREAS_MAX)
        pages = sum(int(area.member("nr_pages")) for area in areas)
        free = int(buddy.member("nr_free_pages"))
        if areas.problem or free > pages or pages > 1 << 40:
            return None
        return pages, free, _largest(buddy)
    except (UnknownMemory, NotOffered):
        return None


def _largest(buddy: "Value") -> int | None:
    """Level n's list holds pieces of 2^n pages; an empty one leads to its own tail."""
    if not buddy.has("free_head", "free_tail"):
        return None
    heads, tails = buddy.member("free_head"), buddy.member("free_tail")
    for level in reversed(range(min(len(heads), len(tails), 52))):
        if int(heads[level]) not in (0, tails[level].address):
            return PAGE << level
    return 0
