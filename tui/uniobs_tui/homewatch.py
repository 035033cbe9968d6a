"""One guest of this host as the home screen follows it: kept open, looked at in passing, never waited for.

No Textual here. A Watch belongs to the poller's thread; only ``slow`` is set by another.
"""

import gc
import time
from collections import deque
from collections.abc import Hashable, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from uniobs.cli.headline import sentence
from uniobs.errors import BadFormat, NoSuchTarget, TargetGone, UniobsError, UnknownMemory
from uniobs.model.findings import FINDING, findings
from uniobs.model.guest import Status, Verdict
from uniobs.region import _abi
from uniobs.target.discovery import GuestInfo
from uniobs.target.guest import Guest
from uniobs.target.open import open_guest
from uniobs.target.status import HUNG_AFTER, beat_age
from uniobs_probes.views.ls import BUSY, cpu_percent

KEPT: Final = 40  # seconds of traffic
WAITING: Final = frozenset({"spinning", "device", "hung"})  # rules that watch for a while
RESCAN_MAX_S: Final = 60.0


class Judged(NamedTuple):
    """What was found: the sentence of ``why``, how bad it is (lower is worse), and since when it is known."""

    status: Status
    text: str
    style: str
    severity: int
    headline: str | None
    names: tuple[str, ...]
    at: float
    beat: int | None = None


def judged(target: Any, status: Status, found: Sequence[Verdict], beat: int | None = None) -> Judged:
    text, style = sentence(target, status, list(found))
    said = [v for v in found if v.severity < FINDING]
    worst = said[0].severity if said else {"dead": 3, "hung": 1}.get(status.state, 9)
    return Judged(status, text, style, worst, said[0].headline if said else None,
                  tuple(v.name for v in found), time.monotonic(), beat)  # fmt: skip


class Traffic:
    """Bytes a second over time, from totals."""

    def __init__(self) -> None:
        self.rates: deque[float] = deque(maxlen=KEPT)
        self._last: tuple[int, float] | None = None

    def add(self, total: int | None, now: float) -> None:
        if total is None:
            return
        if self._last is not None and now > self._last[1]:
            self.rates.append(max(total - self._last[0], 0) / (now - self._last[1]))
        self._last = (total, now)


