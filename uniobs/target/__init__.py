"""Targets: what a command looks at, and how they are found."""

from uniobs.lean import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uniobs.target.discovery import GuestInfo, find_guests
    from uniobs.target.open import open_target

__all__ = ["GuestInfo", "find_guests", "open_target"]


def __getattr__(name: str) -> Any:
    """Imported when asked for: who opens a core needs nothing that looks for guests."""
    if name == "open_target":
        from uniobs.target.open import open_target as found

        return found
    if name in __all__:
        from uniobs.target import discovery

        return getattr(discovery, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
