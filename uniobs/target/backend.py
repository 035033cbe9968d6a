"""The file that holds a VMM's RAM: whether it is one that its VMM left behind, or may be a copy."""

import os
from contextlib import suppress

SIGURG = 23  # ignored unless a process asks for it
MEMORY_FS = ("tmpfs", "hugetlbfs")


def left_behind(path: str) -> bool:
    """Whether a file of RAM is, as far as can be told, a backend whose VMM is gone: it lies in memory, as no
    copy does that was made to be kept, and nobody has it open for writing. False when that can't be known."""
    return file_system(path) in MEMORY_FS and unwritten(path)


def unwritten(path: str) -> bool:
    """Whether no process has the file open for writing, or mapped so: only then a read lease is granted.

    False also when it isn't ours to ask for one, or its file system has none.
    """
    import fcntl

    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.fcntl(fd, fcntl.F_SETSIG, SIGURG)  # should a writer come meanwhile: not SIGIO, which kills
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def file_system(path: str) -> str | None:
    """The type of the file system that a file lies on (/proc/self/mountinfo, proc(5)); None: not known."""
    with suppress(OSError, ValueError):
        device = os.stat(path).st_dev
        wanted = f"{os.major(device)}:{os.minor(device)}"
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                words = line.split()
                if len(words) > 2 and words[2] == wanted and "-" in words[3:-1]:
                    return words[words.index("-", 3) + 1]
    return None
