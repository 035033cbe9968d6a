"""What every core format gives."""

from collections.abc import Callable

from uniobs.lean import NamedTuple
from uniobs.memory.base import Memory
from uniobs.model.guest import Registers
from uniobs.model.row import field, frozen


class MappedFile(NamedTuple):
    """A file that was mapped in a process (NT_FILE): [start, end) is ``path`` from ``offset``."""

    start: int
    end: int
    offset: int
    path: str


@frozen
class Process:
    """What a process's core tells of it; ``signal`` is what ``tid`` died of, with its ``address``, or with
    the id of the process that sent it (as ``pid`` sees it; 0: the kernel, or one that it can't see)."""

    pid: int | None = None
    name: str | None = None
    tid: int | None = None
    signal: int | None = None
    code: int | None = None
    address: int | None = None
    sender: int | None = None


@frozen
class Core:
    """``registers``: one a vCPU; ``threads``: by the host's thread id (hosted guests).

    ``memory`` owns the file's descriptor: close it.
    """

    kind: str  # "qemu-elf", "linux-elf", "solo5-elf", "raw"
    path: str
    memory: Memory
    registers: tuple[Registers, ...] = ()
    threads: dict[int, Registers] = field(default_factory=dict)
    files: tuple[MappedFile, ...] = ()
    auxv: dict[int, int] = field(default_factory=dict)
    region: int | None = None  # its physical address, when finding the layout meant finding it
    notices: tuple[str, ...] = ()
    identity: bool = False  # virtual = physical for certain
    machine: str = "x86-64"  # or "aarch64"
    process: Process | None = None  # of a process's core
    frames: Callable[[int], int] | None = None  # what page tables say -> guest-physical: a PV guest of Xen
