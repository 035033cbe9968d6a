"""A plugin of drgn: on a core that `uniobs core fix` made, each image is placed where the core says it lies.

drgn finds it by the entry point drgn.plugins. It knows images of processes and of Linux only: ours would be
files without an address. On every other program it does nothing.
"""

import json
import os
import struct
from typing import Any

from uniobs.cores import fixed
from uniobs.cores.elf import ElfCore
from uniobs.errors import UniobsError

MODULES_MAX = 16
WORD = (1 << 64) - 1


def drgn_prog_set(prog: Any) -> None:
    """Called by drgn once it has a program."""
    path = getattr(prog, "core_dump_path", None)
    rows = images(path) if path else None
    if not rows:
        return
    import drgn

    main = _made(prog.main_module("", create=True))
    main.loaded_file_status = main.debug_file_status = drgn.ModuleFileStatus.DONT_NEED
    for number, row in enumerate(rows):
        module = _made(prog.extra_module(row["path"], number, create=True))
        if row["build_id"] is not None:
            module.build_id = bytes.fromhex(row["build_id"])
        # drgn has the slide from where the first segment lies, be it an empty one
        module.address_range = (row["first"] + row["bias"] & WORD, row["high"] + row["bias"] & WORD)
        if not os.path.isfile(row["path"]):  # the name is the core's: it may as well be a pipe's
            continue
        if row["build_id"] is not None or _unchanged(row):
            module.try_file(row["path"])
        else:
            import logging

            logging.getLogger("drgn").warning(
                "uniobs: %s is not the file any more that it was when the core was fixed: not loaded",
                row["path"],
            )
        if module.loaded_file_bias is not None or module.debug_file_bias is not None:
            module.address_range = (row["low"] + row["bias"] & WORD, row["high"] + row["bias"] & WORD)


def images(path: str) -> list[dict[str, Any]] | None:
    """What `core fix` wrote of the images; None: the core isn't one of ours, or is garbled."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        notes = [note for note in ElfCore(fd, path).notes() if note.name == fixed.NAME]
        told = next((note.data for note in notes if note.type == fixed.IMAGES), None)
        return None if told is None else [_checked(row) for row in json.loads(told)[:MODULES_MAX]]
    except (UniobsError, OSError, ValueError, KeyError, TypeError, RecursionError, struct.error):
        return None
    finally:
        os.close(fd)


def _checked(row: dict[str, Any]) -> dict[str, Any]:
    numbers = [row[name] for name in ("bias", "first", "low", "high")]
    build_id = row["build_id"]
    if not all(type(number) is int for number in numbers) or not isinstance(row["path"], str):
        raise TypeError("an image's row")
    if build_id is not None:
        bytes.fromhex(build_id)
    return row


def _made(found: Any) -> Any:
    """(module, whether it is new), or the module: by drgn's version."""
    return found[0] if isinstance(found, tuple) else found


def _unchanged(row: dict[str, Any]) -> bool:
    """What has no build-id is known by its size and time alone."""
    try:
        info = os.stat(row["path"])
    except OSError:
        return False
    return (info.st_size, info.st_mtime_ns) == (row["size"], row["mtime"])
