"""Exited: the guest ended by itself."""

from typing import Any

from uniobs.model.guest import Verdict
from uniobs.region import _abi
from uniobs_probes.views._facts import live_header


def rule(target: Any) -> list[Verdict]:
    live = live_header(target)
    if live is None or live.state != _abi.STATE_EXITED:
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
