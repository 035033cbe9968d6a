"""What /proc says about a process that may be a VMM or a hosted guest."""

import os
from contextlib import suppress

from uniobs.errors import AccessDenied, NoSuchTarget, TargetError, TargetGone
from uniobs.lean import NamedTuple
from uniobs.memory.maps import Mapping
from uniobs.memory.process import denied
from uniobs.model.row import frozen

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
CMDLINE_MAX = 1 << 20


@frozen
class Process:
    """``start`` (clock ticks since the host's boot) with ``pid`` names a process for good."""

    pid: int
    comm: str
    argv: tuple[str, ...]
    exe: str  # its path as the process sees it; "" when it may not be known
    uid: int
    start: int


class Cpu(NamedTuple):
    """CPU time used, and the process's age; both seconds."""

    used: float
    age: float


def _read(path: str, limit: int = 65536) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.read(limit) or b""


def read_process(pid: int) -> Process:
    """Raises NoSuchTarget when there is no such process."""
    try:
        stat = _read(f"/proc/{pid}/stat")
        argv = _read(f"/proc/{pid}/cmdline", CMDLINE_MAX)
        uid = os.stat(f"/proc/{pid}").st_uid
    except PermissionError:
        raise denied(pid) from None
    except OSError:
        raise NoSuchTarget(f"there is no process {pid}") from None
    try:
        exe = os.readlink(f"/proc/{pid}/exe")
    except OSError:
        exe = ""
    comm, fields = _stat_fields(stat)
    words = argv.decode("utf-8", "surrogateescape").split("\0")
    return Process(pid, comm, tuple(words[:-1]), exe, uid, _field(fields, 19))


def _stat_fields(stat: bytes) -> tuple[str, list[bytes]]:
    """The name, and the fields after it (the state is the first)."""
    head, _, rest = stat.rpartition(b")")
    return head.partition(b"(")[2].decode("utf-8", "replace"), rest.split()


def _field(fields: list[bytes], index: int) -> int:
    try:
        return int(fields[index])
    except (IndexError, ValueError):
        return 0


def process_state(pid: int) -> str | None:
    """The state letter of ps ("R", "S", "T", "Z"...); None when there is no such process."""
    try:
        _, fields = _stat_fields(_read(f"/proc/{pid}/stat"))
    except OSError:
        return None
    return fields[0].decode("ascii", "replace") if fields else None


def start_time(pid: int) -> int | None:
    """Clock ticks since the host's boot; None when it's gone or a zombie."""
    try:
        _, fields = _stat_fields(_read(f"/proc/{pid}/stat"))
    except OSError:
        return None
    return None if fields[:1] == [b"Z"] or len(fields) < 20 else _field(fields, 19)


def cpu(pid: int) -> Cpu | None:
    try:
        _, fields = _stat_fields(_read(f"/proc/{pid}/stat"))
        uptime = float(_read("/proc/uptime").split()[0])
    except (OSError, IndexError, ValueError):
        return None
    used = (_field(fields, 11) + _field(fields, 12)) / TICKS_PER_SECOND
    return Cpu(used, max(uptime - _field(fields, 19) / TICKS_PER_SECOND, 0.0))


def pids() -> list[int]:
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit())


def same_namespace(pid: int, kind: str) -> bool | None:
    """Whether ``pid`` shares our "mnt", "pid" or "net" namespace; None when that may not be known."""
    try:
        return os.readlink(f"/proc/{pid}/ns/{kind}") == os.readlink(f"/proc/self/ns/{kind}")
    except OSError:
        return None


def host_path(pid: int, path: str) -> str:
    """Under which name we can open what ``pid`` calls ``path``, in its own root and working directory."""
    if not os.path.isabs(path):
        try:
            cwd = os.readlink(f"/proc/{pid}/cwd")
        except OSError:
            return path
        path = os.path.join(cwd, path)
    root = f"/proc/{pid}/root"
    try:
        ours, theirs = os.stat("/"), os.stat(root)
        same_root = (ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino)
        if same_root and same_namespace(pid, "mnt") is not False:
            return path
    except OSError:
        return path
    return root + path


def open_mapped(pid: int, mapping: Mapping) -> int | None:
    """A read-only descriptor of the file behind a mapping, proven by device and inode; None: can't be had."""
    path = mapping.path.removesuffix(" (deleted)")
    candidates = [f"/proc/{pid}/map_files/{mapping.start:x}-{mapping.end:x}", host_path(pid, path)]
    with suppress(OSError):
        candidates += [f"/proc/{pid}/fd/{name}" for name in os.listdir(f"/proc/{pid}/fd")]
    for name in candidates:
        try:
            info = os.stat(name)
            device = f"{os.major(info.st_dev):02x}:{os.minor(info.st_dev):02x}"
            if info.st_ino == mapping.inode and device == mapping.device:
                return os.open(name, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
    return None


def check_access(pid: int) -> None:
    """Raises AccessDenied, with what to do, when the memory of ``pid`` isn't ours to read."""
    try:
        os.close(os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC))
    except (FileNotFoundError, ProcessLookupError):
        raise TargetGone(f"pid {pid} is gone") from None
    except PermissionError:
        if same_namespace(pid, "user") is False:
            raise AccessDenied(
                f"pid {pid} runs in another user namespace (a container): run as root on the host"
            ) from None
        raise denied(pid) from None
    except OSError as error:
        raise TargetError(f"pid {pid} can't be read: {error.strerror}") from None


def thread_states(pid: int) -> list[str]:
    """The state letter of each of its threads; empty when it's gone."""
    found = []
    try:
        for tid in os.listdir(f"/proc/{pid}/task"):
            with suppress(OSError):
                _, fields = _stat_fields(_read(f"/proc/{pid}/task/{tid}/stat"))
                found += [field.decode("ascii", "replace") for field in fields[:1]]
    except OSError:
        return []
    return found
