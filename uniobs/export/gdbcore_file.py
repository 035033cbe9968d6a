"""Making a core readable for gdb and drgn: appended to the file itself, or to a copy.

The ELF header is written last, in one piece: until then the file is what it was.
"""

import errno
import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from uniobs.cores import fixed
from uniobs.cores.elf import EHDR, NT_AUXV, ElfCore
from uniobs.errors import BadFormat, NotOffered, OutputError, UsageError
from uniobs.export import gdbcore
from uniobs.export.gdbcore_copy import PAGE, Source, clone, converted, write
from uniobs.export.gdbcore_view import View, loads, view
from uniobs.memory.blocks import Block
from uniobs.memory.file import FileMemory, open_file

if TYPE_CHECKING:
    from uniobs.image.module import Module
    from uniobs.target.guest import Guest

AT_PAGESZ: Final = 6
PATH_MAX: Final = 800
IMAGES_MAX: Final = 16


class Fixed(NamedTuple):
    """``added``: bytes at the file's end."""

    view: View
    mappings: int
    added: int
    notices: tuple[str, ...]


def check(guest: "Guest") -> None:
    """Raises NotOffered or UsageError unless the guest is a file that gdb can be helped with."""
    if guest.live or guest.kind not in ("core", "memory"):
        raise UsageError(
            f"{guest.name} is no file: uniobs core take {guest.name} -o FILE, then uniobs core fix FILE"
        )
    if guest.origin.machine != "x86-64":
        raise NotOffered(f"core fix is for x86-64: this one is of {guest.origin.machine}")
    if hosted(guest):
        raise NotOffered(f"{guest.name} is a Linux process' core: gdb and drgn read it as it is")


def hosted(guest: "Guest") -> bool:
    region = guest.region
    return bool(guest.origin.thread_registers) or (region is not None and region.hosted)


def is_fixed(path: str) -> bool:
    """Whether `core fix` was here. Raises NoSuchTarget and its kin."""
    fd = open_file(path)
    try:
        return _kept(fd, path) is not None
    except BadFormat:
        return False
    finally:
        os.close(fd)


def fix_in_place(guest: "Guest") -> Fixed | None:
    """Append to the core's own file; None: it was fixed before. Raises NotOffered, OutputError, BadFormat."""
    check(guest)
    path = str(guest.origin.backend)
    with _exclusive(path) as fd:
        if isinstance(guest.memory, FileMemory) and not os.path.sameopenfile(fd, guest.memory.fd):
            raise OutputError(f"{path}: another file has taken its place meanwhile: try again")
        if _kept(fd, path) is not None:
            return None
        source = _as_it_lies(guest, fd)
        if source is None:
            raise NotOffered(f"{path} is no ELF core, so it can't be fixed in place: -o FILE writes one")
        if _claimed(source.blocks, path, fd) > source.size:
            raise NotOffered(f"{path} is cut short: -o FILE fixes a copy")
        return _append(guest, view(guest), fd, source, in_place=True)


def undo(path: str) -> bool:
    """Make a core that was fixed in place what it was; False: it wasn't fixed. Raises as fix_in_place."""
    with _exclusive(path) as fd:
        kept = _kept(fd, path)
        if kept is None:
            return False
        if kept.size < EHDR.size or kept.size > os.fstat(fd).st_size:
            raise BadFormat(f"{path}: what it was before it was fixed is garbled")
        ElfCore(fd, path, kept.header, kept.size)  # one that can't be opened isn't brought back
        write(fd, kept.header, 0)
        os.fdatasync(fd)
        os.ftruncate(fd, kept.size)
        os.fdatasync(fd)
        return True


def fix_copy(guest: "Guest", path: str) -> Fixed:
    """A fixed copy at ``path``, which must not be the core itself. Nothing is left behind when it fails; nor
    when it is killed, where the file system has files without a name."""
    check(guest)
    part = f"{path}.{os.getpid()}.part"
    try:
        fd, named = _nameless(part, _mode(guest))
        try:
            found = fix_into(guest, fd)
            os.fdatasync(fd)
            if not named:
                os.link(f"/proc/self/fd/{fd}", part, src_dir_fd=fd)  # linkat, which follows
                named = True
            os.replace(part, path)
        except BaseException:
            if named:
                os.unlink(part)
            raise
        finally:
            os.close(fd)
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}") from error
    return found


def _mode(guest: "Guest") -> int:
    """Who may read a guest's memory, may read the copy; nobody else."""
    memory = guest.memory
    file = memory.fd if isinstance(memory, FileMemory) else guest.origin.backend
    return 0o600 if file is None else os.stat(file).st_mode & 0o666 | 0o600


def _nameless(part: str, mode: int) -> tuple[int, bool]:
    """A file in the folder of ``part``, and whether it has that name already."""
    folder = os.path.dirname(os.path.abspath(part))
    try:
        return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, mode), False
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
            raise
    return os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), True


def fix_into(guest: "Guest", fd: int) -> Fixed:
    """As fix_copy, into an empty file that is open for reading and writing. Raises OSError too."""
    memory = guest.memory
    seen = view(guest)  # who can't be helped learns it before anything is copied
    source = _as_it_lies(guest, memory.fd) if isinstance(memory, FileMemory) else None
    if source is not None and isinstance(memory, FileMemory):
        clone(memory.fd, fd, source.size)
    else:
        source = converted(guest, fd)
    return _append(guest, seen, fd, source, in_place=False)


