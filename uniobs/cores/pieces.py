"""Pieces of a file, read where they lie."""

import os

from uniobs.errors import BadFormat


def pread(fd: int, size: int, offset: int) -> bytes:
    """What there is; nothing when it can't be read."""
    try:
        return os.pread(fd, size, offset)
    except (OSError, OverflowError):
        return b""


def take(fd: int, offset: int, size: int, path: str, what: str) -> bytes:
    """Exactly ``size`` bytes. Raises BadFormat; ``what`` says whose they are."""
    data = pread(fd, size, offset)
    if len(data) != size:
        raise BadFormat(f"{path}: cut short or garbled: {what} at {offset:#x} isn't whole")
    return data
