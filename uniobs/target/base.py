"""Target: what a command looks at - guest memory, vCPU registers and modules, with a state."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from uniobs.memory.base import AddressSpace, Memory
from uniobs.model.guest import Registers, Stack, Status, Thread
from uniobs.model.view import Walker

if TYPE_CHECKING:
    from uniobs.image.module import Module
    from uniobs.region.reader import Region


class Target(Protocol):
    """One guest, live or not. Attributes are cheap unless said otherwise; everything else is lazy and cached
    until refresh()."""

    name: str  # -name, the hosted program, or the core's file name
    kind: str  # "vm", "process" (hosted), "core", "memory" (a backend file or raw image), "serial"
    pid: int | None
    vmm: str  # "qemu microvm", "hosted", "pay.core"...
    memory: Memory
    live: bool  # its bytes may change under us
    notices: list[str]  # said once, on stderr

    @property
    def region(self) -> "Region | None":
        """The stub's region, or None when there is none. Raises BadFormat when one is there but garbled."""

    @property
    def space(self) -> AddressSpace:
        """The kernel's address space (CR3 of registers, panic record or notes; identity when hosted)."""

    def registers(self) -> Sequence[Registers]:
        """One a vCPU. Raises NotOffered with the reason (no QMP, QMP in use...)."""

    @property
    def modules(self) -> "Sequence[Module]":
        """Images proven to be in memory. Raises ImageMismatch when the one that was named isn't; empty
        when none is known."""

    def walker(self, question: str) -> Walker:
        """The first walker that answers it ("threads", "locks"...). Raises NotOffered."""

    def stack(self, thread: Thread) -> Stack:
        """Frames of one thread; never raises for what is merely unknown (Stack.error says why)."""

    def status(self, watch: float | None = None) -> Status:
        """The state. Watches up to ``watch`` seconds (default: the hung limit) only when in doubt."""

    def refresh(self) -> None:
        """Forget what was read of a guest that changes."""

    def close(self) -> None: ...
