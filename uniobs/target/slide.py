"""Where a relocated kernel (KASLR) lies, found from outside and without its help.

With a vCPU's registers: the gate of page faults in its IDT leads to the kernel's handler, whose symbol the
image has. Without them: the kernel's text is searched in physical memory, the words in it that were relocated
tell by how much, and the page tables that map it there are the kernel's. The text proves either afterwards.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from uniobs.errors import ImageMismatch, UniobsError, UnknownMemory
from uniobs.lean import TYPE_CHECKING, Final
from uniobs.memory.paging import PageTables

if TYPE_CHECKING:
    from uniobs.image.module import Module
    from uniobs.memory.base import AddressSpace, Memory
    from uniobs.model.guest import Registers
    from uniobs.target.guest import Guest

PAGE_FAULT: Final = 14
HANDLERS: Final = ("interrupt14",)  # the page fault's entry: Nanos
PAGE: Final = 4096
CHUNK: Final = 1 << 20
SEARCHED_MAX: Final = 16 << 30  # bytes of physical memory
CODE_MAX: Final = 64 << 20
HITS_MAX: Final = 64  # copies of the text that are looked at: the loader leaves one, the page cache another
ROOTS_MAX: Final = 1 << 16
RELOCATIONS_MAX: Final = 256
SHT_RELA: Final = 4
R_RELATIVE: Final = 8
PRESENT: Final = 1
ET_DYN: Final = 3


def place_kernel(guest: "Guest", module: "Module") -> bool:
    """Set the bias of a kernel that may be relocated; False when the image isn't one whose handler is known.

    Raises ImageMismatch when the gate can't lead to this image's handler.
    """
    handler = next((found for name in HANDLERS if (found := module.elf.symbols.find(name)) is not None), None)
    if handler is None:
        return False
    guest.space  # noqa: B018  notes when it isn't known
    gate = page_fault_handler(guest)
    if gate is not None:
        slide = gate - handler.address
        if slide % PAGE:
            raise ImageMismatch(
                f"{module.path} is not the image in memory: page faults are handled at {gate:#x}, which can't"
                f" be its {handler.name}"
            )
        module.bias = slide
        return True
    if guest.space_note is not None and (place := search(guest.memory, module)) is not None:
        module.bias, root = place
        guest.adopt_space(PageTables(guest.memory, root))
    elif guest.space_note is None and (bias := _mapped(guest, module)) is not None:
        module.bias = bias
    return True


def place_identity(guest: "Guest", module: "Module") -> bool:
    """Set the bias of a position-independent kernel that lies in memory at the addresses it runs at (Hermit).

    Of the copies of its text - the loader keeps the file's - it is the one whose relocated words say so.
    """
    if module.elf.type != ET_DYN:
        return False
    for shift in _copies(guest.memory, module):
        if next(_biases(guest.memory, module, shift)) != shift:
            continue
        try:
            if all(guest.space.read(at + shift, len(data)) == data for at, data in module.samples):
                module.bias = shift
                return True
        except UniobsError:
            continue
    return False


def page_fault_handler(guest: "Guest") -> int | None:
    """The address that the first vCPU's IDT has for page faults; None when it can't be had."""
    try:
        for registers in guest.registers():
            address = _gate(registers, guest.space, PAGE_FAULT)
            if address is not None:
                return address
    except UniobsError:
        pass
    return None


def kernel_code(guest: "Guest") -> tuple[int, bytes] | None:
    """(address, bytes) of the code around the handler of page faults; None when it isn't known."""
    address = page_fault_handler(guest)
    space = guest.space
    if address is None or not isinstance(space, PageTables):
        return None
    low = high = address & -PAGE
    try:
        while high - low < CODE_MAX and _is_code(space, low - PAGE):
            low -= PAGE
        while high - low < CODE_MAX and _is_code(space, high):
            high += PAGE
        return low, space.read(low, high - low)
    except UnknownMemory:
        return None


def _is_code(space: PageTables, address: int) -> bool:
    if not 0 <= address < 1 << 64:
        return False
    try:
        page = space.page(address)
    except UnknownMemory:
        return False
    return page.executable and not page.user


def slid_by(code: tuple[int, bytes], samples: Sequence[tuple[int, bytes]]) -> int | None:
    """The bias under which the samples of an image's text lie in the kernel's code; None when they don't."""
    start, data = code
    first, wanted = samples[0]
    at = data.find(wanted)
    for _ in range(HITS_MAX):
        if at < 0:
            return None
        bias = start + at - first
        places = ((link + bias - start, sample) for link, sample in samples)
        if not bias % PAGE and all(data[max(at, 0) : at + len(s)] == s for at, s in places):
            return bias
        at = data.find(wanted, at + 1)
    return None


