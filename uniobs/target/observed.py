"""What earlier calls saw of a guest's heartbeat, so that "for at least N s" grows over them.

A heartbeat only ever counts up: the same count seen at two moments was the same all the time between.
"""

import json
import os
import time
from pathlib import Path

from uniobs.lean import Any

FILE_MAX = 1 << 16
ENTRIES_MAX = 256
FORGET_AFTER = 7 * 86400.0


def now() -> float:
    """Seconds; a clock that all processes of this host share, and that stands still while it sleeps."""
    return time.clock_gettime(time.CLOCK_MONOTONIC)


def _directory() -> Path:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and os.path.isdir(runtime):
        return Path(runtime) / "uniobs"
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "uniobs"


def _host_boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except (OSError, ValueError):
        return ""


def _load(path: Path) -> dict[str, Any]:
    """Garbage is as good as nothing."""
    try:
        with open(path, "rb") as file:
            data = json.loads(file.read(FILE_MAX))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(data, dict) or data.get("host") != _host_boot():
        return {}
    guests = data.get("guests")
    return guests if isinstance(guests, dict) else {}


def _entry(value: Any, at: float) -> tuple[int, float, float] | None:
    """(count, first seen, last seen), or None when it can't be one of ours."""
    if not isinstance(value, list) or len(value) != 3:
        return None
    count, first, last = value
    if type(count) is not int or not isinstance(first, int | float) or not isinstance(last, int | float):
        return None
    return (count, float(first), float(last)) if 0 <= first <= last <= at else None


def observe(key: str, count: int, at: float | None = None) -> float:
    """Note that the heartbeat of ``key`` stood at ``count``; since when (now()'s clock) it is known to."""
    at = now() if at is None else at
    path = _directory() / "beats.json"
    guests = _load(path)
    known = _entry(guests.get(key), at)
    first = known[1] if known is not None and known[0] == count else at
    guests[key] = [count, first, at]
    _save(path, guests, at)
    return first


def forget(key: str) -> None:
    """Begin anew: its VMM held it, so that standing still meant nothing."""
    path = _directory() / "beats.json"
    guests = _load(path)
    if guests.pop(key, None) is not None:
        _save(path, guests, now())


def _save(path: Path, guests: dict[str, Any], at: float) -> None:
    kept = {key: entry for key, value in guests.items() if (entry := _entry(value, at)) is not None}
    kept = {key: entry for key, entry in kept.items() if at - entry[2] < FORGET_AFTER}
    latest = sorted(kept.items(), key=lambda item: item[1][2])[-ENTRIES_MAX:]
    text = json.dumps({"host": _host_boot(), "guests": dict(latest)})
    temporary = path.with_name(f".beats.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary.write_text(text, "ascii")
        os.replace(temporary, path)
    except OSError:
        return  # memory of other calls is a comfort, not a need
