"""Files without a name, for a program that we become: they end with it, however it ends."""

import os
import tempfile
from contextlib import suppress

from uniobs.errors import OutputError


def nameless(beside: str, room: int) -> int:
    """A descriptor for ``room`` bytes, on the file system of folder ``beside`` where that lets us (a copy may
    cost nothing there), else on that of $TMPDIR, else in memory. Raises OutputError."""
    for folder in (beside, tempfile.gettempdir()):
        with suppress(OSError):
            free = os.statvfs(folder)
            if free.f_bavail * free.f_frsize > room:
                return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    if room > _free_memory() // 2:
        raise OutputError(
            f"no room for a copy of the core in {beside} or {tempfile.gettempdir()}: "
            "TMPDIR=FOLDER names another folder, uniobs core fix --in-place needs none"
        )
    return _memory("uniobs-core")


def _free_memory() -> int:
    """Bytes."""
    with suppress(OSError, ValueError), open("/proc/meminfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    return 0


def holding(text: str) -> int:
    """A descriptor of a file with ``text`` in it."""
    fd = _memory("uniobs-gdb")
    os.write(fd, text.encode())
    return fd


def inherited(fd: int) -> str:
    """The path of a descriptor, for the program that takes our place."""
    os.set_inheritable(fd, True)
    return f"/proc/self/fd/{fd}"


def _memory(name: str) -> int:
    try:
        return os.memfd_create(name, os.MFD_CLOEXEC)
    except OSError as error:
        raise OutputError(f"no room for a copy of the core: {error.strerror}") from error
