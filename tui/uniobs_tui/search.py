"""Patterns over guest text: what a person types, and never more time than a key press may take."""

import re
import signal
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Final

TEXT_MAX: Final = 4096  # characters of a line that are looked at
SPANS_MAX: Final = 64
LIMIT_S: Final = 0.05


class TooSlow(Exception):
    """A pattern that backtracks for ever on some line."""


class _Alarm:
    """Its handler stays installed once it was needed: a signal that comes late must find it."""

    armed = False
    installed = False

    def install(self) -> None:
        if not self.installed:
            signal.signal(signal.SIGVTALRM, self.ring)
            self.installed = True

    def ring(self, number: int, frame: FrameType | None) -> None:
        if self.armed:
            raise TooSlow


_ALARM: Final = _Alarm()


@contextmanager
def limited(seconds: float = LIMIT_S) -> Iterator[None]:
    """Raise TooSlow in what runs longer: re looks for signals while it matches. Main thread only, since
    others get no signals; CPU time, so that a busy machine makes nothing slow."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _ALARM.install()
    try:
        _ALARM.armed = True
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
        yield
    finally:
        _ALARM.armed = False
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


class Pattern:
    """A regular expression; text that isn't one (``recv(``) stands for itself. Small letters match both."""

    def __init__(self, text: str) -> None:
        self.text = text
        flags = re.IGNORECASE if text == text.lower() else re.NOFLAG
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # re has opinions on "[["
            try:
                self._regex = re.compile(text, flags)
            except (re.error, OverflowError, RecursionError):
                self._regex = re.compile(re.escape(text), flags)

    def found(self, line: str) -> bool:
        return self._regex.search(line, 0, TEXT_MAX) is not None

    def hits(self, lines: Sequence[str]) -> list[int]:
        """Which of the lines match. Raises TooSlow."""
        search = self._regex.search
        with limited():
            return [n for n, line in enumerate(lines) if search(line, 0, TEXT_MAX) is not None]

    def spans(self, line: str) -> list[tuple[int, int]]:
        """Where it matches in a line that is drawn; [] when that takes too long."""
        found: list[tuple[int, int]] = []
        try:
            with limited(LIMIT_S / 10):
                for match in self._regex.finditer(line, 0, TEXT_MAX):
                    if match.end() > match.start():
                        found.append(match.span())
                    if len(found) >= SPANS_MAX:
                        break
        except TooSlow:
            return []
        return found
