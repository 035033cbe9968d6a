"""Which address space the kernel lives in, and how that is known."""

from collections.abc import Sequence
from contextlib import suppress

from uniobs.errors import BadFormat, NotOffered, UniobsError, UnknownMemory
from uniobs.lean import TYPE_CHECKING
from uniobs.memory.base import AddressSpace
from uniobs.memory.paging import Identity, PageTables
from uniobs.model.guest import Registers

if TYPE_CHECKING:
    from uniobs.region.reader import Region
    from uniobs.target.guest import Guest

CR0_PAGING = 1 << 31
CR4_PAE = 1 << 5
EFER_LMA = 1 << 10
PAGED = ("crash dump header",)  # only a 64-bit Windows writes one, and only with paging
X86_64, EM_AARCH64 = "x86-64", 183


def address_space(guest: "Guest") -> AddressSpace:
    """Page tables of the vCPUs' CR3, else of the panic record, else the identity that the region states.

    Without a region and without registers the identity is assumed: an image that is linked to where its
    text then proves to lie shows that it was right. Raises NotOffered when a region shows that none fits.
    """
    if guest.origin.identity:
        return Identity(guest.memory)
    if machine_of(guest) != X86_64:
        return _untranslated(guest)
    region = guest.region
    why = "no registers"
    try:
        for registers in _known(guest):
            cr0, cr3 = registers.get("cr0"), registers.get("cr3")
            if cr3 is None or (cr0 is None and registers.source not in PAGED):
                continue
            if cr0 is not None and not cr0 & CR0_PAGING:
                return Identity(guest.memory)
            if not _is_long(registers, guest.origin.frames is not None):
                why = "its vCPU isn't in 64-bit mode"
                continue
            space = PageTables(guest.memory, cr3, registers.get("cr4") or 0, guest.origin.frames)
            if fits(space, region):
                return space
            why = f"the page tables at cr3={cr3:#x} don't map the region where it says it is"
    except UniobsError as error:
        why = str(error)
    if region is None:
        guest.space_note = f"its page tables aren't known: {why}"
        return Identity(guest.memory)
    panicked = _panic_space(guest, region)
    if panicked is not None and fits(panicked, region):
        return panicked
    if region.header.self_pa == region.header.self_va:
        return Identity(guest.memory)
    raise NotOffered(
        f"the address space of {guest.name} isn't known: {why}, no panic record, no identity map"
    )


def _is_long(registers: Registers, paravirtual: bool) -> bool:
    """Whether paging is that of 64-bit mode (Intel SDM vol. 3A, 4.1.1), as far as the registers tell."""
    cr4, efer = registers.get("cr4"), registers.get("efer")
    if paravirtual:
        return True  # a 64-bit guest's; what it sees of the control registers is made for it
    return (cr4 is None or bool(cr4 & CR4_PAE)) and (efer is None or bool(efer & EFER_LMA))


def _untranslated(guest: "Guest") -> AddressSpace:
    """Another machine's page tables aren't walked: as the region has it, or the identity assumed."""
    region, why = guest.region, f"page tables of {machine_of(guest)} guests aren't walked"
    if region is None:
        guest.space_note = why
    elif region.header.self_pa != region.header.self_va:
        raise NotOffered(f"the address space of {guest.name} isn't known: {why}")
    return Identity(guest.memory)


def machine_of(guest: "Guest") -> str:
    """The guest's machine, "x86-64" or "aarch64": as its core has it, else as its region states it."""
    if guest.origin.machine == X86_64:
        with suppress(BadFormat):
            if guest.region is not None and guest.region.header.arch == EM_AARCH64:
                return "aarch64"
    return guest.origin.machine


def _known(guest: "Guest") -> Sequence[Registers]:
    try:
        return guest.registers()
    except NotOffered:
        if guest.origin.control is None:
            raise
        return (guest.origin.control,)


def fits(space: AddressSpace, region: "Region | None") -> bool:
    """Page tables that don't lead to the region aren't the kernel's."""
    if region is None:
        return True
    try:
        return space.translate(region.header.self_va) == region.header.self_pa
    except UnknownMemory:
        return False


def _panic_space(guest: "Guest", region: "Region") -> PageTables | None:
    from uniobs.region.panic import read_panic

    panic = read_panic(region)
    if panic is None or panic.registers is None or not (cr3 := panic.registers.get("cr3")):
        return None
    return PageTables(guest.memory, cr3, panic.registers.get("cr4") or 0, guest.origin.frames)
