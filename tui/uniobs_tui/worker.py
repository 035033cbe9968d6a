"""The worker: a thread of its own that opens and asks guests, so that the screen never waits for one.

Panes say what they want with ask(session); the answer comes back by ``deliver``, which must be safe to call
from another thread (Textual's post_message is).
"""

import threading
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol

from uniobs.errors import UniobsError
from uniobs_tui.session import Session

INTERVAL_S: Final = 1.0
IDLE_S: Final = 0.02


class Asker(Protocol):
    """What a worker asks for somebody: runs in the worker's thread, and touches no widget."""

    def ask(self, session: Session) -> Any: ...


class Answer(NamedTuple):
    """What came of it; ``error`` is one line. ``moment``: ns since the epoch, None for now."""

    asker: Asker
    value: Any
    error: str | None
    moment: int | None
    cost_s: float


class Clock(NamedTuple):
    """Where the session stands in time."""

    name: str
    live: bool
    paused: bool
    moment: int | None
    first: int | None
    last: int | None
    gone: str | None


class Worker:
    """``deliver`` takes Answer and Clock. Askers are asked once an interval and whenever poke() says so."""

    def __init__(
        self, session: Session, deliver: Callable[[Any], None], interval: float = INTERVAL_S
    ) -> None:
        self.session = session
        self._deliver = deliver
        self._interval = interval
        self._askers: tuple[Asker, ...] = ()
        self._jobs: list[Callable[[Session], None]] = []
        self._wake = threading.Event()
        self._ends = False
        self._thread = threading.Thread(target=self._run, name="uniobs-worker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def watch(self, *askers: Asker) -> None:
        """From now on these are asked: those whose widgets are visible. Safe from any thread."""
        self._askers = askers
        self.poke()

    def poke(self) -> None:
        """Ask again now (a selection or filter changed)."""
        self._wake.set()

    def do(self, job: Callable[[Session], None]) -> None:
        """Run something on the session in its thread (seek, follow...), then ask again."""
        self._jobs.append(job)
        self._wake.set()

    def stop(self) -> None:
        """End the thread and close the session; waits at most two seconds."""
        self._ends = True
        self._wake.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(2)

    def _run(self) -> None:
        due = 0.0
        try:
            while not self._ends:
                now = time.monotonic()
                if now >= due:
                    self._look()
                    due = now + self._interval
                self._wake.clear()
                self._work()
                self._wake.wait(max(due - time.monotonic(), IDLE_S))
        finally:
            self.session.close()

    def _look(self) -> None:
        try:
            self.session.look()
        except Exception as error:  # noqa: BLE001 - as below
            self._deliver(Answer(_Nobody(), None, said(error), self.session.moment, 0.0))

    def _work(self) -> None:
        while self._jobs:
            job = self._jobs.pop(0)
            try:
                job(self.session)
            except Exception as error:  # noqa: BLE001 - a bug in one of them mustn't end the others
                self._deliver(Answer(_Nobody(), None, said(error), self.session.moment, 0.0))
        self._deliver(self._clock())
        for asker in self._askers:
            if self._ends or self._jobs:
                return
            begun = time.monotonic()
            value, why = None, None
            try:
                value = asker.ask(self.session)
            except Exception as error:  # noqa: BLE001 - as above
                why = said(error)
            self._deliver(Answer(asker, value, why, self.session.moment, time.monotonic() - begun))

    def _clock(self) -> Clock:
        session = self.session
        first, last = session.bounds() or (None, None)
        return Clock(session.name, session.live, session.paused, session.moment, first, last, session.gone)


def said(error: Exception) -> str:
    """One line of what went wrong: of what can go wrong its own words, of all else that it is a bug."""
    if isinstance(error, UniobsError):
        return str(error)
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"this is a bug in uniobs ({what}); nothing of the guest was changed"


class _Nobody:
    def ask(self, session: Session) -> Any:
        return None
