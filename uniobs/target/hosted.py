"""Where the threads of a live hosted guest stand, without stopping it: Linux tells for those that wait."""

from collections.abc import Sequence

from uniobs.errors import NotOffered, UniobsError
from uniobs.lean import TYPE_CHECKING
from uniobs.memory.maps import read_maps
from uniobs.model.guest import Registers
from uniobs.target.origin import MappedImage

if TYPE_CHECKING:
    from uniobs.image.module import Module
    from uniobs.target.guest import Guest


def waiting_registers(pid: int, tid: int) -> Registers:
    """rip and rsp of a thread that waits in a system call: the last two words of /proc/PID/task/TID/syscall.

    Raises NotOffered for one that runs, or when it may not be read.
    """
    return _registers(_told(pid, tid, "syscall"))


def waiting(pid: int, tid: int) -> tuple[str, Registers]:
    """waiting_registers(), and before them a text that changes whenever the thread gets a processor: how long
    it had one (/proc/PID/task/TID/schedstat), or how often it was switched where that isn't counted."""
    ran = _told(pid, tid, "schedstat")
    if ran.startswith("0 0 "):
        ran = "".join(line for line in _told(pid, tid, "status").splitlines() if "ctxt" in line)
    call = _told(pid, tid, "syscall")
    return ran + call, _registers(call)


def _told(pid: int, tid: int, name: str) -> str:
    try:
        with open(f"/proc/{pid}/task/{tid}/{name}", encoding="ascii", errors="replace") as file:
            return file.read(4096)
    except (FileNotFoundError, ProcessLookupError):
        raise NotOffered("the thread is gone, or this kernel doesn't tell where it waits") from None
    except OSError as error:
        raise NotOffered(f"where Linux has it waiting can't be read: {error.strerror}") from None


def _registers(told: str) -> Registers:
    words = told.split()
    if len(words) < 3:  # "running"
        raise NotOffered("it runs, and only a core (uniobs core take) has its registers")
    try:
        sp, pc = int(words[-2], 16), int(words[-1], 16)
    except ValueError:
        raise NotOffered("where Linux has it waiting isn't told in a known form") from None
    return Registers({"rip": pc, "rsp": sp}, "where Linux has it waiting")


def libraries(guest: "Guest") -> "Sequence[Module]":
    """The shared libraries of the process, proven; read once."""
    if guest.libraries is None:
        from uniobs.target.modules import proven

        guest.libraries = ()
        if guest.pid is not None:
            try:
                guest.libraries = proven(guest, mapped_images(guest.pid))
            except UniobsError as error:
                guest.notices.append(f"its libraries aren't known: {error}")
    return guest.libraries


def mapped_images(pid: int) -> list[MappedImage]:
    """Files that are mapped from their beginning and have code; the program itself is the guest's image."""
    maps = [mapping for mapping in read_maps(pid) if mapping.path.startswith("/")]
    code = {mapping.path for mapping in maps if "x" in mapping.perms}
    program = maps[0].path if maps else ""
    return [
        MappedImage(f"/proc/{pid}/root{mapping.path}", mapping.start)
        for mapping in maps
        if mapping.offset == 0 and mapping.path in code and mapping.path != program
    ]
