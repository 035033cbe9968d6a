"""A raw image: RAM as one file - a copy, or the shared backend that a VMM left behind.

Nothing in such a file says where the guest sees its bytes: here they count from 0.
"""

import os

from uniobs.cores.core import Core
from uniobs.errors import BadFormat
from uniobs.memory.blocks import Block
from uniobs.memory.file import FileMemory

PAGE = 4096


def read(fd: int, path: str) -> Core:
    """Raises BadFormat for what can't be RAM."""
    size = os.lseek(fd, 0, os.SEEK_END)  # block devices too
    if not size or size % PAGE:
        raise BadFormat(
            f"{path}: neither a core nor an image of RAM ({size} bytes, which is no whole number of pages)"
        )
    return Core("raw", path, FileMemory(fd, [Block(0, size, 0)]))
