"""Judge: a guest's verdict, asked anew as often as it can be without holding up everything else.

No Textual here. It belongs to the worker's thread.
"""

import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from uniobs.cli import headline
from uniobs.errors import UniobsError
from uniobs.model.findings import findings
from uniobs.model.guest import Status, Verdict

if TYPE_CHECKING:
    from uniobs_tui.session import Session

SHARE: Final = 8  # of the time, at most an eighth goes into it
FRESH_S: Final = 0.5


class Judgement(NamedTuple):
    """``text`` and ``style`` as uniobs why's first line has them; ``at``: ns since the epoch."""

    text: str
    style: str
    about: str
    status: Status
    found: tuple[Verdict, ...]
    unknown: tuple[str, ...]
    at: int


class Last(NamedTuple):
    judgement: Judgement
    of: object
    until: float  # time.monotonic() from which on it's asked again


class Judge:
    """Any number of them share what one has found out: it is kept with the session."""

    def judge(self, session: "Session") -> Judgement:
        """Of the moment that the session is at; of a live guest maybe of a moment ago. Raises UniobsError."""
        of = (session.moment, session.gone)
        still = not session.live or session.moment is not None
        last: Last | None = session.judged
        if last is not None and last.of == of and (still or time.monotonic() < last.until):
            return last.judgement
        begun = time.monotonic()
        found = judged(session.target)
        cost = time.monotonic() - begun
        session.judged = Last(found, of, begun + max(cost * SHARE, FRESH_S))
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
