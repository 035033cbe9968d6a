"""Arranger: has a table's rows filtered and sorted beside its screen, a few milliseconds at a time."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from textual.widget import Widget

from uniobs_tui.arrange import Heavy, Job, Sort, Test, arrange, hits_of, shown
from uniobs_tui.order import Hits, Order
from uniobs_tui.search import TooSlow
from uniobs_tui.sources import Source

INLINE_S: Final = 0.015  # small tables are done at once
SLICE_S: Final = 0.006
REST_S: Final = 0.002
PARTS_S: Final = 0.25  # how often what a filter has found so far is shown

Install = Callable[[Source, Order | None], None]


class Arranger:
    """``install`` gets each source with its order; ``failed`` a line that says why a test was given up.

    ``progress`` is None when nothing is under way, else 0 to 1.
    """

    def __init__(self, widget: Widget, install: Install, failed: Callable[[str], None]) -> None:
        self._widget, self._install, self._failed = widget, install, failed
        self.tests: tuple[Test, ...] = ()
        self.sort: Sort | None = None
        self.progress: float | None = None
        self._hits: Hits | None = None
        self._task: Any = None
        self._next: Source | None = None
        self._asked: tuple[Any, ...] = ()  # what the one under way was asked to do
        self._heavy: Heavy | None = None

    def show(self, source: Source) -> None:
        """Arrange these rows; those that are being arranged to the same end are finished first."""
        if self.progress is not None and self._asked == (self.tests, self.sort):
            self._next = source
            return
        self.stop()
        if not self.tests and self.sort is None:
            self._install(source, None)
            return
        self._asked = (self.tests, self.sort)
        job = self._job(source)
        try:
            if not self._slice(job, source, INLINE_S):
                self._task = self._widget.run_worker(partial(self._go, job, source))
        except TooSlow:
            self._gave_up(source)

    def stop(self) -> None:
        """Give up what is under way."""
        if self._task is not None:
            self._task.cancel()
        self._task, self._next, self.progress, self._heavy = None, None, None, None

    def _job(self, source: Source) -> Job:
        self._hits = hits_of(source, self.tests, self._hits)
        return arrange(source, self._hits, self.sort)

    def _slice(self, job: Job, source: Source, seconds: float, sent: Any = None) -> bool:
        """Go on for so long; True when it's finished, and installed."""
        end = time.perf_counter() + seconds
        try:
            while True:
                step, sent = job.send(sent), None
                if isinstance(step, float):
                    self.progress = step
                    if time.perf_counter() >= end:
                        return False
                else:
                    self.progress = self.progress or 0.0
                    self._heavy = step
                    return False
        except StopIteration as done:
            self.progress = None
            self._install(source, done.value)
            return True

    async def _go(self, job: Job, source: Source) -> None:
        begun = told = time.perf_counter()
        while True:
            sent = None
            if self._heavy is not None:
                heavy, self._heavy = self._heavy, None
                sent = await asyncio.to_thread(heavy)
            try:
                finished = self._slice(job, source, SLICE_S, sent)
            except TooSlow:
                self._gave_up(source)
                return
            if finished:
                if self._next is None:
                    self._task = None
                    return
                self.progress = 1.0  # others that come meanwhile wait, too
                await asyncio.sleep(2 * (time.perf_counter() - begun))
                source, self._next = self._next, None
                job, begun = self._job(source), time.perf_counter()
            elif time.perf_counter() - told > PARTS_S:
                told = time.perf_counter()
                if self.sort is None:
                    self._install(source, shown(source, self._hits))
                self._widget.refresh()
            await asyncio.sleep(REST_S)

    def _gave_up(self, source: Source) -> None:
        self.stop()
        self.tests, self._hits = (), None
        self._failed("this pattern takes too long on some rows: make it simpler")
        self.show(source)
