"""Exited: the guest ended by itself."""

from contextlib import suppress
from typing import Any

from uniobs.errors import NotOffered
from uniobs.model.guest import Verdict
from uniobs.region import _abi
from uniobs_probes.views._facts import live_header


def rule(target: Any) -> list[Verdict]:
    live = live_header(target)
    if live is None:
        return _without_region(target)
    if live.state != _abi.STATE_EXITED:
        return []
    code = live.exit_code
    return [
        Verdict(
            name="exited",
            headline=f"exited with {code}",
            severity=4 if code else 6,
            lines=(f"it ended by itself with exit code {code}",),
            title=f"has EXITED with {code}",
        )
    ]


def _without_region(target: Any) -> list[Verdict]:
    """By what its image's walker sees: the code that ends it, but not with what."""
    vitals = None
    with suppress(NotOffered):
        look = getattr(target.walker("threads"), "vitals", None)
        vitals = look() if look is not None else None
    if vitals is None or vitals.ended != "exited":
        return []
    return [
        Verdict(
            name="exited",
            headline="exited",
            severity=6,
            lines=("it ended by itself: its boot code shut it down",),
            unknown=("its exit code (the kernel doesn't keep it)",),
            title="has EXITED",
        )
    ]
