"""Known images, remembered by build-id and by the hash of their text: an image is named once."""

import os

from uniobs.errors import UniobsError
from uniobs.lean import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from uniobs.image.module import Module


_KNOWN_MAX: Final = 512  # images that are tried against a guest of which nothing else is known
_SAMPLES_MAX: Final = 16
_TEXT_MAX: Final = 65536
_OTHERS_MAX: Final = 4


class Known(NamedTuple):
    """An image as it was remembered. ``samples``: (link address, bytes) of its text."""

    identity: str
    path: str
    samples: tuple[tuple[int, bytes], ...]


def directory() -> "Path":
    """$XDG_CACHE_HOME/uniobs/images, or below ~/.cache."""
    from pathlib import Path

    return Path(folder())


def folder() -> str:
    base = os.environ.get("XDG_CACHE_HOME", "")
    root = base if base.startswith("/") else os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(root, "uniobs", "images")


def _entry(identity: str) -> str | None:
    if not 8 <= len(identity) <= 128 or not all(c in "0123456789abcdef" for c in identity):
        return None
    return os.path.join(folder(), f"{identity}.json")


def remember(module: "Module") -> bool:
    """Keep where the image lies. False when the cache can't be written: nothing depends on it."""
    if _kept(module):
        return True
    import json

    row: dict[str, Any] = {"path": str(module.path.resolve()), "debug": None}
    if module.debug is not None:
        row["debug"] = str(module.debug.path.resolve())
    row["others"] = []
    row["samples"] = [[address, data.hex()] for address, data in module.samples]
    for identity in (module.build_id, module.text_sha):
        entry = _entry(identity) if identity else None
        if entry is None or identity is None:
            continue
        text = json.dumps({**row, "others": _others(identity, row["path"])})
        try:
            if _same(entry, text):
                continue
            import tempfile  # costs more than the rest: only when there is something to write

            os.makedirs(folder(), exist_ok=True, mode=0o700)
            with tempfile.NamedTemporaryFile("w", dir=folder(), delete=False, encoding="utf-8") as file:
                try:
                    file.write(text)
                    file.flush()
                    os.replace(file.name, entry)
                except OSError:
                    os.unlink(file.name)
                    raise
        except OSError:
            return False
    return True


def _others(identity: str, path: str) -> list[str]:
    """Where the same image lay before, and still does: the latest may be a copy that is soon deleted."""
    old = _read(identity)
    if old is None:
        return []
    paths = [one for one in _paths(old) if one != path and os.path.isfile(one)]
    return list(dict.fromkeys(paths))[:_OTHERS_MAX]


def _paths(row: dict[str, Any]) -> list[str]:
    others = row.get("others")
    found = [row["path"], *(others if isinstance(others, list) else [])]
    return [one for one in found if isinstance(one, str)][: 1 + _OTHERS_MAX]


def _kept(module: "Module") -> bool:
    """Whether all of it was kept since the file was last changed."""
    entry = _entry(module.build_id or module.text_sha)
    try:
        if entry is None or os.stat(entry).st_mtime_ns <= os.stat(module.file).st_mtime_ns:
            return False
        with open(entry, "rb") as file:
            row = file.read(_TEXT_MAX)
    except OSError:
        return False
    start = f'{{"path": "{os.path.realpath(module.file)}", "debug": null, '
    return module.debug is None and row.startswith(start.encode("utf-8", "replace"))


def _same(entry: str, text: str) -> bool:
    """Whether an entry says so already; its date then says that it was looked at."""
    try:
        with open(entry, encoding="utf-8", errors="replace") as file:
            if file.read(_TEXT_MAX) != text:
                return False
    except FileNotFoundError:
        return False
    os.utime(entry)
    return True


def _dated(entry: "os.DirEntry[str]") -> tuple[int, str] | None:
    """(time of change, path); None for one that is gone meanwhile."""
    try:
        return entry.stat().st_mtime_ns, entry.path
    except OSError:
        return None


def known() -> list[Known]:
    """What was remembered with samples, the latest first; each image once."""
    import json

    try:
        with os.scandir(folder()) as entries:
            dated = [_dated(e) for e in entries if e.name.endswith(".json")]
    except OSError:
        return []
    found: dict[str, Known] = {}
    for _, path in sorted(filter(None, dated), reverse=True)[:_KNOWN_MAX]:
        try:
            with open(path, "rb") as file:
                row = json.loads(file.read(_TEXT_MAX))
            samples = tuple((int(address), bytes.fromhex(data)) for address, data in row["samples"])
            name = row["path"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
        usable = samples and all(0 <= address < 1 << 64 and 0 < len(data) <= 256 for address, data in samples)
        if isinstance(name, str) and usable and name not in found:
            found[name] = Known(os.path.basename(path).removesuffix(".json"), name, samples[:_SAMPLES_MAX])
    return list(found.values())


def find(identity: str) -> "Path | None":
    """The image of a build-id or text hash (hex), if its file is still there and still that image."""
    module = recall(identity)
    return module.path if module else None


def path_of(identity: str) -> str | None:
    """Where the image of a build-id or text hash was; another file may be there by now."""
    row = _read(identity.lower())
    if row is None:
        return None
    return next((path for path in _paths(row) if os.path.isfile(path)), row["path"])


def _read(identity: str) -> dict[str, Any] | None:
    import json

    entry = _entry(identity)
    if entry is None:
        return None
    try:
        with open(entry, "rb") as file:
            row = json.loads(file.read(_TEXT_MAX))
    except (OSError, ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and isinstance(row.get("path"), str) else None


def recall(identity: str, bias: int = 0) -> "Module | None":
    """The image itself, with the debug file it was last seen with."""
    from uniobs.image.module import Module

    identity = identity.lower()
    row = _read(identity)
    if row is None:
        return None
    debug = row.get("debug")
    for path in _paths(row):
        for beside in (debug, None) if isinstance(debug, str) else (None,):
            try:
                module = Module.load(path, bias, beside)
                if identity in (module.build_id, module.text_sha):
                    return module
            except (UniobsError, ValueError):
                continue
    return None
