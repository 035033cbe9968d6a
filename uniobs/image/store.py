"""Known images, remembered by build-id and by the hash of their text: an image is named once."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from uniobs.errors import UniobsError

if TYPE_CHECKING:
    from uniobs.image.module import Module


_KNOWN_MAX: Final = 512  # images that are tried against a guest of which nothing else is known
_SAMPLES_MAX: Final = 16
_TEXT_MAX: Final = 65536


class Known(NamedTuple):
    """An image as it was remembered. ``samples``: (link address, bytes) of its text."""

    identity: str
    path: str
    samples: tuple[tuple[int, bytes], ...]


def directory() -> Path:
    """$XDG_CACHE_HOME/uniobs/images, or below ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if base.startswith("/") else Path(os.path.expanduser("~")) / ".cache"
    return root / "uniobs" / "images"


def _entry(identity: str) -> Path | None:
    if not 8 <= len(identity) <= 128 or not all(c in "0123456789abcdef" for c in identity):
        return None
    return directory() / f"{identity}.json"


def remember(module: "Module") -> bool:
    """Keep where the image lies. False when the cache can't be written: nothing depends on it."""
    import json

    row: dict[str, Any] = {"path": str(module.path.resolve()), "debug": None}
    if module.debug is not None:
        row["debug"] = str(module.debug.path.resolve())
    row["samples"] = [[address, data.hex()] for address, data in module.samples]
    text = json.dumps(row)
    for identity in (module.build_id, module.text_sha):
        entry = _entry(identity) if identity else None
        if entry is None:
            continue
        try:
            if entry.is_file() and entry.read_text("utf-8", "replace") == text:
                continue
            import tempfile  # costs more than the rest: only when there is something to write

            entry.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.NamedTemporaryFile("w", dir=entry.parent, delete=False, encoding="utf-8") as file:
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


def known() -> list[Known]:
    """What was remembered with samples, the latest first; each image once."""
    import json

    try:
        with os.scandir(directory()) as entries:
            files = [(e.stat().st_mtime_ns, e.path) for e in entries if e.name.endswith(".json")]
    except OSError:
        return []
    found: dict[str, Known] = {}
    for _, path in sorted(files, reverse=True)[:_KNOWN_MAX]:
        try:
            with open(path, "rb") as file:
                row = json.loads(file.read(_TEXT_MAX))
            samples = tuple((int(address), bytes.fromhex(data)) for address, data in row["samples"])
            name = row["path"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        usable = samples and all(0 <= address < 1 << 64 and 0 < len(data) <= 256 for address, data in samples)
        if isinstance(name, str) and usable and name not in found:
            found[name] = Known(Path(path).stem, name, samples[:_SAMPLES_MAX])
    return list(found.values())


def find(identity: str) -> Path | None:
    """The image of a build-id or text hash (hex), if its file is still there and still that image."""
    module = recall(identity)
    return module.path if module else None


def recall(identity: str, bias: int = 0) -> "Module | None":
    """The image itself, with the debug file it was last seen with."""
    import json

    from uniobs.image.module import Module

    identity = identity.lower()
    entry = _entry(identity)
    if entry is None:
        return None
    try:
        row = json.loads(entry.read_bytes()[:65536])
    except (OSError, ValueError):
        return None
    if not isinstance(row, dict) or not isinstance(row.get("path"), str):
        return None
    debug = row.get("debug")
    try:
        try:
            module = Module.load(row["path"], bias, debug if isinstance(debug, str) else None)
        except UniobsError:
            module = Module.load(row["path"], bias)
        same = identity in (module.build_id, module.text_sha)
    except (UniobsError, ValueError):
        return None
    return module if same else None