def _gate(registers: "Registers", space: "AddressSpace", vector: int) -> int | None:
    """A present 64-bit gate's target (Intel SDM vol. 3A, 6.14.1)."""
    base = registers.get("idt_base")
    if not base:
        return None
    try:
        low, high = (int.from_bytes(space.read(base + 16 * vector + at, 8), "little") for at in (0, 8))
    except UnknownMemory:
        return None
    if not low >> 47 & 1 or low >> 40 & 0x1F not in (0xE, 0xF):
        return None
    return low & 0xFFFF | (low >> 48) << 16 | (high & 0xFFFFFFFF) << 32


def search(memory: "Memory", module: "Module") -> tuple[int, int] | None:
    """(bias, physical address of the page tables' root) of a kernel whose text is somewhere in memory."""
    for physical in _copies(memory, module):
        for bias in _biases(memory, module, physical):
            address, root = _start(module) + bias, None
            if 0 <= address < 1 << 64:
                root = _root(memory, address, physical + _start(module))
            if root is not None:
                return bias, root
    return None


def _mapped(guest: "Guest", module: "Module") -> int | None:
    """The bias of a kernel whose text is somewhere in memory, and is mapped to where that bias has it: of a
    vCPU whose page tables are told and whose IDT isn't (Xen's cores)."""
    for physical in _copies(guest.memory, module):
        for bias in _biases(guest.memory, module, physical):
            address = _start(module) + bias
            try:
                if 0 <= address < 1 << 64 and guest.space.translate(address) == physical + _start(module):
                    return bias
            except UnknownMemory:
                continue
    return None


def _start(module: "Module") -> int:
    return module.elf.text[0][0]


def _copies(memory: "Memory", module: "Module") -> Iterator[int]:
    """Physical minus link address of each whole copy of the text, as its samples show."""
    if not module.samples:
        return
    (first, wanted), rest = module.samples[0], module.samples[1:]
    found = 0
    for address in _find(memory, wanted):
        shift = address - first
        if shift % PAGE:
            continue
        try:
            if any(memory.read(at + shift, len(data)) != data for at, data in rest):
                continue
        except UnknownMemory:
            continue
        yield shift
        found += 1
        if found >= HITS_MAX:
            return


def _find(memory: "Memory", wanted: bytes) -> Iterator[int]:
    left = SEARCHED_MAX
    for span in memory.ranges():
        at = span.start
        while at < span.end and left > 0:
            size = min(CHUNK + len(wanted) - 1, span.end - at)
            try:
                data = memory.read(at, size)
            except UnknownMemory:
                data = b""
            hit = data.find(wanted)
            while hit >= 0:
                yield at + hit
                hit = data.find(wanted, hit + 1)
            at, left = at + CHUNK, left - CHUNK


def _biases(memory: "Memory", module: "Module", shift: int) -> Iterator[int]:
    """By how much the relocated words of this copy say it was moved; the most frequent answer, then none."""
    votes: Counter[int] = Counter()
    for where, addend in _relocations(module):
        try:
            word = int.from_bytes(memory.read(where + shift, 8), "little")
        except UnknownMemory:
            continue
        if not (word - addend) % PAGE:
            votes[word - addend] += 1
    if votes:
        bias, count = votes.most_common(1)[0]
        if bias and 2 * count > sum(votes.values()):
            yield bias
    yield 0


def _relocations(module: "Module") -> list[tuple[int, int]]:
    """(link address, addend) of relative relocations; those in what isn't written to come first."""
    import struct

    elf = module.elf
    loads = [s for s in elf.segments if s.type == 1]
    fixed: list[tuple[int, int]] = []
    other: list[tuple[int, int]] = []
    for section in elf.sections:
        if section.type != SHT_RELA or not section.flags & 2 or section.entry_size != 24:
            continue
        rows = elf.content(section)
        for where, info, addend in struct.iter_unpack("<QQq", rows[: len(rows) // 24 * 24]):
            inside = next((s for s in loads if s.vaddr <= where and where + 8 <= s.vaddr + s.filesz), None)
            if info & 0xFFFFFFFF == R_RELATIVE and inside is not None:
                (other if inside.flags & 2 else fixed).append((where, addend))
            if len(fixed) >= RELOCATIONS_MAX:
                return fixed
    return (fixed + other)[:RELOCATIONS_MAX]


def _root(memory: "Memory", virtual: int, physical: int) -> int | None:
    """The page whose entries, taken for the top page table, lead from one address to the other."""
    index = virtual >> 39 & 511
    tried = 0
    for span in memory.ranges():
        at = -(-span.start // PAGE) * PAGE
        while at + PAGE <= span.end:
            size = min(CHUNK, (span.end - at) // PAGE * PAGE)
            try:
                words = memoryview(memory.read(at, size)).cast("Q")[index::512]
            except UnknownMemory:
                at += size
                continue
            for number, entry in enumerate(words.tolist()):
                if not entry & PRESENT or entry >> 52 & 0x7FF:
                    continue
                tried += 1
                if tried > ROOTS_MAX:
                    return None
                root = at + number * PAGE
                try:
                    if PageTables(memory, root).translate(virtual) == physical:
                        return root
                except UnknownMemory:
                    continue
            at += size
    return None
