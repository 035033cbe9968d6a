"""A core, recording or memory file on the home screen: opened once, in the thread that has the time."""

import os
from collections.abc import Hashable, Sequence
from contextlib import closing
from typing import Any

from uniobs.errors import NotOffered, UniobsError
from uniobs.model.findings import findings
from uniobs.target.open import looks_recorded, open_target
from uniobs_tui.homewatch import Judged, judged, last_line


class FileWatch:
    """Its moment doesn't change: one look is enough."""

    def __init__(self, path: str, images: Sequence[str]) -> None:
        self.path = path
        self.spec = path
        self._images = tuple(images)
        self.slow_due = 0.0
        self.waits = True  # it hasn't been looked at
        self._row: dict[str, Any] = {
            "key": self.key, "spec": path, "name": os.path.basename(path), "pid": None, "vmm": None,
            "unikernel": None, "state": "unknown", "reason": None, "beat_age_s": None, "cpu": None,
            "memory": None, "sees": None, "verdict": None, "error": None, "rate": None, "rates": (),
            "log": None, "card": None,
        }  # fmt: skip

    @property
    def key(self) -> Hashable:
        return self.path

    @property
    def suspicious(self) -> bool:
        return self.waits

    def row(self) -> dict[str, Any]:
        return self._row

    def slow_look(self) -> None:
        try:
            with closing(open_target(self.path, images=self._images)) as target:
                row, found = dict(self._row), _look(target)
                row |= _facts(target)
                state = found.status.state
                row["state"] = "recording" if looks_recorded(self.path) else state
                row["reason"] = found.status.reason
                row["verdict"] = found.headline
                if found.headline is not None or state in ("dead", "hung"):
                    row["card"] = (found.severity, found.text, found.style)
        except UniobsError as error:
            row = {**self._row, "error": str(error), "verdict": str(error)}
        self._row = row
        self.waits = False


def _look(target: Any) -> Judged:
    status = target.status()
    found, _ = findings(target)
    return judged(target, status, found)


def _facts(target: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {"vmm": target.vmm, "name": target.name, "sees": "memory"}
    facts["memory"] = sum(part.size for part in target.memory.ranges())
    region = target.region
    if region is not None:
        facts |= {"sees": "stub", "unikernel": region.kernel or None}
    else:
        try:
            facts |= {"unikernel": target.walker("threads").name, "sees": "walker"}
        except NotOffered:
            return facts
    facts["log"] = last_line(target)
    return facts
