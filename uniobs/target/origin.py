"""What a Guest is made from: where its bytes come from, and what is known beside them."""

from collections.abc import Callable, Mapping, Sequence

from uniobs.errors import NotOffered
from uniobs.lean import TYPE_CHECKING, NamedTuple
from uniobs.memory.base import Memory
from uniobs.model.guest import Registers
from uniobs.model.row import field, frozen

if TYPE_CHECKING:
    from uniobs.cores.core import Process
    from uniobs.target.discovery import GuestInfo


class MappedImage(NamedTuple):
    """A file mapped in a hosted guest: its first byte lies at ``start``."""

    path: str
    start: int


class Placed(NamedTuple):
    """An image that was proven to be in the guest's memory when it was recorded; it is proven again."""

    path: str
    debug: str | None
    bias: int
    identity: str  # build-id, or the hash of its text


def no_registers() -> Sequence[Registers]:
    raise NotOffered("registers can't be had: this file holds memory only")


@frozen
class Origin:
    """``find_region`` gives the region's physical address, or None; it may raise BadFormat."""

    name: str
    kind: str  # as Target.kind
    vmm: str
    memory: Memory
    live: bool
    find_region: Callable[[int | None], int | None]
    registers: Callable[[], Sequence[Registers]] = no_registers
    pid: int | None = None
    info: "GuestInfo | None" = None
    image_hint: str | None = None  # a path that may be the image; proven before it's used
    thread_registers: Mapping[int, Registers] = field(default_factory=dict)  # by os_tid: of hosted guests
    mapped_images: tuple[MappedImage, ...] = ()  # shared libraries of hosted guests, to be proven
    identity: bool = False  # virtual = physical for certain (hosted)
    refresh: Callable[[], None] | None = None
    notices: tuple[str, ...] = ()
    backend: str | None = None  # the file that holds the memory
    process: "Process | None" = None  # of a process's core: what it was, what it died of
    entry: int | None = None  # where its program's first instruction is
    machine: str = "x86-64"  # or "aarch64"
    frames: Callable[[int], int] | None = None  # what page tables say -> guest-physical: a PV guest of Xen
    placed: tuple[Placed, ...] = ()  # of recordings
    control: Registers | None = None  # CR0, CR3, CR4 when registers() has none: of recordings


def running(
    info: "GuestInfo",
    name: str | None,
    memory: Memory,
    find_region: Callable[[int | None], int | None],
    registers: Callable[[], Sequence[Registers]],
    *,
    identity: bool = False,
    notices: Sequence[str] = (),
) -> Origin:
    """Of a guest whose process is found on this host; ``name``: as the user calls it."""
    return Origin(
        name=name or info.name,
        kind=info.kind,
        vmm=info.vmm,
        memory=memory,
        live=True,
        find_region=find_region,
        registers=registers,
        pid=info.pid,
        info=info,
        image_hint=info.kernel,
        identity=identity,
        notices=tuple(notices),
    )
