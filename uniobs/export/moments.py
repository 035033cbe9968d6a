"""The times of a recording's moments: the host's clock, as long as nobody sets it."""

import time
from typing import Final

SET_NS: Final = 1_000_000_000  # a difference of so much is a clock that was set, not one that is trimmed


class Moments:
    """Times never run backwards. When the clock is set meanwhile they go on by the one that can't be, so that
    a span is what it was; ``set_by`` is how far the host's clock is ahead of them then, in ns."""

    def __init__(self) -> None:
        self._wall, self._steady = time.time_ns(), _steady()
        self._last = 0
        self.set_by = 0

    def now(self) -> int:
        """ns since the epoch."""
        wall, steady = time.time_ns(), _steady()
        expected = self._wall + steady - self._steady
        if abs(wall - expected) < SET_NS:
            expected, self._wall, self._steady, self.set_by = wall, wall, steady, 0
        elif abs(wall - expected - self.set_by) >= SET_NS:
            self.set_by = wall - expected
        self._last = max(expected, self._last)
        return self._last


def _steady() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)  # goes on while the host sleeps
