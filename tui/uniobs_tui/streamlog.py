"""StreamLog: what passed through a guest's ring, kept over time; and how it's fed, live or by playing.

No Textual here; all of it belongs to the worker's thread, but for StreamSource, which is given to the screen.
"""

import time
from array import array
from bisect import bisect_right
from collections.abc import Hashable, Sequence
from typing import Any, Final, Protocol

from uniobs.errors import TargetGone, UniobsError
from uniobs.model.guest import Loss
from uniobs.model.text import width
from uniobs.model.view import Follow
from uniobs.target.recorded import RecordedGuest
from uniobs_tui.ring import Ring, Row

PLAY_S: Final = 0.2  # of a recording at a time
LOOK: Final = "lost"  # of lines that say what isn't there


class Maker(Protocol):
    """How items become rows."""

    question: str  # what a walker is asked
    unit: str  # what is lost when something is: "packets", "slots"
    headers: tuple[str, ...]
    aligns: tuple[str, ...]
    widths: tuple[int, ...]
    numeric: int | None  # the column that Row.number is the value of

    def rows(self, target: Any, items: Sequence[Any]) -> list[Row]:
        """What these items complete, oldest first."""

    def stamp(self, item: Any) -> int:
        """The place of one item in the order of rows."""

    def open(self, target: Any, items: Sequence[Any] | None) -> tuple[Row, ...]:
        """What has begun and not ended: after all rows so far (None), or among these items alone."""

    def restart(self) -> None:
        """The guest began anew: nothing that was open goes on."""


class StreamLog:
    """Rows so far; ``marks`` say how many there were at a moment that was played."""

    def __init__(self, maker: Maker) -> None:
        self.maker = maker
        self.ring = Ring()
        self._stamp = 0
        self._loss = Loss()
        self._full = False
        self._moments, self._stops = array("Q"), array("Q")

    def feed(self, target: Any, items: Sequence[Any], follow: Follow) -> None:
        """Rows of a poll, after a line about what was lost before them."""
        rows = self.maker.rows(target, items)
        self._tell_loss(follow.loss)
        for row in rows:
            self._stamp = max(self._stamp, row.stamp)
            self.ring.append(row._replace(stamp=self._stamp))
        if getattr(follow, "full", False) and not self._full:
            self._full = True
            self.say("-- the buffer is full: what came later wasn't recorded")

    def _tell_loss(self, loss: Loss) -> None:
        before, self._loss = self._loss, loss
        unit = self.maker.unit
        if loss.lost > before.lost:
            self.say(f"-- {loss.lost - before.lost} {unit} lost: overwritten before they were read")
        if loss.torn > before.torn:
            self.say(f"-- {loss.torn - before.torn} {unit} torn: the guest didn't finish them")
        if loss.garbled > before.garbled:
            self.say("-- the ring is garbled: what it held is unknown")

    def say(self, text: str) -> None:
        """A line among the rows."""
        cells = [""] * len(self.maker.headers)
        cells[-1] = text
        self.ring.append(Row(self._stamp, tuple(cells), LOOK))

    def began_anew(self) -> int:
        """Another boot: stamps begin again. The number of its first row."""
        first = self.ring.stop
        self._stamp, self._loss, self._full = 0, Loss(), False
        if first:
            self.say("-- the guest began anew")
        self.maker.restart()
        return first

    def mark(self, moment: int) -> None:
        self._moments.append(moment)
        self._stops.append(self.ring.stop)

    def stop_at(self, moment: int) -> int:
        """How many rows there were at a moment that was marked."""
        at = bisect_right(self._moments, moment)
        return self._stops[at - 1] if at else 0


class StreamSource:
    """Rows of a log up to some moment, for a table. ``progress`` below 1: more are still being played;
    ``open_rows`` had begun and not ended at that moment."""

    def __init__(
        self, log: StreamLog, stop: int, open_rows: tuple[Row, ...] = (), progress: float = 1.0
    ) -> None:
        maker = log.maker
        self.headers, self.aligns, self._maker = maker.headers, maker.aligns, maker
        self.log = log.ring
        self.rows = log.ring.rows()
        self.base = self.rows.first
        self._stop = max(min(stop, self.rows.stop), self.base)
        self.open_rows = open_rows
        self.progress = progress

    @property
    def note(self) -> str:
        parts = [f"reading {self.progress:.0%}"] if self.progress < 1 else []
        return " · ".join([*parts, *([f"{self.base:,} older dropped"] if self.base else [])])

    def __len__(self) -> int:
        return self._stop - self.base

    def cells(self, start: int, stop: int) -> Sequence[Sequence[str]]:
        count = len(self.headers)
        found = []
        for index in range(start, min(stop, len(self))):
            cells = self.rows.cells(self.base + index)
            found.append(cells if len(cells) == count else (*cells, *[""] * count)[:count])
        return found

    def key(self, index: int) -> Hashable:
        return self.base + index

    def find(self, key: Hashable) -> int | None:
        return key - self.base if isinstance(key, int) and self.base <= key < self._stop else None

    def style(self, index: int) -> str:
        look = self.rows.look(self.base + index)
        return "warn" if look == LOOK else look

    def is_note(self, index: int) -> bool:
        """A line that says what isn't there."""
        return self.rows.look(self.base + index) == LOOK

    def tid(self, index: int) -> int:
        return self.rows.tid(self.base + index)

    def data(self, index: int) -> bytes:
        return self.rows.data(self.base + index)

    def number(self, index: int) -> int | None:
        return self.rows.number(self.base + index)

    def values(self, column: int, indexes: Sequence[int]) -> Sequence[Any]:
        if column == self._maker.numeric:
            return [self.number(index) for index in indexes]
        return [None if self.is_note(i) else self.cells(i, i + 1)[0][column] for i in indexes]

    def widths(self) -> Sequence[int]:
        headers = (width(header) for header in self.headers)
        return [max(had, wanted) for had, wanted in zip(self._maker.widths, headers, strict=True)]


