"""Guest: the one implementation of Target, over any memory."""

from collections.abc import Iterator, Sequence

from uniobs.errors import BadFormat, NotOffered, UnknownMemory
from uniobs.lean import TYPE_CHECKING
from uniobs.memory.base import AddressSpace
from uniobs.model import registry
from uniobs.model.guest import Registers, Stack, Status, Thread
from uniobs.model.view import Walker
from uniobs.target.origin import Origin

if TYPE_CHECKING:
    from uniobs.image.module import Module
    from uniobs.memory.paging import PageTables
    from uniobs.region.reader import Region


class Guest:
    """See uniobs.target.base.Target."""

    def __init__(self, origin: Origin, images: Sequence[str] = ()) -> None:
        self.origin = origin
        self.images = tuple(images)
        self.force = False  # take the images that were named even when they aren't those in memory
        self.name = origin.name
        self.kind = origin.kind
        self.pid = origin.pid
        self.vmm = origin.vmm
        self.memory = origin.memory
        self.live = origin.live
        self.notices: list[str] = list(origin.notices)
        self._region: Region | None = None
        self._region_looked = False
        self._region_error: BadFormat | None = None
        self._hint: int | None = None
        self._space: AddressSpace | None = None
        self._adopted: PageTables | None = None
        self.space_note: str | None = None  # why an identity map was assumed, when it was
        self._modules: Sequence[Module] | None = None
        self.libraries: Sequence[Module] | None = None  # of a live hosted guest, when they were asked for
        self._registers: Sequence[Registers] | None = None
        self._status: Status | None = None
        self._walkers: list[Walker] = []
        self._untried: list[str] | None = None  # walkers that weren't asked yet whether the guest is theirs

    # --- the region -----------------------------------------------------------------------------------

    @property
    def region(self) -> "Region | None":
        if not self._region_looked:
            self._look_for_region()
        if self._region_error is not None:
            raise self._region_error
        return self._region

    def _look_for_region(self) -> None:
        from uniobs.region.reader import Region

        self._region, self._region_error = None, None
        try:
            address = self.origin.find_region(self._hint)
            if address is not None:
                self._region = Region(self.memory, address)
                self._hint = address
        except BadFormat as error:
            self._region_error = error
        self._region_looked = True

    # --- registers, address space, images -------------------------------------------------------------

    def registers(self) -> Sequence[Registers]:
        if self._registers is None:
            try:
                self._registers = self.origin.registers()
            except NotOffered:
                panic = self._panic_registers()
                if panic is None:
                    raise
                self._registers = (panic,)
        return self._registers

    @property
    def asked_registers(self) -> Sequence[Registers] | None:
        """What registers() gave since the last refresh(); None when nobody asked."""
        return self._registers

    def _panic_registers(self) -> Registers | None:
        """What a dead guest recorded of itself."""
        from uniobs.region.panic import read_panic

        try:
            panic = None if self.region is None else read_panic(self.region)
        except (BadFormat, UnknownMemory):
            return None
        return None if panic is None else panic.registers

    @property
    def space(self) -> AddressSpace:
        if self._space is None:
            from uniobs.target.space import address_space

            self.space_note = None
            self._space = address_space(self)
        return self._space

    def adopt_space(self, space: "PageTables") -> None:
        """Better page tables than were known: found by a walker through symbols of a proven image."""
        self._space = self._adopted = space
        self.space_note = None

    @property
    def modules(self) -> "Sequence[Module]":
        if self._modules is None:
            from uniobs.target.modules import find_modules

            self._modules = find_modules(self)
        return self._modules

    # --- questions ------------------------------------------------------------------------------------

    def walker(self, question: str) -> Walker:
        for walker in self._tried():
            if question in walker.answers:
                return walker
        if not self._walkers:
            raise NotOffered(self._nobody(question))
        for walker in self._walkers:
            if (reason := getattr(walker, "why_not", {}).get(question)) is not None:
                raise NotOffered(f"{self.name} doesn't offer {question}: {reason}")
        names = ", ".join(walker.name for walker in self._walkers)
        raise NotOffered(f"{self.name} doesn't offer {question} ({names})")

    def _tried(self) -> Iterator[Walker]:
        """The guest's walkers, by the names of their entry points; each is imported when its turn comes."""
        if self._untried is None:
            self._untried = registry.names(registry.WALKERS)
        yield from tuple(self._walkers)
        while self._untried:
            walker = registry.load(registry.WALKERS, self._untried[0])(self)
            del self._untried[0]
            if walker is not None:
                self._walkers.append(walker)
                yield walker

    def _nobody(self, question: str) -> str:
        """Why nothing can be told: neither the guest nor an image of it describes its structures."""
        modules = self.modules
        if not modules:
            return (
                f"{self.name} carries no region and no image of it is known, so its {question} can't be told:"
                " name its ELF with --image"
            )
        return (
            f"{self.name} carries no region, and {modules[0].name} isn't a kernel whose {question} are known"
            + ("" if modules[0].dwarf is not None else " or has no debug information (DWARF)")
        )

    def stack(self, thread: Thread) -> Stack:
        from uniobs.target.stacks import stack

        return stack(self, thread)

    def status(self, watch: float | None = None) -> Status:
        from uniobs.target.status import status

        if watch is not None and watch <= 0:
            return status(self, watch)  # a glance, which others may not build on
        if watch is not None or self._status is None:
            self._status = status(self, watch)  # one command says one state
        return self._status

    def refresh(self) -> None:
        if not self.live:
            return
        if self.origin.refresh is not None:
            self.origin.refresh()
        self.forget()

    def forget(self) -> None:
        """What was read of its memory isn't so any more."""
        self._registers = None
        self._status = None
        self._space = self._adopted
        if self._adopted is not None:
            self._adopted.refresh()
        if self._region is None:
            if not self._walkers:  # else the image tells, and no region comes to a guest that runs
                self._region_looked = False
                self._untried = None
            return
        try:
            self._region.refresh()
        except (BadFormat, UnknownMemory):  # rebooted, or being rewritten: look again when asked
            self._region_looked = False
            self._walkers, self._untried = [], None
            self._modules = None

    def clock_ns(self) -> int:
        """Of what is between two reads: this host's clock; in a recording that of its moments."""
        import time

        return time.monotonic_ns()

    def close(self) -> None:
        self.memory.close()
