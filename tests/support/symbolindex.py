"""Indexes built for a test, and what the DWARF reader says of the same addresses."""

import os
from pathlib import Path

import pytest

from uniobs.errors import BadFormat
from uniobs.image.frames import SourceFrame, readable
from uniobs.image.index import build, format, keep
from uniobs.image.opened import Opened


def need_helper() -> None:
    if build.helper() is None:
        pytest.skip("the native symbol indexer isn't built")


def identity(path: Path) -> keep.Identity:
    status = os.stat(path)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def index_of(opened: Opened) -> format.SymbolIndex:
    """Built in memory, whatever its size."""
    need_helper()
    file = os.open(opened.elf.file, os.O_RDONLY)
    out = os.memfd_create("test")
    try:
        run = build.Build(opened.elf, file, out, b"test", "", "")
        assert run.wait(60) == 0
        return format.SymbolIndex(out, b"test")
    finally:
        os.close(file)
        os.close(out)


def by_reader(opened: Opened, address: int) -> tuple[SourceFrame, ...] | None:
    """None: the reader can't tell."""
    try:
        places = opened.dwarf.locate(address)
    except BadFormat:
        return None
    frames = []
    for place in places:
        name, linkage = readable(place.function)
        frames.append(SourceFrame(name, place.file, place.line, place.inlined, linkage))
    return tuple(frames)


def keeper(opened: Opened) -> keep.Keeper:
    return keep.Keeper(opened.elf, identity(Path(opened.elf.file)))
