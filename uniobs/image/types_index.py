"""From a name to the entries that define it: scanned once, then kept on disk beside the image store.

The kept file is text: a head line (version, key, checksum), then a line a name: kind, name, a tab, and
the definitions. It is searched as it lies, not parsed. Whatever is wrong with it, it is made anew.
"""

import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from uniobs.errors import BadFormat
from uniobs.image import store
from uniobs.image.dwarf.reader import guard
from uniobs.image.dwarf.unit import units
from uniobs.image.types_plan import Entry
from uniobs.image.types_scan import Scan

if TYPE_CHECKING:
    from uniobs.image.elf import Elf

_VERSION: Final = b"uniobs-types-2"
_LARGEST: Final = 1 << 28  # bytes of a kept index
_SAMPLE: Final = 1 << 16
_KEPT: Final = 64  # indexes on disk


class TypeIndex:
    """Of one file's DWARF. ``kept``: it came from disk; ``problems``: units that are garbled."""

    def __init__(self, elf: "Elf", keep: bool = True) -> None:
        self.elf = elf
        self._keep = keep
        self.kept = False
        self.problems: list[str] = []
        self._lines = b""

    def _load(self) -> bytes:
        if not self._lines:
            key = _key(self.elf) if self._keep else b""
            lines = _recall(key) if key else None
            self.kept = lines is not None
            self._lines = lines if lines is not None else self._scan()
            if key and not self.kept and not self.problems:
                _remember(key, self._lines)
        return self._lines

    def _scan(self) -> bytes:
        sections = (".debug_info", ".debug_types", ".debug_str", ".debug_line_str", ".debug_abbrev")
        scan = Scan((1 << 24) + 4 * sum(len(self.elf.data(name)) for name in sections))
        with guard(f"{self.elf.file}: .debug_info"):
            try:
                for unit in units(self.elf):
                    try:
                        with guard(f"{self.elf.file}: the unit at {unit.offset:#x} of .debug_info"):
                            scan.unit(unit)
                    except BadFormat as error:  # the others may still be right
                        if len(self.problems) < 16:
                            self.problems.append(str(error))
                    if scan.work > scan.limit:
                        break
            except BadFormat as error:  # a unit header: where the next one lies isn't known
                self.problems.append(str(error))
        rows = [b"\n"]
        for (letter, name), entries in scan.entries.items():
            text = ";".join(f"{e.offset:x},{e.size:x},{e.line:x},{e.external:d}" for e in entries)
            rows.append(b"%s%s\t%s\n" % (letter.encode(), name, text.encode()))
        return b"".join(rows)

    def find(self, letter: str, name: str) -> list[Entry]:
        """Definitions of ``name``: v variable, s struct or class, u union, e enum, t typedef, b base type."""
        lines = self._load()
        wanted = f"\n{letter}{name}\t".encode("utf-8", "replace")
        at = lines.find(wanted)
        if at < 0 or "\n" in name or "\t" in name:
            return []
        at += len(wanted)
        return _entries(lines[at : lines.find(b"\n", at)])

    def names(self, letter: str) -> list[str]:
        """Every name of that kind."""
        start = letter.encode()
        rows = self._load().split(b"\n")
        return [row[1 : row.find(b"\t")].decode("utf-8", "replace") for row in rows if row[:1] == start]


def _entries(text: bytes) -> list[Entry]:
    found: list[Entry] = []
    for row in text.split(b";"):
        fields = row.split(b",")
        if len(fields) == 4:
            try:
                offset, size, line, external = (int(field, 16) for field in fields)
            except ValueError:
                continue
            found.append(Entry(offset, size, line, bool(external)))
    return found


def _key(elf: "Elf") -> bytes:
    """What the index depends on: the file's text, size and time, and some of its debug information."""
    import hashlib

    try:
        status = os.stat(elf.path)
    except OSError:
        return b""
    digest = hashlib.sha256(_VERSION)
    info = elf.data(".debug_info")
    for number in (status.st_size, status.st_mtime_ns, len(info)):
        digest.update(number.to_bytes(16, "little", signed=True))
    for address, text in elf.text:
        digest.update(address.to_bytes(8, "little") + len(text).to_bytes(8, "little"))
        digest.update(text)
    digest.update(info[:_SAMPLE])
    digest.update(info[-_SAMPLE:])
    return digest.hexdigest().encode()


def _recall(key: bytes) -> bytes | None:
    path = store.directory() / f"{key.decode()}.types"
    try:
        if path.stat().st_size > _LARGEST:
            return None
        data = path.read_bytes()
    except OSError:
        return None
    end = data.find(b"\n", 0, 256)
    if end < 0:
        return None
    lines = data[end:]
    return lines if data[:end] == _head(key, lines) else None


def _head(key: bytes, lines: bytes) -> bytes:
    return b"%s %s %08x" % (_VERSION, key, zlib.crc32(lines))


def _remember(key: bytes, lines: bytes) -> None:
    import tempfile

    folder = store.directory()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile("wb", dir=folder, delete=False) as file:
            try:
                file.write(_head(key, lines) + lines)
                file.flush()
                os.replace(file.name, folder / f"{key.decode()}.types")
                _prune(folder)
            except OSError:
                os.unlink(file.name)
                raise
    except OSError:
        return  # a full disk or a read-only home costs time, nothing else


def _prune(folder: Path) -> None:
    """Images are built again and again: the oldest indexes go."""
    found = sorted(folder.glob("*.types"), key=lambda path: path.stat().st_mtime_ns)
    for path in found[:-_KEPT]:
        path.unlink(missing_ok=True)
