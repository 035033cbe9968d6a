"""Debug information in a file of its own: beside the image, or where the system keeps it."""

import zlib
from collections.abc import Iterator
from pathlib import Path

from uniobs.errors import ImageMismatch, UniobsError
from uniobs.image.elf import PF_X, PT_LOAD, Elf
from uniobs.image.opened import Opened, open_image


def belongs(image: Elf, debug: Elf) -> str | None:
    """Why ``debug`` isn't of ``image``; None when it is, by build-id or else by the text itself."""
    if image.build_id and debug.build_id:
        return None if image.build_id == debug.build_id else "another build-id"
    code = [(s.vaddr, s.memsz) for s in image.segments if s.type == PT_LOAD and s.flags & PF_X]
    theirs = [(s.vaddr, s.memsz) for s in debug.segments if s.type == PT_LOAD and s.flags & PF_X]
    if code and theirs and code != theirs:
        return "other text addresses"
    compared = 0
    for address, text in debug.text:
        mine = image.read(address, len(text))
        if mine and mine != text[: len(mine)]:
            return f"other text at {address:#x}"
        compared += len(mine)
    if compared:
        return None
    link = image.debug_link
    if link is None:
        return "neither a build-id nor text to compare"
    with open(debug.path, "rb") as file:
        crc = 0
        while block := file.read(1 << 20):
            crc = zlib.crc32(block, crc)
    return None if crc == link[1] else "another checksum than .gnu_debuglink names"


def _candidates(image: Elf, path: Path) -> Iterator[Path]:
    link = image.debug_link
    name = Path(link[0]).name if link else ""
    if name:
        yield path.parent / name
        yield path.parent / ".debug" / name
    for suffix in (".dbg", ".debug"):
        yield path.with_name(path.name + suffix)
        if path.suffix:
            yield path.with_suffix(suffix)
    if image.build_id:
        yield Path("/usr/lib/debug/.build-id") / image.build_id[:2] / (image.build_id[2:] + ".debug")
    if name:
        yield Path("/usr/lib/debug") / path.parent.relative_to("/") / name


def find(image: Elf, path: Path) -> Opened | None:
    """The debug file of an image at ``path`` that carries no DWARF itself, or None."""
    whole = path.resolve()
    for candidate in _candidates(image, whole):
        if not candidate.is_file() or candidate == whole:
            continue
        try:
            debug = open_image(candidate)
            if debug.elf.has_dwarf and belongs(image, debug.elf) is None:
                return debug
        except UniobsError:
            continue  # a stranger's file of that name
    return None


def named(image: Elf, path: str | Path) -> Opened:
    """The debug file that the user named. Raises ImageMismatch when it isn't the image's."""
    debug = open_image(path)
    why = belongs(image, debug.elf)
    if why:
        raise ImageMismatch(f"{path} isn't the debug file of {image.path}: {why}")
    return debug
