"""Targets: what a command looks at, and how they are found."""

from uniobs.target.discovery import GuestInfo, find_guests
from uniobs.target.open import open_target

__all__ = ["GuestInfo", "find_guests", "open_target"]
