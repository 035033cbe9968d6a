"""Solo5's tenders among processes: which they are, and what their command line says of the guest."""

import os
import re
from collections.abc import Sequence

from uniobs.lean import TypedDict
from uniobs.target import procfs

TENDERS = ("solo5-spt", "solo5-hvt")
DEFAULT_MEMORY = 0x20000000


class Facts(TypedDict):
    name: str
    vmm: str
    memory: int
    kernel: str | None


def tender(process: procfs.Process) -> str | None:
    """ "solo5-spt", "solo5-hvt", or None for another program (solo5-hvt-debug is solo5-hvt)."""
    program = process.exe or (process.argv[0] if process.argv else process.comm)
    base = os.path.basename(program.removesuffix(" (deleted)"))
    return next((name for name in TENDERS if base == name or base.startswith(f"{name}-")), None)


def command_line(argv: Sequence[str]) -> tuple[int, str | None]:
    """(bytes of memory, the guest's file): options come before the file, the guest's words after it."""
    size = DEFAULT_MEMORY
    words = iter(argv[1:])
    for word in words:
        if word == "--":
            return size, next(words, None)
        if not word.startswith("-"):
            return size, word
        if match := re.match(r"--mem=\s*(\d{1,8})", word):
            size = int(match[1]) << 20 or size
    return size, None


def facts(process: procfs.Process, name: str) -> Facts:
    """What discovery says of the guest: fields of GuestInfo."""
    size, file = command_line(process.argv)
    kernel = procfs.host_path(process.pid, file) if file else None
    guest = os.path.splitext(os.path.basename(file))[0] if file else ""
    return {"name": guest or str(process.pid), "vmm": name, "memory": size, "kernel": kernel}
