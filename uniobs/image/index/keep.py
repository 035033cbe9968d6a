"""Where indexes are kept: beside the image store, one file an image, replaced whole or not at all."""

import os
import time
import zlib
from contextlib import suppress

from uniobs.errors import BadFormat, UniobsError
from uniobs.image import store
from uniobs.image.index.build import Build, helper
from uniobs.image.index.format import VERSION, SymbolIndex
from uniobs.lean import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from uniobs.image.elf import Elf

Identity = tuple[int, int, int, int]  # device, inode, size, time of the last change in ns
SUFFIX: Final = ".symbols"
_PARTIAL: Final = ".symbols-partial"  # of a builder at work, or of one that was killed
_SMALL: Final = 48 << 10  # bytes of .debug_info below which reading the DWARF is as fast
# Seconds that the first answer waits for an index to be built; then the DWARF answers until it is there. A
# small image's first stack takes as long either way, a large one's less: a kernel's index takes a second.
_PATIENCE: Final = 0.02
_AN_ANSWER: Final = 0.002  # seconds that an answer by the DWARF takes, where many are asked for at once
_LONGEST: Final = 10.0
_SAMPLE: Final = 1 << 16
_KEPT: Final = 64  # indexes, and bytes in all
_KEPT_BYTES: Final = 4 << 30
_ABANDONED: Final = 3600  # seconds after which a partial file is nobody's
_numbers = iter(range(1 << 62))


class Keeper:
    """The index of one file: recalled, or built when it is first needed, or None."""

    def __init__(self, elf: "Elf", identity: Identity) -> None:
        self._elf = elf
        self._identity = identity
        self.index: SymbolIndex | None = None  # once it is there
        self._build: Build | None = None
        self._chances = 2  # to find or to build it: once more when it turned out garbled
        self._out = -1
        self._key: tuple[bytes, str] | None = None

    def get(self, patience: float | None = None) -> SymbolIndex | None:
        """None: there is none, or not yet. Never raises: the DWARF itself answers then.

        ``patience``: seconds to wait for one that is being built.
        """
        if self.index is None and (self._chances or self._build is not None):
            try:
                self.index = self._find(patience)
            except (OSError, UniobsError):
                self._chances, self._build = 0, None
                self._close()
        return self.index

    def garbled(self) -> None:
        """The index was found to be wrong: it goes, and is built anew, once."""
        if self.index is not None:
            self.index = None
            with suppress(OSError, UniobsError):
                os.unlink(self._named()[1])

    def expect(self, answers: int) -> None:
        """So many are asked for: wait for the index as long as it saves time."""
        if self.index is None:
            self.get(min(_PATIENCE + _AN_ANSWER * answers, _LONGEST))

    def _find(self, patience: float | None) -> SymbolIndex | None:
        if self._build is None:
            self._chances -= 1
            section = self._elf.section(".debug_info")
            if helper() is None or section is None:
                self._chances = 0
                return None
            key, path = self._named()
            found = _recall(path, key)
            if found is not None:
                return found
            if section.size < _SMALL:
                self._chances = 0
                return None
            self._start(key, path)
            patience = _PATIENCE if patience is None else patience
        assert self._build is not None
        code = self._build.wait(patience or 0)
        if code is None:
            return None
        self._build = None
        try:
            if code == 0:
                return SymbolIndex(self._out, self._named()[0])
            self._chances = 0
            return None
        finally:
            self._close()
            prune(os.path.dirname(self._named()[1]))

    def _named(self) -> tuple[bytes, str]:
        if self._key is None:
            key = _key(self._elf, self._identity)
            name = f"{key.split(b' ')[1].decode()}-{zlib.crc32(key):08x}{SUFFIX}"
            self._key = key, os.path.join(store.folder(), name)
        return self._key

    def _start(self, key: bytes, path: str) -> None:
        file = os.open(self._elf.file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            status = os.fstat(file)
            if (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns) != self._identity:
                raise UniobsError("the file isn't the one any more that was opened")
            partial = ""
            try:
                os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
                partial = f"{path}.{os.getpid()}-{next(_numbers)}{_PARTIAL}"
                self._out = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            except OSError:  # a read-only home: the index is this process's own
                partial = path = ""
                self._out = os.memfd_create("uniobs-symbols")
            try:
                self._build = Build(self._elf, file, self._out, key, partial, path)
            except (OSError, UniobsError):
                if partial:
                    os.unlink(partial)
                raise
        finally:
            os.close(file)

    def _close(self) -> None:
        if self._out >= 0:
            os.close(self._out)
            self._out = -1

    def __del__(self) -> None:
        self._close()


def _key(elf: "Elf", identity: Identity) -> bytes:
    """What an index depends on: the version, the image, and the very file that carries the DWARF."""
    name, change = elf.build_id, 0
    if name is None:
        import hashlib

        digest = hashlib.sha256()
        for address, text in elf.text:
            digest.update(address.to_bytes(8, "little"))
            digest.update(text)
        name = digest.hexdigest()
        change = os.stat(elf.file).st_ctime_ns  # nobody can set it: a build like another, of the same second
    words = [str(VERSION), name[:64], *map(str, identity[2:]), str(change)]
    for section in (".debug_info", ".debug_line", ".debug_str"):
        found = elf.section(section)
        data = elf.raw(found) if found else memoryview(b"")
        words.append(f"{len(data)}:{zlib.crc32(data[-_SAMPLE:], zlib.crc32(data[:_SAMPLE])):x}")
    if elf.supplement_link is not None:
        words.append(elf.supplement.build_id or "?" if elf.supplement else "without")
    return " ".join(words).encode("ascii")


def _recall(path: str, key: bytes) -> SymbolIndex | None:
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return SymbolIndex(file, key)
    except BadFormat:
        return None  # it is built anew
    finally:
        os.close(file)


def prune(folder: str) -> None:
    """Images are built again and again: the oldest indexes go, and what killed builders left."""
    found: list[tuple[int, int, str]] = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                if entry.name.endswith(SUFFIX):
                    found.append((entry.stat().st_mtime_ns, entry.stat().st_size, entry.path))
                elif entry.name.endswith(_PARTIAL) and entry.stat().st_mtime < time.time() - _ABANDONED:
                    os.unlink(entry.path)
    total = 0
    for number, (_, size, path) in enumerate(sorted(found, reverse=True)):
        total += size
        if number >= _KEPT or (number and total > _KEPT_BYTES):
            with suppress(OSError):
                os.unlink(path)
