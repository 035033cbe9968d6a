"""Where views, walkers and verdict rules are found: entry points, so that the engine names no probe."""

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from uniobs.errors import UniobsError

VIEWS = "uniobs.views"
WALKERS = "uniobs.walkers"
VERDICTS = "uniobs.verdicts"
STREAMS = "uniobs.streams"


def names(group: str) -> list[str]:
    return sorted({point.name for point in entry_points(group=group)})


def load(group: str, name: str) -> Any:
    """The object behind one entry point. Raises UniobsError when it's missing or can't be imported."""
    for point in entry_points(group=group, name=name):
        return _load(point)
    raise UniobsError(f"no {group} named {name} is installed: reinstall uniobs")


def load_all(group: str) -> list[tuple[str, Any]]:
    """Every object of a group, by name."""
    found = {point.name: point for point in entry_points(group=group)}
    return [(name, _load(found[name])) for name in sorted(found)]


def _load(point: EntryPoint) -> Any:
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise UniobsError(f"{point.group} {point.name} ({point.value}) can't be loaded: {error}") from error
