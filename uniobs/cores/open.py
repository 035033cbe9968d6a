"""open_core: which format a file has, by how it begins."""

import os
from importlib import import_module

from uniobs.cores.core import Core
from uniobs.errors import BadFormat
from uniobs.lean import NamedTuple, Protocol, cast
from uniobs.memory.file import open_file

HEAD = 16  # bytes that tell a format
VMWARE = ((0xD0, 0xBE), (0xD2, 0xBE), (0xD3, 0xBE), (0xD1, 0xBA), (0xD2, 0xBA))


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
    Format("firecracker", (b"\0\0\x64\x86\x84\x19\x10\x07",)),
    Format("cloud_hypervisor", (b'{"',)),
    Format("vmware", tuple(bytes((low, high)) * 2 for low, high in VMWARE)),
    Format("lime", (b"EMiL",)),
    Format("windows", (b"PAGEDU64", b"PAGEDUMP")),
    Format("minidump", (b"MDMP",)),
)
REFUSED = {
    b"\0\0\xaa\xaa\x84\x19\x10\x07": "a state of Firecracker on arm64: only x86-64's are read",
    b"DISKDUMP": "a diskdump core, which isn't read",
    b"AVML": "an AVML image: avml-convert makes a LiME image of it",
    b"\x28\xb5\x2f\xfd": "a file that zstd packed: unpack it first",
    b"\x1f\x8b\x08": "a file that gzip packed: unpack it first",
}


def open_core(path: str, raw_only: bool = False) -> Core:
    """The core; its memory owns the file. ``raw_only`` takes the file as RAM, however it begins.

    ``path`` may be the directory of a snapshot. Raises NoSuchTarget, AccessDenied or BadFormat in one line.
    """
    try:
        return _directory(path) if os.path.isdir(path) else _file(path, raw_only)
    except BadFormat as error:
        if path in str(error):
            raise
        raise BadFormat(f"{path}: {error}") from error


def _file(path: str, raw_only: bool) -> Core:
    fd = open_file(path)
    try:
        head = _head(fd, path)
        module = "raw" if raw_only else module_for(head)
        if module == "raw":
            for begins, what in REFUSED.items():
                if head.startswith(begins) and not raw_only:
                    raise BadFormat(f"{path}: {what}")
            from uniobs.cores.beside import described

            core = described(fd, path)
            if core is not None:
                return core
        return cast(Reader, import_module(f"uniobs.cores.{module}")).read(fd, path)
    except BaseException:
        os.close(fd)
        raise


def _directory(path: str) -> Core:
    from uniobs.cores.beside import in_directory

    core = in_directory(path)
    if core is None:
        raise BadFormat(f"{path}: a directory without a snapshot of Cloud Hypervisor or Firecracker")
    return core


def module_for(head: bytes) -> str:
    """The name of the module that reads what begins so."""
    return next((format.module for format in FORMATS if head.startswith(format.begins)), "raw")


def _head(fd: int, path: str) -> bytes:
    try:
        return os.pread(fd, HEAD, 0)
    except OSError as error:
        raise BadFormat(f"{path}: {error.strerror}") from None
