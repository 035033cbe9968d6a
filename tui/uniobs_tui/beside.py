"""How the guest on the screen is, for its header: of a live guest from a thread of its own that never holds
up its views; of a moment, from the worker.

No Textual here.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from uniobs.errors import UniobsError
from uniobs.target.discovery import GuestInfo
from uniobs_tui.homepoll import Host
from uniobs_tui.homewatch import Watch
from uniobs_tui.judge import Judge
from uniobs_tui.panes import PANES, load
from uniobs_tui.session import Session


class Facts(NamedTuple):
    """What the header says of a guest; None is unknown. ``verdict``: the sentence, when there is one."""

    name: str
    kernel: str | None = None
    vmm: str | None = None
    state: str = "unknown"
    reason: str | None = None
    beat_age_s: float | None = None
    cpu: float | None = None
    verdict: str | None = None
    look: str = "bad"


class One(Host):
    """A place with one guest."""

    def __init__(self, info: GuestInfo, images: Sequence[str]) -> None:
        super().__init__(images, processes=False)
        self._watches[info.pid] = Watch(info, images)


def facts_of(row: dict[str, Any], name: str) -> Facts:
    card = row["card"]
    return Facts(
        name, row["unikernel"], row["vmm"], row["state"], row["reason"], row["beat_age_s"], row["cpu"],
        row["error"] or (card[1] if card else None), card[2] if card else "bad",
    )  # fmt: skip


def info_of(session: Session) -> GuestInfo | None:
    """Of a live guest whose process is on this host."""
    info: GuestInfo | None = session.guest.origin.info if session.live else None
    return info


class Moment:
    """Asker: Facts of a core, or of a moment that isn't now; None while a live guest is followed."""

    def __init__(self) -> None:
        self._judge = Judge()

    def ask(self, session: Session) -> Facts | None:
        if session.moment is None and info_of(session) is not None:
            return None
        target = session.target
        found = self._judge.judge(session)
        wrong = found.style in ("bad", "warn") or found.status.state in ("dead", "hung")
        text = found.text.partition(", as of ")[0] if wrong else None  # the clock says of when it is
        return Facts(
            session.name, _kernel(target), target.vmm, found.status.state, found.status.reason,
            found.status.beat_age_s, None, text, found.style,
        )  # fmt: skip


def _kernel(target: Any) -> str | None:
    try:
        region = target.region
        return (region.kernel or None) if region is not None else str(target.walker("threads").name)
    except UniobsError:
        return None


class Applies:
    """Asker: which views a guest can't have; asked until it is known."""

    def __init__(self) -> None:
        self.missing: frozenset[str] | None = None

    def ask(self, session: Session) -> frozenset[str]:
        if self.missing is None:
            self.missing = frozenset(info.name for info in PANES if not _applies(info, session.target))
        return self.missing


def _applies(info: Any, target: Any) -> bool:
    try:
        return load(info).applies_to(target)
    except UniobsError:
        return False