class Watch:
    """``info`` is whose; ``images`` as everywhere."""

    def __init__(self, info: GuestInfo, images: Sequence[str]) -> None:
        self.info = info
        self.spec = str(info.pid)
        self.images = tuple(images)
        self.target: Guest | None = None
        self.status: Status | None = None
        self.error: str | None = None
        self.gone: float | None = None  # since when, by time.monotonic()
        self.sees: str | None = None
        self.kernel: str | None = None
        self.beat_age: float | None = None
        self.cpu: float | None = None
        self.memory = info.memory
        self.log: str | None = None
        self.traffic = Traffic()
        self.fast: Judged | None = None
        self.slow: Judged | None = None
        self.slow_due = 0.0
        self.looked = 0.0
        self.judge_due = 0.0
        self._ticks: tuple[int, float] | None = None
        self._beat: tuple[int, float] | None = None  # its count, and since when it stands there
        self._follow: Any = None
        self._region: Any = None
        self._rescan = 1.0
        self._rescan_due = 0.0

    @property
    def key(self) -> Hashable:
        return (self.info.pid, self.info.process.start)

    # --- each interval --------------------------------------------------------------------------------

    def tick(self, now: float) -> bool:
        """CPU time, by its process; False when that is gone."""
        found = _stat(self.info.pid)
        if found is None or found[0] != self.info.process.start:
            self.leave(now)
            return False
        if self._ticks is not None:
            self.cpu = cpu_percent(self._ticks[0], found[1], now - self._ticks[1])
        self._ticks = (found[1], now)
        return True

    def leave(self, now: float) -> None:
        """Its process is gone; the row stays for a while."""
        if self.gone is None:
            self.gone = now
            self.cpu = None
            self.close()

    def look(self, now: float, *, whole: bool = True) -> None:
        """State and heartbeat; with ``whole`` traffic and log, too. Some 0.3 ms of a guest with a region."""
        self.looked = now
        try:
            if self.target is None:
                self.target = open_guest(self.info, self.images)
                self.sees = "memory"
            if whole or self._region is None:
                self._look(self.target, now)
            else:
                self._beats(self.target, self._region, now)
            self.error = None
        except (TargetGone, NoSuchTarget):
            self.leave(now)
        except (BadFormat, UnknownMemory):
            return  # just being written, or rebooting: what was seen before stands
        except UniobsError as error:
            self.error = str(error)

    def _look(self, target: Guest, now: float) -> None:
        if self._region is None and now < self._rescan_due:
            return
        target.refresh()
        region = target.region
        if region is None:
            self._rescan = min(self._rescan * 2, RESCAN_MAX_S)
            self._rescan_due = now + self._rescan
            return
        if region is not self._region:
            self._region, self._follow, self.sees = region, None, "stub"
            self.kernel = region.kernel or None
            if self.memory is None and target.kind != "process":
                self.memory = sum(part.size for part in target.memory.ranges())
        self._beats(target, region, now)
        walker = target.walker("interfaces")
        totals = [(i.rx_bytes or 0) + (i.tx_bytes or 0) for i in walker.interfaces() if not i.torn]
        self.traffic.add(sum(totals) if totals else None, now)
        self._log(target)

    def _beats(self, target: Guest, region: Any, now: float) -> None:
        live = region.live()
        self.beat_age = beat_age(region, live)
        self.status = self._state(target, region, live, now)

    def _log(self, target: Guest) -> None:
        if self._follow is None:
            walker = target.walker("log")
            self._follow = walker.log()
        lines = self._follow.poll()
        if lines:
            self.log = lines[-1].text

    def _state(self, target: Guest, region: Any, live: Any, now: float) -> Status | None:
        """As status() says, without its watching: what was seen a second ago does for that."""
        if live.state not in (_abi.STATE_RUNNING, _abi.STATE_INIT):
            return target.status(0)
        if self._beat is None or live.beat_count != self._beat[0]:
            first = self._beat is None
            self._beat = (live.beat_count, now)
            if not first:
                return Status("live", "running", beat_age_s=self.beat_age)
        if region.hosted:
            return target.status(0)
        if _idle(region, live):
            return Status("live", "idle", beat_age_s=self.beat_age)
        stood = now - self._beat[1]
        if stood < HUNG_AFTER:
            return self.status or Status("unknown", "running; whether it makes progress wasn't watched")
        self.beat_age = max(self.beat_age or 0.0, stood)
        slow = self.slow
        if slow is not None and slow.beat == live.beat_count:
            return slow.status
        return self.status

    @property
    def stands(self) -> bool:
        """Whether it has work and no progress for long enough to be looked at closely."""
        status = self.status
        return (
            self._beat is not None
            and (status is None or (status.state != "dead" and status.reason != "idle"))
            and time.monotonic() - self._beat[1] >= HUNG_AFTER
        )

    @property
    def suspicious(self) -> bool:
        """Whether it should be watched for a while: it stands, it's busy, or no region tells of it."""
        if self.gone is not None or self.error is not None or self.target is None:
            return False
        if self._region is None:
            return True
        return self.stands or (self.cpu is not None and self.cpu >= BUSY)

    # --- verdicts -------------------------------------------------------------------------------------

    def judge(self) -> None:
        """Rules that answer at once; Guests without a region are left to slow_look()."""
        if self.target is None or self._region is None or self.gone is not None or self.status is None:
            return
        try:
            found, _ = findings(self.target, skip=WAITING)
            self.fast = judged(self.target, self.status, found)
        except UniobsError:
            return

    def slow_look(self) -> None:
        """Everything, watching as long as it takes, on an opened target of its own: for another thread.

        The first time of a guest without a region only what answers at once: others want to be seen, too.
        """
        try:
            target = open_guest(self.info, self.images)
        except UniobsError:
            return
        region = None
        try:
            region = target.region
            quick = region is None and self.slow is None
            status = target.status(0) if quick else target.status()
            found, _ = findings(target, skip=WAITING if quick else ())
            beat = region.live().beat_count if region is not None else None
            if region is None:
                self.kernel = target.walker("threads").name
                self.sees = "walker"
                self.log = last_line(target) or self.log
            self.slow = judged(target, status, found, beat)
        except UniobsError:
            with suppress(UniobsError):
                self.slow = self.slow if region is not None else judged(target, target.status(0), ())
        finally:
            target.close()
            if region is None:
                del target
                gc.collect()  # what was read of its image is large, and refers to itself

    def verdict(self) -> Judged | None:
        """The worse of what both found; what watching found is as good as its last look."""
        slow = self.slow
        if slow is not None and self._region is not None:
            moved = self._beat is not None and slow.beat != self._beat[0]
            watched = bool(set(slow.names) & {"spinning", "busy"})
            if not (self.stands or watched or "device" in slow.names) or (moved and "hung" in slow.names):
                slow = None
        both = [one for one in (self.fast, slow) if one is not None]
        return min(both, key=lambda one: (one.severity, one.headline is None)) if both else None

    def row(self) -> dict[str, Any]:
        """By the keys of ls's columns, and those of the home screen."""
        found = self.verdict()
        status = self.status or (self.slow.status if self.slow is not None else None)
        if found is not None and status is not None and found.status.state == "hung":
            status = found.status
        state = "gone" if self.gone is not None else status.state if status is not None else "unknown"
        rates = tuple(self.traffic.rates)
        headline = found.headline if found is not None else None
        return {
            "key": self.key, "spec": self.spec, "name": self.info.name, "pid": self.info.pid,
            "vmm": self.info.vmm, "unikernel": self.kernel, "state": state,
            "reason": status.reason if status is not None else None,
            "beat_age_s": None if self.gone is not None else self.beat_age, "cpu": self.cpu,
            "memory": self.memory, "sees": self.sees, "verdict": self.error or headline,
            "error": self.error, "rate": rates[-1] if rates and self.gone is None else None,
            "rates": rates, "log": self.log, "card": _card(state, found),
        }  # fmt: skip

    def close(self) -> None:
        if self.target is not None:
            self.target.close()
            self.target = None


def _card(state: str, found: Judged | None) -> tuple[int, str, str] | None:
    """(severity, the sentence, its style) of a guest in trouble."""
    if found is None or state == "gone" or found.style == "good":
        return None
    if found.headline is None and found.status.state not in ("dead", "hung"):
        return None
    return found.severity, found.text, found.style


def last_line(target: Any) -> str | None:
    try:
        lines = target.walker("log").log().poll()
    except UniobsError:
        return None
    return lines[-1].text if lines else None


def _idle(region: Any, live: Any) -> bool:
    rows = [r.value for r in region.threads() if r.value.tid == live.current_tid and not r.torn]
    return bool(live.current_tid and len(rows) == 1 and rows[0].flags & _abi.THREAD_FLAG_IDLE)


def _stat(pid: int) -> tuple[int, int] | None:
    """(start, user and system time), in ticks; None when it's gone or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            fields = file.read(4096).rpartition(b")")[2].split()
        return None if fields[0] == b"Z" else (int(fields[19]), int(fields[11]) + int(fields[12]))
    except (OSError, ValueError, IndexError):
        return None
