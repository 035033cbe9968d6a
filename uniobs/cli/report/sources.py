"""Source files of an image on this machine.

The names come from the image, which may be hostile, and the report may be given to others: only regular
files that are called like source are read, and of those a few lines.
"""

import os
import stat
import time
from pathlib import Path
from typing import Final, NamedTuple

from uniobs.cli.report.model import Source

SUFFIXES: Final = frozenset(
    ".c .h .cc .cpp .cxx .c++ .hh .hpp .hxx .inl .inc .s .asm .rs .go .ml .mli .zig .d .nim .adb .ads .f90"
    " .swift .m .mm .lds .ld .def .tbl .y .l .cs .kt .java .py .lua".split()
)
FILE_MAX: Final = 12 << 20
TOTAL_MAX: Final = 16 << 20  # bytes of all files
FILES_MAX: Final = 64
LINE_MAX: Final = 240  # characters of a line that are shown


class Found(NamedTuple):
    path: str
    lines: list[str]
    mtime: float


class Sources:
    """``dirs``: (directory, the prefix of the compiler's names that it stands for; None: any)."""

    def __init__(self, dirs: tuple[tuple[str, str | None], ...] = ()) -> None:
        self._dirs = dirs
        self._files: dict[str, Found | str] = {}
        self._room = TOTAL_MAX
        self.missing: dict[str, None] = {}
        self.newer: dict[str, None] = {}

    def around(
        self, file: str | None, line: int | None, image_mtime: float | None, reach: int
    ) -> Source | None:
        """``reach`` lines before and after; without lines but with a note when the file isn't there."""
        if not file or not line:
            return None
        found = self._file(file)
        if isinstance(found, str):
            self.missing.setdefault(file, None)
            return Source(file, line, note=found)
        if line > len(found.lines):
            return Source(
                file, line, found.path, note=f"it has {len(found.lines)} lines only: another version"
            )
        note = None
        if image_mtime is not None and found.mtime > image_mtime:
            self.newer.setdefault(found.path, None)
            when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(found.mtime))
            note = f"changed {when} UTC, after the image was built: these may be other lines"
        first = max(1, line - reach)
        shown = tuple(text[:LINE_MAX] for text in found.lines[first - 1 : line + reach])
        return Source(file, line, found.path, first, shown, note)

    def _file(self, file: str) -> Found | str:
        known = self._files.get(file)
        if known is None:
            if len(self._files) >= FILES_MAX:
                return f"more than {FILES_MAX} source files"
            known = self._files[file] = self._look(file)
        return known

    def _look(self, file: str) -> Found | str:
        if os.path.splitext(file)[1].lower() not in SUFFIXES or "\0" in file:
            return "it isn't called like a source file"
        why = "not on this machine (--source-dir DIR)"
        for path in self._candidates(file):
            read = _read(path, self._room)
            if isinstance(read, Found):
                self._room -= sum(map(len, read.lines))
                return read
            why = read or why
        return why

    def _candidates(self, file: str) -> list[Path]:
        found: list[Path] = []
        parts = [part for part in file.split("/") if part not in ("", ".", "..")]
        for directory, prefix in self._dirs:
            if prefix is not None:
                rest = file.removeprefix(prefix)
                if rest != file and ".." not in rest.split("/"):
                    found.append(Path(directory, rest.lstrip("/")))
                continue
            found += [Path(directory, *parts[n:]) for n in range(min(len(parts), 64))]
        if file.startswith("/"):
            found.append(Path(os.path.normpath(file)))
        return found


def _read(path: Path, room: int) -> Found | str | None:
    """None: there is no such file."""
    try:
        real = os.path.realpath(path)
        if os.path.splitext(real)[1].lower() not in SUFFIXES:
            return None
        handle = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        denied = isinstance(error, PermissionError)
        return "not readable by this user" if denied else None
    try:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode) or about.st_size > FILE_MAX:
            return "no regular file, or too large for source"
        if about.st_size > room:
            return f"the report reads no more than {TOTAL_MAX >> 20} MiB of source"
        data = os.read(handle, FILE_MAX)
    except OSError:
        return "not readable"
    finally:
        os.close(handle)
    if b"\0" in data:
        return "it isn't text"
    return Found(str(path), data.decode("utf-8", "replace").split("\n"), about.st_mtime)
