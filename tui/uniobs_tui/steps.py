"""Steps: long work on a screen's thread, a few milliseconds at a time."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from textual.widget import Widget

from uniobs_tui.search import TooSlow

SLICE_S: Final = 0.006
REST_S: Final = 0.002


class Steps:
    """An iterator of how far it is (0 to 1), run bit by bit; ``ended`` gets a line when it's given up."""

    def __init__(self, widget: Widget, work: Iterator[float], ended: Callable[[str], None]) -> None:
        self._widget, self._work, self._ended = widget, work, ended
        self.progress = 0.0
        self._task: Any = None

    def run(self, seconds: float) -> bool:
        """Go on for so long; what remains is done later. True when nothing does. Raises TooSlow."""
        if self._slice(seconds):
            return True
        self._task = self._widget.run_worker(self._go)
        return False

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _slice(self, seconds: float) -> bool:
        end = time.perf_counter() + seconds
        for progress in self._work:
            self.progress = progress
            if time.perf_counter() >= end:
                return False
        return True

    async def _go(self) -> None:
        try:
            while not self._slice(SLICE_S):
                self._widget.refresh()
                await asyncio.sleep(REST_S)
        except TooSlow:
            self._ended("this pattern takes too long on some rows: make it simpler")
