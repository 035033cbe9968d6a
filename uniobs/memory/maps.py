"""A process's mappings: /proc/PID/maps."""

from uniobs.errors import TargetGone
from uniobs.lean import NamedTuple


class Mapping(NamedTuple):
    """One line of /proc/PID/maps; ``path`` is "" when anonymous."""

    start: int
    end: int
    perms: str
    offset: int
    device: str
    inode: int
    path: str

    @property
    def size(self) -> int:
        return self.end - self.start

    @property
    def readable(self) -> bool:
        return self.perms[:1] == "r"

    @property
    def shared(self) -> bool:
        return self.perms[3:4] == "s"


def read_maps_bytes(pid: int) -> bytes:
    """Raises TargetGone, or AccessDenied when it belongs to somebody else."""
    try:
        with open(f"/proc/{pid}/maps", "rb", buffering=1 << 16) as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        raise TargetGone(f"pid {pid} is gone") from None
    except OSError:
        from uniobs.memory.process import denied

        raise denied(pid) from None


def parse_maps(data: bytes) -> list[Mapping]:
    """Lines that aren't of the known form are left out."""
    found = []
    for line in data.decode("utf-8", "surrogateescape").splitlines():
        parts = line.split(None, 5)
        if len(parts) < 5:
            continue
        low, _, high = parts[0].partition("-")
        try:
            start, end, offset, inode = int(low, 16), int(high, 16), int(parts[2], 16), int(parts[4])
        except ValueError:
            continue
        path = parts[5] if len(parts) > 5 else ""
        found.append(Mapping(start, end, parts[1], offset, parts[3], inode, path))
    return found


def read_maps(pid: int) -> list[Mapping]:
    """Ascending. Raises TargetGone or AccessDenied."""
    return parse_maps(read_maps_bytes(pid))