class Live:
    """Follows a running guest; at a past moment, shows what had passed by then as its replay tells."""

    def __init__(self, maker: Maker, guest: Any) -> None:
        self.log = StreamLog(maker)
        self._guest = guest
        self._follow: Any = None
        self._boot: Any = None
        self._begins: list[tuple[Any, int]] = []  # boots, and their first rows
        self._cut: tuple[int, int, tuple[Row, ...]] | None = None  # a moment, its rows, what was open

    def poll(self, gone: bool = False) -> None:
        """Take in what came since. Raises UniobsError when there is nothing to follow."""
        guest, log = self._guest, self.log
        boot = _boot(guest)
        if self._follow is None or boot != self._boot:
            question = log.maker.question
            self._follow = getattr(guest.walker(question), question)()
            self._boot = boot
            self._begins.append((boot, log.began_anew()))
        try:
            items = [*self._follow.poll(), *(self._follow.flush() if gone else ())]
        except TargetGone:
            items = list(self._follow.flush())
        log.feed(guest, items, self._follow)

    def source(self, session: Any) -> StreamSource:
        self.poll(session.gone is not None)
        if session.moment is None:
            return StreamSource(self.log, self.log.ring.stop, self.log.maker.open(self._guest, None))
        if self._cut is None or self._cut[0] != session.moment:
            self._cut = (session.moment, *self._cut_at(session.target))
        return StreamSource(self.log, *self._cut[1:])

    def _cut_at(self, replay: Any) -> tuple[int, tuple[Row, ...]]:
        """How many rows there were, by the last item that the ring held then; what was open."""
        maker = self.log.maker
        boot = _boot(replay)
        start = next((first for known, first in reversed(self._begins) if known == boot), None)
        if start is None:
            return 0, ()
        items = glance(maker, replay)
        if not items:
            return start, ()
        last = max(maker.stamp(item) for item in items)
        stop = min((first for _, first in self._begins if first > start), default=self.log.ring.stop)
        return min(self.log.ring.after(last, start), stop), maker.open(replay, items)


class Played:
    """Plays a recording from its start, as far as it is looked at."""

    def __init__(self, maker: Maker, guest: RecordedGuest) -> None:
        self.log = StreamLog(maker)
        self._file = guest.playback.file
        self._guest = guest.at(self._file.first or 0)
        self._boot = _boot(self._guest)
        self._follow: Any = getattr(self._guest.walker(maker.question), maker.question)()
        self._take()

    def _take(self) -> None:
        boot = _boot(self._guest)
        if boot != self._boot:
            self._boot = boot
            self.log.began_anew()
            question = self.log.maker.question
            self._follow = getattr(self._guest.walker(question), question)()
        self.log.feed(self._guest, self._follow.poll(), self._follow)
        self.log.mark(self._guest.playback.now)

    def source(self, session: Any) -> StreamSource:
        moment, playback = session.moment, self._guest.playback
        end = time.monotonic() + PLAY_S
        while playback.now < moment and time.monotonic() < end:
            if not self._guest.step():
                break
            self._take()
        maker = self.log.maker
        if playback.now < moment:
            first = self._file.first or 0
            part = (playback.now - first) / max(moment - first, 1)
            return StreamSource(self.log, self.log.ring.stop, (), min(part, 0.99))
        if playback.now == moment:
            return StreamSource(self.log, self.log.ring.stop, maker.open(self._guest, None))
        return StreamSource(
            self.log, self.log.stop_at(moment), maker.open(session.target, glance(maker, session.target))
        )


class Once:
    """What the ring of a dead guest held."""

    def __init__(self, maker: Maker, guest: Any) -> None:
        log = StreamLog(maker)
        follow = getattr(guest.walker(maker.question), maker.question)()
        log.feed(guest, [*follow.poll(), *follow.flush()], follow)
        self._source = StreamSource(log, log.ring.stop, maker.open(guest, None))

    def source(self, session: Any) -> StreamSource:
        return self._source


def glance(maker: Maker, target: Any) -> Sequence[Any]:
    """What a target's ring holds; () when that can't be told."""
    try:
        follow = getattr(target.walker(maker.question), maker.question)()
        return [*follow.poll(), *follow.flush()]
    except UniobsError:
        return ()


def feeder(maker: Maker, guest: Any) -> Live | Played | Once:
    """What feeds a log of this guest. Raises UniobsError when it can't be had."""
    if isinstance(guest, RecordedGuest):
        return Played(maker, guest)
    return Live(maker, guest) if guest.live else Once(maker, guest)


def _boot(target: Any) -> Any:
    """What differs from one boot of a guest to the next, as far as it can be told."""
    try:
        region = target.region
    except UniobsError:
        return None
    return None if region is None else (region.address, bytes(region.header.boot_id))
