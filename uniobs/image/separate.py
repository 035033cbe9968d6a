"""Debug information in a file of its own: beside the image, where the system keeps it, or on a server."""

import os
from collections.abc import Iterator
from pathlib import Path

from uniobs.errors import ImageMismatch, UniobsError
from uniobs.image.elf import PF_X, PT_LOAD, Elf
from uniobs.image.opened import Opened, open_image

VARIABLE = "UNIOBS_DEBUG_PATH"  # folders, separated by colons; they come before the system's
SYSTEM = "/usr/lib/debug"


def folders() -> list[str]:
    """Where debug files are kept, laid out as the system's: by build-id, or by the image's own path."""
    named = [folder for folder in os.environ.get(VARIABLE, "").split(":") if folder.startswith("/")]
    return [*named[:64], SYSTEM]


def add_folders(paths: list[str]) -> None:
    """--debug-dir: for this process, and those that it starts."""
    kept = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = ":".join([*map(os.path.abspath, paths), *([kept] if kept else [])])


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
    import zlib

    with open(debug.file, "rb") as file:
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
    for folder in folders():
        if image.build_id:
            yield Path(folder, ".build-id", image.build_id[:2], image.build_id[2:] + ".debug")
        if name:
            yield Path(folder) / path.parent.relative_to("/") / name
            if folder != SYSTEM:
                yield Path(folder) / name


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
    return _from_server(image)


def _from_server(image: Elf) -> Opened | None:
    if not os.environ.get("DEBUGINFOD_URLS", "").strip() or not image.build_id:
        return None
    from uniobs.image.debuginfod import fetch

    path = fetch(image.build_id)
    try:
        debug = open_image(path) if path else None
    except UniobsError:
        return None
    return debug if debug is not None and debug.elf.has_dwarf else None


def named(image: Elf, path: str | Path) -> Opened:
    """The debug file that the user named. Raises ImageMismatch when it isn't the image's."""
    debug = open_image(path)
    why = belongs(image, debug.elf)
    if why:
        raise ImageMismatch(f"{path} isn't the debug file of {image.file}: {why}")
    return debug
