"""Taking a core of a running guest: the one thing here that holds the guest up, and it says for how long."""

import os
import stat
import time
from contextlib import suppress
from typing import Any

from uniobs.errors import NotOffered, OutputError, TargetError, UsageError

GCORE_TIMEOUT_S = 300


def take(target: Any, file: str, *, force: bool = False, compress: bool = False) -> dict[str, Any]:
    """Write ``file``. {"file", "bytes", "seconds", "changed": what was done to the guest}.

    ``compress``: as kdump-compressed. Raises UsageError when the file is there (and not ``force``) or the
    target is one; NotOffered when nothing can take it; OutputError when it can't be written.
    """
    if not target.live or target.pid is None:
        raise UsageError(f"{target.name} is a file or a channel already: a core is taken of a running guest")
    path = os.path.abspath(file)
    if os.path.lexists(path) and not force:
        raise UsageError(f"{file} is there already: --force overwrites it")
    if os.path.lexists(path) and not (os.path.isfile(path) and not os.path.islink(path)):
        raise UsageError(f"{file} is no regular file: a core isn't put in its place")
    if not os.path.isdir(os.path.dirname(path)):
        raise OutputError(f"{file}: no such directory")
    if compress and target.kind == "process":
        raise NotOffered(f"{target.name} is a hosted guest: gdb writes its core, and never compresses it")
    part = f"{path}.{os.getpid()}.part"  # nobody else's
    begun = time.monotonic()
    try:
        changed = _hosted(target, part) if target.kind == "process" else _qemu(target, part, compress)
        seconds = time.monotonic() - begun
        about = os.stat(part)
        with suppress(PermissionError):  # QEMU leaves it read-only, and core fix --in-place is to come
            os.chmod(part, stat.S_IMODE(about.st_mode) | stat.S_IWUSR)
        os.replace(part, path)
    except FileNotFoundError as error:
        raise TargetError(f"no core came out at {part}: does {target.vmm} see the same files?") from error
    except OSError as error:
        raise OutputError(f"{file}: {error.strerror}") from error
    finally:
        _remove(part)
    return {
        "file": file,
        "bytes": about.st_size,
        "seconds": round(seconds, 3),
        "changed": changed.format(seconds=seconds),
    }


def _remove(path: str) -> None:
    if os.path.lexists(path):
        os.unlink(path)


def _qemu(target: Any, path: str, compress: bool) -> str:
    """QEMU writes it itself, and stops the guest only while it does."""
    from uniobs.target import qmp

    info = target.origin.info
    if info is None or info.qmp is None:
        why = info.qmp_unreachable if info is not None and info.qmp_unreachable else "it has no QMP socket"
        raise NotOffered(
            f"no core of {target.name}: {why} (start QEMU with -qmp unix:PATH,server=on,wait=off)"
        )
    with qmp.opened(info.qmp) as connection:
        before = connection.status()
        try:
            connection.dump(path, form="kdump-zlib" if compress else "elf")
        except TargetError as error:
            raise OutputError(f"QEMU could not write {path}: {error}") from error
        after = connection.status()
    held = (
        "it runs on"
        if after == "running"
        else f"it is {after}, as before"
        if after == before
        else f"it was {before} and is {after}"
    )
    return f"{target.name} was stopped for {{seconds:.2f}} s while QEMU wrote its memory; {held}"


def _hosted(target: Any, path: str) -> str:
    import shutil
    import subprocess

    gdb = shutil.which("gdb")
    if gdb is None:
        raise NotOffered("a hosted guest's core is taken by gdb, which isn't here: install gdb")
    command = [gdb, "--nx", "--batch", "-p", str(target.pid), "-ex", f"gcore {path}"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=GCORE_TIMEOUT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise TargetError(f"gdb took more than {GCORE_TIMEOUT_S} s for a core of {target.name}") from error
    if not os.path.exists(path):
        said = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "no reason given")
        raise TargetError(f"gdb took no core of {target.name}: {said}")
    return f"{target.name} was stopped for {{seconds:.2f}} s at most, while gdb wrote its memory; it runs on"
