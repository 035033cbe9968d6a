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
    return [_with(live.exit_code)] if live.state == _abi.STATE_EXITED else []


def _with(code: int) -> Verdict:
    return Verdict(
        name="exited",
        headline=f"exited with {code}",
        severity=4 if code else 6,
        lines=(f"it ended by itself with exit code {code}",),
        title=f"has EXITED with {code}",
    )


def _without_region(target: Any) -> list[Verdict]:
    """By what its image's walker sees: the code that ends it, and with what where the kernel keeps that."""
    vitals, code = None, None
    with suppress(NotOffered):
        walker = target.walker("threads")
        look, ask = (getattr(walker, name, None) for name in ("vitals", "exit_code"))
        vitals = look() if look is not None else None
        code = ask() if ask is not None else None
    if vitals is None or not (vitals.ended or "").startswith("exited"):
        return []
    if code is not None:
        return [_with(code)]
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
