"""Where views, walkers, streams and verdict rules are found: entry points, so that the engine names no probe.

importlib.metadata costs more at start-up than the rest of a short command, so the metadata's
entry_points.txt are read here, and importlib.metadata only asked when that finds nothing.
"""

import os
import sys
from functools import lru_cache
from importlib import import_module

from uniobs.errors import UniobsError
from uniobs.lean import Any

VIEWS = "uniobs.views"
WALKERS = "uniobs.walkers"
VERDICTS = "uniobs.verdicts"
STREAMS = "uniobs.streams"
COMMANDS = "uniobs.commands"
OURS = "uniobs."


def names(group: str) -> list[str]:
    return sorted(_points().get(group, {}))


def load(group: str, name: str) -> Any:
    """The object behind one entry point. Raises UniobsError when it's missing or can't be imported."""
    value = _points().get(group, {}).get(name)
    if value is None:
        raise UniobsError(f"no {group} named {name} is installed: reinstall uniobs")
    return _load(group, name, value)


def load_all(group: str) -> list[tuple[str, Any]]:
    """Every object of a group, by name."""
    found = _points().get(group, {})
    return [(name, _load(group, name, found[name])) for name in sorted(found)]


@lru_cache(maxsize=1)
def _points() -> dict[str, dict[str, str]]:
    """Group -> name -> "module:attribute", of all installed distributions; the first on the path wins."""
    found: dict[str, dict[str, str]] = {}
    for directory in sys.path:
        for text in _metadata(directory or "."):
            _parse(text, found)
    if VIEWS not in found:  # installed in a way that only importlib knows (a zip...)
        from importlib.metadata import entry_points

        for group in (VIEWS, WALKERS, VERDICTS, STREAMS, COMMANDS):
            for point in entry_points(group=group):
                found.setdefault(group, {}).setdefault(point.name, point.value)
    return found


def _metadata(directory: str) -> list[str]:
    """entry_points.txt of each distribution in a directory that mentions a group of ours."""
    texts = []
    try:
        entries = [e.path for e in os.scandir(directory) if e.name.endswith((".dist-info", ".egg-info"))]
    except OSError:
        return []
    for entry in entries:
        try:
            with open(os.path.join(entry, "entry_points.txt"), encoding="utf-8") as file:
                text = file.read()
        except (OSError, UnicodeDecodeError):
            continue
        if f"[{OURS}" in text:
            texts.append(text)
    return texts


def _parse(text: str, found: dict[str, dict[str, str]]) -> None:
    """The format: [group] lines, then name = module:attribute lines."""
    group = ""
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            group = line[1:-1].strip()
        elif group.startswith(OURS) and "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(group, {}).setdefault(name.strip(), value.split("[")[0].strip())


def _load(group: str, name: str, value: str) -> Any:
    module, _, attribute = value.partition(":")
    try:
        found: Any = import_module(module)
        for part in attribute.split(".") if attribute else ():
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise UniobsError(f"{group} {name} ({value}) can't be loaded: {error}") from error
    return found
