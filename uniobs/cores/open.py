"""open_core: which format a file has, by how it begins."""

import os
from importlib import import_module
from typing import NamedTuple, Protocol, cast

from uniobs.cores.core import Core
from uniobs.errors import BadFormat
from uniobs.memory.file import open_file

HEAD = 16  # bytes that tell a format


class Reader(Protocol):
    """A format's module. ``read`` raises BadFormat, and leaves ``fd`` open then; else the core owns it."""

    def read(self, fd: int, path: str) -> Core: ...


class Format(NamedTuple):
    """A file that begins with one of ``begins`` is read by ``uniobs.cores.<module>``."""

    module: str
    begins: tuple[bytes, ...]


FORMATS = (
    Format("elf_kinds", (b"\x7fELF",)),
    Format("kdump", (b"KDUMP   ", b"makedumpfile")),
)


def open_core(path: str, raw_only: bool = False) -> Core:
    """The core; its memory owns the file. ``raw_only`` takes the file as RAM, whatever its content.

    Raises NoSuchTarget, AccessDenied or BadFormat in one line.
    """
    fd = open_file(path)
    try:
        head = _head(fd, path)
        module = "raw" if raw_only else module_for(head)
        return cast(Reader, import_module(f"uniobs.cores.{module}")).read(fd, path)
    except BaseException:
        os.close(fd)
        raise


def module_for(head: bytes) -> str:
    """The name of the module that reads what begins so."""
    return next((format.module for format in FORMATS if head.startswith(format.begins)), "raw")


def _head(fd: int, path: str) -> bytes:
    try:
        return os.pread(fd, HEAD, 0)
    except OSError as error:
        raise BadFormat(f"{path}: {error.strerror}") from None