def _append(guest: "Guest", seen: View, fd: int, source: Source, *, in_place: bool) -> Fixed:
    """Raises OutputError; what was appended in place is taken back then, unless the header may lead to it."""
    mapped, note = loads(guest, source.blocks)
    path = str(guest.origin.backend)
    extra = [
        gdbcore.note("CORE", NT_AUXV, gdbcore.auxv([(AT_PAGESZ, PAGE)])),
        gdbcore.note(fixed.NAME, fixed.IMAGES, _images(guest.modules)),
    ]
    kept = gdbcore.note(fixed.NAME, fixed.BEFORE, fixed.keep(source.header, source.size))
    name = os.path.basename(symbol_file(guest.modules[0])) if guest.modules else guest.name
    size = os.fstat(fd).st_size
    at = max(size, _claimed(source.blocks, path, fd))
    at += -at % 16
    data, header = gdbcore.tail(at, gdbcore.notes(seen.threads, name, kept, extra), mapped)
    try:
        try:
            write(fd, data, at)
            if in_place:
                os.fdatasync(fd)
        except OSError:
            os.ftruncate(fd, size)
            raise
        write(fd, header, 0)
        if in_place:
            os.fdatasync(fd)
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}") from error
    unread = (f"{source.unread} bytes of its memory can't be read, and aren't in the copy",)
    more = (*((note,) if note else ()), *(unread if source.unread else ()))
    notices = (*seen.notices, *more, *_not_held(guest.modules, mapped))
    return Fixed(seen, len(mapped), len(data), notices)


def _as_it_lies(guest: "Guest", fd: int) -> Source | None:
    """None: the file is no ELF core of ours to append to, or its header is memory of the guest's too."""
    if guest.kind != "core" or not isinstance(guest.memory, FileMemory):
        return None
    if any(block.where < EHDR.size for block in guest.memory.blocks):
        return None
    try:
        elf = ElfCore(fd, str(guest.origin.backend))
        kept = _kept(fd, elf.path)
    except BadFormat:
        return None
    if kept is not None:
        return Source(kept.header, min(kept.size, elf.size), guest.memory.blocks)
    return Source(elf.take(0, EHDR.size, "its ELF header"), elf.size, guest.memory.blocks)


def _kept(fd: int, path: str) -> fixed.Before | None:
    return fixed.before(path, [note for note in ElfCore(fd, path).notes() if note.name == fixed.NAME])


def _claimed(blocks: Sequence[Block], path: str, fd: int) -> int:
    """Where the file would end if it weren't cut short: nothing of ours may be taken for its memory."""
    try:
        elf = ElfCore(fd, path)
    except BadFormat:
        return 0
    return max((part.offset + part.filesz for part in elf.segments), default=0)


def symbol_file(module: "Module") -> str:
    """What gdb and drgn are given for an image: its file, or a whole one with the DWARF that it lacks."""
    debug = module.debug
    whole = debug is not None and any(True for _ in debug.text)
    return os.path.abspath(debug.file if debug is not None and whole else module.path)


def _images(modules: "Sequence[Module]") -> bytes:
    """What drgn's plugin reads: where each image lies."""
    rows: list[dict[str, Any]] = []
    for module in modules[:IMAGES_MAX]:
        path = symbol_file(module)
        if len(os.fsencode(path)) > PATH_MAX:
            continue
        parts = [(part.vaddr, part.vaddr + part.memsz) for part in module.elf.segments if part.type == 1]
        info = os.stat(path) if os.path.exists(path) else None
        rows.append(
            {
                "path": path,
                "bias": module.bias,
                "first": min(low for low, _ in parts),
                "low": min((low for low, high in parts if low < high), default=0),
                "high": max(high for _, high in parts),
                "build_id": module.build_id,
                "size": info.st_size if info is not None else None,
                "mtime": info.st_mtime_ns if info is not None else None,
            }
        )
    return json.dumps(rows).encode()


def _not_held(modules: "Sequence[Module]", mapped: Sequence[gdbcore.Load]) -> Iterator[str]:
    """gdb takes the bytes of an image's file where memory isn't in the core: said, image by image."""
    for module in modules:
        missing = 0
        for part in module.elf.segments:
            if part.type != 1 or not part.filesz:
                continue
            low, high = part.vaddr + module.bias, part.vaddr + module.bias + part.filesz
            held = sum(
                max(0, min(high, load.virtual + load.size) - max(low, load.virtual)) for load in mapped
            )
            missing += max(0, part.filesz - held)
        if missing:
            yield (
                f"{missing} bytes of {module.name} aren't in this core: gdb shows the file's in their place, "
                "which may be others"
            )


@contextmanager
def _exclusive(path: str) -> Iterator[int]:
    """The file, open for writing, and nobody else of us at it."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except PermissionError as error:
        raise OutputError(
            f"{path} may not be written to (QEMU leaves its cores read-only): chmod u+w it, "
            "or write a copy with -o"
        ) from error
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield fd
    except BlockingIOError:
        raise OutputError(f"{path}: another uniobs is at work on it") from None
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}") from error
    finally:
        os.close(fd)
