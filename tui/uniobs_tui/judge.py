"""Judge: a guest's verdict, asked anew as often as it can be without holding up everything else.

No Textual here. It belongs to the worker's thread.
"""

import time
from typing import Any, Final, NamedTuple

from uniobs.cli import headline
from uniobs.errors import UniobsError
from uniobs.model.findings import findings
from uniobs.model.guest import Status, Verdict
from uniobs_tui.session import Session

SHARE: Final = 8  # of the time, at most an eighth goes into it


class Judgement(NamedTuple):
    """``text`` and ``style`` as uniobs why's first line has them; ``at``: ns since the epoch."""

    text: str
    style: str
    about: str
    status: Status
    found: tuple[Verdict, ...]
    unknown: tuple[str, ...]
    at: int


class Judge:
    def __init__(self) -> None:
        self._last: Judgement | None = None
        self._of: object = None
        self._next = 0.0

    def judge(self, session: Session) -> Judgement:
        """Of the moment that the session is at; of a live guest maybe of a moment ago. Raises UniobsError."""
        of = (session.moment, session.gone)
        still = not session.live or session.moment is not None
        if self._last is not None and of == self._of and (still or time.monotonic() < self._next):
            return self._last
        begun = time.monotonic()
        found = judged(session.target)
        cost = time.monotonic() - begun
        self._last, self._of, self._next = found, of, begun + cost * SHARE
        return found


def judged(target: Any) -> Judgement:
    try:
        status: Status = target.status(0.0) if target.live else target.status()
    except UniobsError as error:
        status = Status("unknown", str(error))
    found, unknown = findings(target)
    image = headline.image_text(target, unknown)
    text, style = headline.sentence(target, status, found)
    about = f"{headline.who(target)}; {image}"
    unknown += [*status.unknown, *(text for verdict in found for text in verdict.unknown)]
    told = tuple(dict.fromkeys(unknown))
    return Judgement(text, style, about, status, tuple(found), told, time.time_ns())
