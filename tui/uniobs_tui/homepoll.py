"""All guests of this host, once an interval, at a bounded cost: looks in passing at all of them, verdicts by
turns, and a second thread for what takes watching.

No Textual here. A Place is where guests are; remote hosts would be more of them.
"""

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol

from uniobs.errors import UniobsError
from uniobs.target import procfs
from uniobs.target.discovery import guest_of
from uniobs_tui.homefile import FileWatch
from uniobs_tui.homewatch import Watch

LOOK_CPU_S: Final = 0.04  # of an interval, on looks
WHOLE: Final = 60  # guests that are looked at wholly in one interval: of more, some by turns
JUDGE_CPU_S: Final = 0.015  # and on verdicts
JUDGE_S: Final = 3.0  # between two verdicts on a guest
SLOW_S: Final = 3.0
GONE_S: Final = 60.0  # how long a guest that vanished stays on the screen
GONE_MAX: Final = 8
AGAIN_S: Final = (1.0, 3.0, 8.0, 30.0)  # after which a process that is no guest is looked at again
OPEN_S: Final = 0.15  # of opening guests, then what is known is shown


class Guests(NamedTuple):
    """Rows by ls's keys and more (Watch.row); ``more`` says that some haven't been looked at yet."""

    rows: tuple[dict[str, Any], ...]
    more: bool


class Place(Protocol):
    """Where guests are: ``poll`` is called once an interval, from one thread."""

    def poll(self) -> Guests: ...

    def close(self) -> None: ...


class Host:
    """This host's guests, and files beside them."""

    def __init__(
        self, images: Sequence[str] = (), files: Sequence[str] = (), *, processes: bool = True
    ) -> None:
        """``processes`` False: the files alone."""
        self._images = tuple(images)
        self._processes = processes
        self._watches: dict[int, Watch] = {}  # by pid
        self._left: list[Watch] = []
        self._others: dict[int, tuple[int, float]] = {}  # pid -> (looks so far, when to look again)
        self.files = [FileWatch(path, images) for path in files]
        self._turn = 0
        self._slow = _Slow(self._candidates)

    def poll(self) -> Guests:
        now = time.monotonic()
        self._find(now)
        for pid in [pid for pid, watch in self._watches.items() if not watch.tick(now)]:
            self._left.append(self._watches.pop(pid))
        self._left = [w for w in self._left if w.gone is not None and now - w.gone < GONE_S][-GONE_MAX:]
        more = self._look(now)
        self._judge(now)
        self._slow.start()
        rows = [watch.row() for watch in (*self._watches.values(), *self._left)]
        rows += [file.row() for file in self.files]
        return Guests(tuple(rows), more)

    def _find(self, now: float) -> None:
        """New processes are looked at as they come, and some times more: a region may come later."""
        pids = set(procfs.pids()) - {os.getpid()} if self._processes else set()
        for pid in self._others.keys() - pids:
            del self._others[pid]
        for pid in pids - self._watches.keys():
            looks, due = self._others.get(pid, (0, 0.0))
            if now < due:
                continue
            self._others[pid] = (looks + 1, now + AGAIN_S[min(looks, len(AGAIN_S) - 1)])
            try:
                info = guest_of(pid)
            except UniobsError:
                continue
            if info is not None and info.process.argv:
                self._others.pop(pid)
                self._watches[pid] = Watch(info, self._images)

    def _look(self, now: float) -> bool:
        """Those that weren't looked at for longest first; True when some were never looked at."""
        begun, cpu = time.monotonic(), time.thread_time()
        waiting = sorted(self._watches.values(), key=lambda watch: watch.looked)
        self._turn += 1
        turns = 1 + len(waiting) // WHOLE
        for number, watch in enumerate(waiting):
            new = watch.target is None
            if new and time.monotonic() - begun > OPEN_S:
                return True
            if not new and time.thread_time() - cpu > LOOK_CPU_S:
                return False
            before = watch.status
            whole = new or (watch.info.pid + self._turn) % turns == 0
            watch.look(time.monotonic() if number else now, whole=whole)
            if before is not None and watch.status is not None and before.state != watch.status.state:
                watch.judge_due = 0.0
        return False

    def _judge(self, now: float) -> None:
        cpu = time.thread_time()
        due = [w for w in self._watches.values() if w.judge_due <= now and w.status is not None]
        for watch in sorted(due, key=lambda watch: watch.judge_due):
            watch.judge()
            watch.judge_due = now + JUDGE_S
            if time.thread_time() - cpu > JUDGE_CPU_S:
                return

    def _candidates(self) -> list[Any]:
        """Those that somebody should take the time for; from the other thread."""
        return [*(file for file in self.files if file.waits), *list(self._watches.values())]

    def close(self) -> None:
        self._slow.stop()
        for watch in self._watches.values():
            watch.close()


class _Slow:
    """The thread for what takes watching: one guest at a time, a tenth of a core at most."""

    def __init__(self, candidates: Callable[[], list[Any]]) -> None:
        self._candidates = candidates
        self._ends = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="uniobs-slow", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        self._ends.set()

    def _run(self) -> None:
        pause = 0.0
        while not self._ends.wait(max(pause, 0.1)):
            now = time.monotonic()
            try:
                due = [w for w in self._candidates() if w.suspicious and w.slow_due <= now]
            except RuntimeError:  # the table changed its size meanwhile
                continue
            if not due:
                pause = 0.2
                continue
            watch = min(due, key=lambda watch: watch.slow_due)
            cpu, first = time.thread_time(), watch.slow_due == 0.0
            watch.slow_look()
            cost = time.thread_time() - cpu
            watch.slow_due = time.monotonic() + max(SLOW_S, 20 * cost)
            pause = (4 if first else 12) * cost


class HomeWorker:
    """Polls a place in a thread of its own and delivers Guests; ``deliver`` as Worker's."""

    def __init__(self, place: Place, deliver: Callable[[Guests], None], interval: float = 1.0) -> None:
        self._place = place
        self._deliver = deliver
        self._interval = interval
        self._wake = threading.Event()
        self._ends = False
        self._rests = False
        self._thread = threading.Thread(target=self._run, name="uniobs-home", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def poke(self) -> None:
        self._wake.set()

    def rest(self, rests: bool) -> None:
        """While nobody sees the home screen, guests aren't polled."""
        self._rests = rests
        self._wake.set()

    def stop(self) -> None:
        self._ends = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(2)

    def _run(self) -> None:
        try:
            while not self._ends:
                begun = time.monotonic()
                self._wake.clear()
                more = False
                if not self._rests:
                    found = self._place.poll()
                    self._deliver(found)
                    more = found.more
                wait = 0.02 if more else max(self._interval - (time.monotonic() - begun), 0.02)
                self._wake.wait(None if self._rests else wait)
        finally:
            self._place.close()
