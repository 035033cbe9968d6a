"""The program on a kernel (Nanos, OSv): where in the user half of the address space it lies."""

import os
from collections import Counter
from collections.abc import Sequence

from uniobs.errors import ImageMismatch, Incomplete, UniobsError, UnknownMemory
from uniobs.lean import TYPE_CHECKING, Final
from uniobs.memory.paging import PageTables

if TYPE_CHECKING:
    from uniobs.image.module import Module
    from uniobs.target.guest import Guest

PAGE: Final = 4096
ET_DYN: Final = 3
USER_END: Final = 1 << 47
PAGES_MAX: Final = 1 << 15  # pages of code that are compared
ENOUGH: Final = 16  # bytes in a page that tell it from others


def place_program(guest: "Guest", module: "Module") -> bool:
    """Set the bias of a program by the pages of its text that are mapped. False when page tables aren't
    known, or no program's code is mapped by them.

    Raises ImageMismatch when code of a program is mapped, and none of it is this one's.
    """
    space = guest.space
    if not isinstance(space, PageTables) or any(low >= USER_END for low, _ in module.elf.code_ranges):
        return False
    pages, whole = _user_code(space)
    if not pages:
        return False
    mine = _text_pages(module)
    spans = {(at, len(text)) for at, text in mine}
    votes: Counter[int] = Counter()
    for address, data in pages.items():
        for at, size in spans:
            for link in mine.get((at, data[at : at + size]), ()):
                votes[address - link] += 1
    if module.elf.type == 2 or votes[0]:  # ET_EXEC: linked to where it runs
        votes = Counter({0: votes[0]} if votes[0] else {})
    if votes:
        module.bias = votes.most_common(1)[0][0]
        return True
    lies = any(low <= address < high for address in pages for low, high in module.elf.code_ranges)
    if module.elf.type == 2 and lies:
        return True  # the comparison says what differs
    if not whole:
        return False
    raise ImageMismatch(
        f"{module.path} is not the image in memory: none of the {len(pages)} pages of a program's code is its"
    )


def _user_code(space: PageTables) -> tuple[dict[int, bytes], bool]:
    """(address -> bytes of each page that a program may execute, whether all were read)."""
    found: dict[int, bytes] = {}
    try:
        for page in space.mappings():
            if page.virtual >= USER_END:
                break
            if not page.user or not page.executable:
                continue
            for at in range(0, page.size, PAGE):
                if len(found) >= PAGES_MAX:
                    return found, False
                try:
                    found[page.virtual + at] = space.memory.read(page.physical + at, PAGE)
                except UnknownMemory:
                    continue
    except Incomplete:
        return found, False
    return found, True


def _text_pages(module: "Module") -> dict[tuple[int, bytes], list[int]]:
    """(offset in a page, bytes there) -> link addresses of the page, for each page of the image's text."""
    found: dict[tuple[int, bytes], list[int]] = {}
    for low, high in module.elf.code_ranges:
        for page in range(low & -PAGE, high, PAGE):
            start, end = max(page, low), min(page + PAGE, high)
            data = module.elf.read(start, end - start)
            if len(data) == end - start >= ENOUGH and data.strip(data[:1]):  # not all of one byte
                found.setdefault((start - page, data), []).append(page)
    return found


def fitting_program(guest: "Guest", kernel: "Module") -> "tuple[Module, ...]":
    """The remembered program whose text is mapped beside a kernel; () when none is.

    Not all of a program need be mapped: the page with its entry must be, and what there is must be its.
    """
    from uniobs.image import store

    space = guest.space
    if not isinstance(space, PageTables) or (pages := _user_code(space)[0]) == {}:
        return ()
    for row in store.known():
        if row.path == str(kernel.path.resolve()) or not _sampled(pages, row.samples):
            continue
        try:
            module = store.recall(row.identity)
            if module is None or not place_program(guest, module):
                continue
            entry = module.elf.entry + module.bias & -PAGE
            if entry in pages and (proof := module.prove(space)).proven:
                if proof.note:
                    guest.notices.append(f"{module.name}: {proof.note}")
                return (module,)
        except UniobsError:
            continue
    return ()


def _sampled(pages: dict[int, bytes], samples: Sequence[tuple[int, bytes]]) -> bool:
    """Whether any page holds one of the samples at its place in a page."""
    places = [(at % PAGE, data) for at, data in samples if at % PAGE + len(data) <= PAGE]
    return any(page[at : at + len(data)] == data for page in pages.values() for at, data in places)


def place(guest: "Guest", module: "Module") -> None:
    """An image that the guest itself doesn't place: a kernel by its slide, a program by its pages."""
    from uniobs.target.slide import place_identity, place_kernel

    if _has_region(guest):
        return
    if guest.origin.identity:
        place_entry(guest, module)
        return
    if place_kernel(guest, module) or _lies_there(guest, module):
        return
    first = bool(guest.images) and os.path.realpath(guest.images[0]) == os.path.realpath(module.path)
    if not first or not place_identity(guest, module):  # a kernel is named before the program on it
        place_program(guest, module)


def place_entry(guest: "Guest", module: "Module") -> None:
    """A position-independent program of a process lies where its first instruction is told to be."""
    entry = guest.origin.entry
    if entry is not None and module.elf.type == ET_DYN and not (entry - module.elf.entry) % PAGE:
        module.bias = entry - module.elf.entry


def _lies_there(guest: "Guest", module: "Module") -> bool:
    """Whether an image that isn't moved (OSv's kernel) is where it was linked to, by samples of its text."""
    try:
        return module.elf.type == 2 and all(guest.space.read(at, len(d)) == d for at, d in module.samples)
    except UniobsError:
        return False


def _has_region(guest: "Guest") -> bool:
    try:
        return guest.region is not None
    except UniobsError:
        return True
