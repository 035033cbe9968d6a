"""From the file that a guest was started from, or that the user names, to the ELF that describes it."""

import os

from uniobs.errors import NotOffered, UniobsError
from uniobs.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from uniobs.image.module import Module

_CLASS32 = b"\x7fELF\x01"
_SUFFIXES = (".dbg", ".debug", ".elf")


def load_image(path: str, bias: int = 0) -> "Module":
    """The image, or for a boot file that can't describe itself (stripped ELF32, as multiboot wants it) the
    debug file beside it. Memory proves it, not the name. Raises as Module.load.
    """
    from uniobs.image.module import Module

    try:
        return Module.load(path, bias)
    except NotOffered as error:
        for candidate in beside(path):
            try:
                return Module.load(candidate, bias)
            except UniobsError:
                continue
        if not _is_boot_file(path):
            raise
        wanted = f"{os.path.basename(path)}.dbg"
        raise NotOffered(
            f"{path} is a 32-bit boot file without symbols, and there is no {wanted} beside it:"
            " name the unstripped ELF with --image"
        ) from error


def beside(path: str) -> "list[Path]":
    """Files that may describe a boot file: FILE.dbg, BASE.dbg..., also beside what a link leads to."""
    if not _is_boot_file(path):
        return []
    from pathlib import Path

    found: list[Path] = []
    for base in dict.fromkeys((Path(path), Path(path).resolve())):
        for suffix in _SUFFIXES:
            for candidate in (base.with_name(base.name + suffix), base.with_suffix(suffix)):
                if candidate not in found and candidate != base and candidate.is_file():
                    found.append(candidate)
    return found


def _is_boot_file(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(len(_CLASS32)) == _CLASS32
    except OSError:
        return False
