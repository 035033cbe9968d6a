"""Debug files from the servers of DEBUGINFOD_URLS, and nothing when it isn't set (source: debuginfod(8)).

A file is kept only when its build-id is the one that was asked for. Being offline means having none.
"""

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from uniobs.errors import UniobsError

if TYPE_CHECKING:
    from collections.abc import Callable

URLS: Final = "DEBUGINFOD_URLS"
_SECONDS: Final = 10.0  # that a server may be silent
_TOTAL: Final = 120.0  # for a file, over all servers
_LARGEST: Final = 2 << 30  # bytes of a file
_FORGET: Final = 600.0  # seconds after which a server that had none is asked again
_RETRY: Final = 60.0  # and one that couldn't be asked
_SERVERS: Final = 8
_BLOCK: Final = 1 << 18


def servers() -> list[str]:
    """Their http and https URLs; what else is in the variable isn't one."""
    words = os.environ.get(URLS, "").split()
    return [word.rstrip("/") for word in words if re.match(r"https?://[^/]", word)][:_SERVERS]


def directory() -> Path:
    """$XDG_CACHE_HOME/uniobs/debuginfod, or below ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if base.startswith("/") else Path(os.path.expanduser("~")) / ".cache"
    return root / "uniobs" / "debuginfod"


def fetch(build_id: str, *, seconds: float = _SECONDS, total: float = _TOTAL) -> Path | None:
    """The debug file of a build-id (hex), from the cache or a server; None when none has it."""
    build_id = build_id.lower()
    if not re.fullmatch(r"(?:[0-9a-f]{2}){4,64}", build_id):
        return None
    kept = directory() / f"{build_id}.debug"
    if kept.is_file() and _belongs(kept, build_id):
        return kept
    urls = servers()
    missed = kept.with_suffix(".missing")
    if not urls or _recently(missed, urls):
        return None
    end = time.monotonic() + total
    asked = True
    for url in urls:
        try:
            if _download(f"{url}/buildid/{build_id}/debuginfo", kept, build_id, min(seconds, total), end):
                return kept
        except _Unreachable:
            asked = False
    _remember(missed, urls, asked)
    return None


def reachable(url: str, seconds: float = 3.0) -> str | None:
    """Why a server can't be asked; None when it answers."""
    try:
        _open(f"{url}/buildid/{'0' * 40}/debuginfo", seconds).close()
    except _Absent:
        return None
    except _Unreachable as error:
        return str(error)
    return None


class _Absent(Exception):
    """The server has no such file."""


class _Unreachable(Exception):
    """It couldn't be asked, or what it answered isn't the file."""


def _open(url: str, seconds: float) -> Any:
    """The answer's body. Only http and https are spoken, wherever it redirects to."""
    import http.client
    from urllib import error, request

    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler,
        request.HTTPHandler,
        request.HTTPSHandler,
        request.HTTPDefaultErrorHandler,
        request.HTTPRedirectHandler,
        request.HTTPErrorProcessor,
        request.UnknownHandler,
    ):
        opener.add_handler(handler())
    asking = request.Request(url, headers={"User-Agent": "uniobs", "Accept-Encoding": "identity"})
    try:
        answer = opener.open(asking, timeout=seconds)
    except error.HTTPError as problem:
        problem.close()
        if problem.code in (404, 410):
            raise _Absent(url) from problem
        raise _Unreachable(f"it answers {problem.code}") from problem
    except (OSError, ValueError, http.client.HTTPException) as problem:
        reason = getattr(problem, "reason", None) or problem
        raise _Unreachable(str(reason) or type(problem).__name__) from problem
    if answer is None or answer.headers.get("Content-Encoding", "identity") != "identity":
        raise _Unreachable("its answer is encoded")
    return answer


def _download(url: str, kept: Path, build_id: str, seconds: float, end: float) -> bool:
    """Into the cache, whole or not at all. False: the server has none, or it isn't the right one."""
    import http.client
    import tempfile

    try:
        answer = _open(url, seconds)
    except _Absent:
        return False
    try:
        with answer:
            length = answer.headers.get("Content-Length")
            size = int(length) if length is not None and length.isdecimal() else None
            if size is not None and size > _LARGEST:
                raise _Unreachable(f"{url}: {size} bytes are too many")
            kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            part, name = tempfile.mkstemp(dir=kept.parent, prefix=".part-")
            try:
                with os.fdopen(part, "wb") as file:
                    got = _copy(answer.read1, file.write, end)
                if (size is None or got == size) and _belongs(Path(name), build_id):
                    os.replace(name, kept)
                    return True
                return False
            finally:
                if os.path.exists(name):
                    os.unlink(name)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise _Unreachable(str(error)) from error


def _copy(read: "Callable[[int], bytes]", write: "Callable[[bytes], Any]", end: float) -> int:
    got = 0
    while block := read(_BLOCK):
        got += len(block)
        if got > _LARGEST:
            raise _Unreachable("it sends more than a file may have")
        if time.monotonic() > end:
            raise _Unreachable("it is too slow")
        write(block)
    return got


def _belongs(path: Path, build_id: str) -> bool:
    from uniobs.image.elf import Elf

    try:
        return Elf(path).build_id == build_id
    except UniobsError:
        return False


def _recently(missed: Path, urls: list[str]) -> bool:
    """Whether these servers were asked in vain a short time ago."""
    try:
        age = time.time() - missed.stat().st_mtime
        asked, *known = missed.read_text("utf-8", "replace")[:65536].split()
    except (OSError, ValueError):
        return False
    return known == urls and 0 <= age < (_FORGET if asked == "none" else _RETRY)


def _remember(missed: Path, urls: list[str], asked: bool) -> None:
    """Nothing depends on it."""
    try:
        missed.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        missed.write_text(" ".join(["none" if asked else "offline", *urls]), "utf-8")
    except OSError:
        return
