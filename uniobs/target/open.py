"""open_target: from what the user says to a Guest."""

import os
import stat
from collections.abc import Sequence

from uniobs.errors import NoSuchTarget, NotOffered, TargetError, UsageError
from uniobs.lean import TYPE_CHECKING
from uniobs.model.guest import Registers
from uniobs.target.guest import Guest
from uniobs.target.origin import Origin, running

if TYPE_CHECKING:
    from uniobs.target.discovery import GuestInfo

SERIAL = "serial://"
RECORDED = b"\x5a\x2a\x4d\x18"  # a skippable frame of zstd: see cores.recording


def open_target(
    spec: str,
    images: Sequence[str] = (),
    name: str | None = None,
    timeout: float = 5.0,
    at: str | None = None,
) -> Guest:
    """``spec``: a guest's name, a pid, a path (core, RAM image, shared RAM), or serial:///path.sock.

    ``images`` are ELFs that must be what runs there; ``timeout`` (seconds) is for channels; ``at`` is the
    moment of a recording. Raises TargetError and its kin in one line.
    """
    if at is not None and not os.path.isfile(spec):
        raise UsageError(f"--at goes with recordings, and {spec} is no file")
    if spec.startswith(SERIAL):
        from uniobs.target.remote import serial_origin

        return Guest(serial_origin(spec.removeprefix(SERIAL), name, timeout), images)
    if spec.isascii() and spec.isdigit() and len(spec) < 11 and not os.path.exists(spec):
        return open_pid(int(spec), images, name)
    if "/" in spec or at is not None:
        return open_path(spec, images, name, at)
    from uniobs.target import discovery

    guests = discovery.find_guests()
    named = [guest for guest in guests if guest.name == spec]
    if len(named) > 1:
        listed = ", ".join(str(guest.pid) for guest in named[:8])
        raise UsageError(f"{len(named)} guests are named {spec}: say which pid ({listed})")
    if named:
        return open_guest(named[0], images, name)
    if os.path.exists(spec):
        return open_path(spec, images, name)
    here = ", ".join(f"{guest.name} (pid {guest.pid})" for guest in guests[:8]) or "none"
    raise NoSuchTarget(f"no guest, pid or file named {spec}; guests here: {here}")


def open_pid(pid: int, images: Sequence[str] = (), name: str | None = None) -> Guest:
    from uniobs.target import discovery, procfs

    info = discovery.guest_of(pid)
    if info is None:
        process = procfs.read_process(pid)
        procfs.check_access(pid)
        raise TargetError(f"pid {pid} ({process.comm}) is no VMM that uniobs knows, and carries no region")
    return open_guest(info, images, name)


def open_guest(info: "GuestInfo", images: Sequence[str] = (), name: str | None = None) -> Guest:
    """A running guest. Raises AccessDenied, TargetGone, TargetError."""
    from uniobs.target import tender

    if info.kind == "process":
        return Guest(_hosted_origin(info, name), images)
    if info.vmm in tender.TENDERS:
        from uniobs.target import solo5

        return Guest(solo5.origin(info, name), images)
    return Guest(_qemu_origin(info, name), images)


def open_path(
    path: str, images: Sequence[str] = (), name: str | None = None, at: str | None = None
) -> Guest:
    """A core, a recording, a RAM image, or the shared RAM of a guest (live when a process still maps it)."""
    try:
        info = os.stat(path)
    except PermissionError:
        raise TargetError(f"{path}: permission denied: run as its owner") from None
    except (OSError, ValueError):
        raise NoSuchTarget(f"{path}: no such file") from None
    if stat.S_ISSOCK(info.st_mode):
        raise UsageError(f"{path} is a socket: for a guest's channel say {SERIAL}{os.path.abspath(path)}")
    if stat.S_ISDIR(info.st_mode):
        from uniobs.target.files import file_origin

        return Guest(file_origin(path, name), images)
    if not stat.S_ISREG(info.st_mode) and not stat.S_ISBLK(info.st_mode):
        raise TargetError(f"{path} is no regular file")
    if looks_recorded(path):
        from uniobs.target.recorded import recorded

        return recorded(path, images, name, at)
    if at is not None:
        raise UsageError(f"--at goes with recordings: {path} shows one moment only")
    if not _idle_core(path) and (owner := _guest_that_maps(info)) is not None:
        return open_guest(owner, images, name)
    from uniobs.target.files import file_origin

    return Guest(file_origin(path, name, images), images)


def looks_recorded(path: str) -> bool:
    """Whether a file begins as a recording does."""
    try:
        with open(path, "rb", buffering=0) as file:
            head = file.read(24)
    except OSError:
        return False
    return head[:4] == RECORDED and head[8:24] == b"uniobs-recording"


def _idle_core(path: str) -> bool:
    """Whether it is a core that nobody writes to: then no process need be asked whether it is its RAM."""
    from uniobs.cores.open import module_for
    from uniobs.target.backend import unwritten

    try:
        with open(path, "rb", buffering=0, opener=_at_once) as file:
            head = file.read(18)
    except OSError:
        return False
    if head[16:] != b"\4\0" if head[:4] == b"\x7fELF" else module_for(head) == "raw":
        return False
    return unwritten(path)


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK)


def _guest_that_maps(info: os.stat_result) -> "GuestInfo | None":
    """The live guest whose memory this file is."""
    import re

    from uniobs.memory.maps import read_maps_bytes
    from uniobs.target import discovery

    device, inode = f"{os.major(info.st_dev):02x}:{os.minor(info.st_dev):02x}", info.st_ino
    wanted = re.compile(rf"rw-s \S+ {device} {inode} ".encode())
    for guest in discovery.find_guests():
        try:
            if wanted.search(read_maps_bytes(guest.pid)):
                return guest
        except TargetError:
            continue
    return None


def _qemu_origin(info: "GuestInfo", name: str | None) -> Origin:
    from uniobs.target import ram, scan

    notices: list[str] = []
    memory = ram.find_ram(info, notices)

    def registers() -> Sequence[Registers]:
        from uniobs.target import qmp

        if info.qmp is None:
            why = info.qmp_unreachable or "no QMP socket (start QEMU with -qmp unix:PATH,server=on,wait=off)"
            raise NotOffered(f"registers can't be had: {why}")
        try:
            with qmp.opened(info.qmp) as connection:
                return connection.registers()
        except NotOffered as error:
            raise NotOffered(f"registers: {error}") from None

    def find(hint: int | None) -> int | None:
        return scan.find_region(memory, hint)

    return running(info, name, memory, find, registers, notices=notices)


def _hosted_origin(info: "GuestInfo", name: str | None) -> Origin:
    from uniobs.memory.process import ProcessMemory
    from uniobs.target import discovery, procfs, scan

    procfs.check_access(info.pid)
    memory = ProcessMemory(info.pid)

    def registers() -> Sequence[Registers]:
        raise NotOffered("the kernel keeps a hosted guest's registers; take a core (gcore) to see them")

    def find(hint: int | None) -> int | None:
        return scan.find_at(memory, discovery.region_mappings(info), hint)

    return running(info, name, memory, find, registers, identity=True)
