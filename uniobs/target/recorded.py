"""Recordings as targets: a guest as it was at a moment, and from there through time."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from uniobs.cores.playback import Playback
from uniobs.cores.recording import RecordingFile
from uniobs.errors import BadFormat, NotOffered, UniobsError, UsageError
from uniobs.memory.file import open_file
from uniobs.model.guest import Registers
from uniobs.model.row import replace
from uniobs.target.guest import Guest
from uniobs.target.origin import Origin, Placed

NS: Final = 1_000_000_000
MODULES_MAX: Final = 64
LOOKS: Final = (2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 300.0, 1800.0)  # seconds back
CLOCKS: Final = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%H:%M:%S", "%H:%M")


def recorded(path: str, images: Sequence[str] = (), name: str | None = None, at: str | None = None) -> Guest:
    """The guest at the recording's last moment, or at ``at`` (see when()). Raises BadFormat, UsageError."""
    fd = open_file(path)
    try:
        file = RecordingFile(fd, path)
        playback = Playback(file)
        notices = []
        if file.lost:
            notices.append(
                f"{path}: its last {file.lost} bytes are no whole chunk (cut off, or being written)"
            )
        if at is not None:
            moment = when(at, file.first or 0, file.last or 0)
            playback.seek(moment)
            if moment < (file.first or 0):
                notices.append(f"the recording begins at {clock(file.first or 0)}: this is its first moment")
            elif moment > (file.last or 0):
                notices.append(f"the recording ends at {clock(file.last or 0)}: this is its last moment")
        set_by = playback.notes.get("clock")
        if isinstance(set_by, int) and 0 < abs(set_by) < 1 << 63:
            notices.append(_clock_was_set(set_by))
        return RecordedGuest(_origin(playback, path, name, tuple(notices)), images, playback)
    except BaseException:
        os.close(fd)
        raise


def _clock_was_set(by: int) -> str:
    where = "forward" if by > 0 else "back"
    return (
        f"the host's clock was set {where} by {abs(by) / NS:.0f} s before this moment: the recording's times"
        " go on as if it hadn't been"
    )


def replayed(file: RecordingFile, when: int, name: str, images: Sequence[str] = ()) -> "RecordedGuest":
    """A guest of an open recording at a moment; the file stays the caller's."""
    playback = Playback(file)
    playback.seek(when)
    return RecordedGuest(_origin(playback, file.path, name, ()), images, playback)


class RecordedGuest(Guest):
    """``playback`` moves; moved() then forgets what was read before."""

    def __init__(self, origin: Origin, images: Sequence[str], playback: Playback) -> None:
        super().__init__(origin, images)
        self.playback = playback

    @property
    def ending(self) -> str:
        """How its recording says that it ended, or ""."""
        return str(self.playback.notes.get("end") or "")

    def seek(self, when: int) -> None:
        """As it was at ``when``, in ns since the epoch, or at the moment before."""
        self.playback.seek(when)
        self.moved()

    def step(self) -> bool:
        """One moment on; False at the end."""
        if not self.playback.step():
            return False
        self.moved()
        return True

    def moved(self) -> None:
        placed = _placed(self.playback)
        if placed != self.origin.placed:  # it booted anew in between
            self.origin = replace(self.origin, placed=placed)
            self._modules = None
        self.forget()
        if self._region is None:  # walkers keep what they read of memory that doesn't change
            self._walkers, self._untried = [], None

    def clock_ns(self) -> int:
        return self.playback.now

    def walk(self, interval: float, count: int | None) -> Iterator[None]:
        """``count`` looks, ``interval`` seconds apart, of which the last is at this moment; None: as many as
        its recording has. Each time that it goes on the guest is at the next of them."""
        until, step = self.playback.now, max(int(interval * NS), 1)
        held = (until - (self.playback.file.first or 0)) // step
        steps = held if count is None else min(count - 1, held)
        for left in range(steps, -1, -1):
            self.seek(until - left * step)
            yield

    def at(self, when: int) -> "RecordedGuest":
        """The same guest at another moment, beside this one; it shares the file, which this one closes."""
        return replayed(self.playback.file, when, self.name, self.images)

    def close(self) -> None:
        super().close()
        self.playback.file.close()


def _origin(playback: Playback, path: str, name: str | None, notices: tuple[str, ...]) -> Origin:
    told = playback.notes.get("guest")
    if not isinstance(told, dict):
        raise BadFormat(f"{path}: a recording that doesn't say of what")
    memory, address = playback.memory, told.get("region")

    def find_region(hint: int | None) -> int | None:
        at, noted = address, playback.notes.get("region")
        if isinstance(noted, dict):  # it booted anew while it was recorded
            if noted.get("why"):
                raise BadFormat(f"no region at this moment: {noted['why']}")
            at = noted.get("address")
        return at if isinstance(at, int) and 0 <= at < 1 << 64 else None

    def registers() -> Sequence[Registers]:
        noted = playback.notes.get("registers")
        if not isinstance(noted, dict):
            raise NotOffered("registers can't be had: they weren't recorded (uniobs record --registers)")
        if noted.get("why"):
            raise NotOffered(f"registers can't be had: {noted['why']}")
        taken = noted.get("when")
        if taken != playback.now:
            at = clock(taken) if isinstance(taken, int) and 0 <= taken < 1 << 63 else "another moment"
            raise NotOffered(f"registers can't be had: they were recorded at {at}, not at this moment")
        return [_registers(row, path) for row in noted.get("rows") or ()]

    base = os.path.basename(path)
    return Origin(
        name=name or base,
        kind="recording",
        vmm=str(told.get("vmm") or base),
        memory=memory,
        live=False,
        find_region=find_region,
        registers=registers,
        identity=told.get("identity") is True,
        notices=notices,
        backend=path,
        placed=_placed(playback),
        thread_registers=_Standing(playback),
        control=_control(told.get("registers"), path),
    )


def _registers(row: Any, path: str) -> Registers:
    try:
        values = {str(key): int(value) for key, value in row["values"].items() if 0 <= int(value) < 1 << 64}
        cpu = row["cpu"]
        return Registers(values, str(row["source"]), None if cpu is None else int(cpu))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BadFormat(f"{path}: a garbled recording: registers that can't be read") from None


def _control(rows: Any, path: str) -> Registers | None:
    """CR0, CR3 and CR4 as of when the recording began: a kernel keeps its page tables where they are."""
    if not isinstance(rows, list) or not rows:
        return None
    values = _registers(rows[0], path).values
    return Registers({name: values[name] for name in ("cr0", "cr3", "cr4") if name in values}, "recorded")


class _Standing(Mapping[int, Registers]):
    """os_tid -> where a hosted guest's thread waited at the playback's moment."""

    def __init__(self, playback: Playback) -> None:
        self._playback = playback

    def _noted(self) -> dict[str, Any]:
        noted = self._playback.notes.get("stands")
        return noted if isinstance(noted, dict) else {}

    def __getitem__(self, os_tid: int) -> Registers:
        row = self._noted()[str(os_tid)]
        if not (isinstance(row, list) and len(row) == 2 and all(_is_word(value) for value in row)):
            raise KeyError(os_tid)
        return Registers({"rip": row[0], "rsp": row[1]}, "where Linux had it waiting")

    def __iter__(self) -> Iterator[int]:
        return (int(key) for key in self._noted() if key.isdecimal() and len(key) < 20)

    def __len__(self) -> int:
        return len(self._noted())


def _is_word(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 64


def _placed(playback: Playback) -> tuple[Placed, ...]:
    """The images as of the playback's moment: those at its beginning, until the guest booted anew."""
    told = playback.notes.get("guest")
    rows = playback.notes.get("modules") or (told.get("modules") if isinstance(told, dict) else None)
    found = []
    for row in rows[:MODULES_MAX] if isinstance(rows, list) else ():
        try:
            identity = row["build_id"] or row["text_sha"]
            found.append(Placed(str(row["path"]), row["debug"], int(row["bias"]), str(identity)))
        except (KeyError, TypeError, ValueError):
            continue
    return tuple(found)


def when(text: str, first: int, last: int) -> int:
    """ns since the epoch of what a user calls a moment of a recording from ``first`` to ``last``.

    ``+90`` and ``+1.5s`` from its start, ``-5`` or ``-2m`` before its end, ``12:00:03`` or
    ``2026-01-31T12:00:03`` on this host's clock, ``start``, ``end``. Raises UsageError.
    """
    if text in ("start", "end"):
        return first if text == "start" else last
    if text[:1] in ("+", "-"):
        span = _span(text[1:])
        if span is not None:
            return first + span if text[0] == "+" else last - span
    whole, _, fraction = text.partition(".")
    for form in CLOCKS:
        try:
            parsed = time.strptime(whole, form)
            rest = int(fraction.ljust(9, "0")[:9]) if fraction else 0
        except ValueError:
            continue
        if "%Y" in form:
            return int(time.mktime(parsed)) * NS + rest
        return _on_a_day(parsed, first, last) * NS + rest
    raise UsageError(
        f"--at {text}: say +90s (from its start), -5s (before its end) or 12:00:03, with a date if need be"
    )


def _on_a_day(parsed: time.struct_time, first: int, last: int) -> int:
    """A time of day on the last day of the recording that has it; on its first otherwise."""
    for moment in (last, first):
        day = time.localtime(moment // NS)
        found = int(time.mktime((*day[:3], *parsed[3:6], 0, 0, -1)))
        if found * NS <= last:
            return found
    return found


def _span(text: str) -> int | None:
    unit = {"s": 1.0, "m": 60.0, "h": 3600.0}.get(text[-1:])
    try:
        value = float(text if unit is None else text[:-1]) * (unit or 1.0)
    except ValueError:
        return None
    return int(value * NS) if 0 <= value < 1e9 else None


def clock(when: int) -> str:
    """12:00:03.250 on this host's clock."""
    return time.strftime("%H:%M:%S", time.localtime(when // NS)) + f".{when % NS // 1_000_000:03d}"


def tapped(guest: Guest, memory: Any) -> Guest:
    """The same guest, read through another memory."""
    return Guest(replace(guest.origin, memory=memory), guest.images)


def unmoved_for(guest: RecordedGuest, beat: Callable[[Guest], int | None]) -> float | None:
    """For how many seconds at least ``beat`` had been what it is at this moment; None: too little was
    recorded before to tell, 0.0: it moved within the last LOOKS[0] seconds."""
    now, lasted = beat(guest), None
    for span in LOOKS:
        earlier = guest.playback.now - int(span * NS)
        if now is None or earlier < (guest.playback.file.first or 0):
            return lasted
        try:
            before = beat(guest.at(earlier))
        except UniobsError:
            return lasted
        if before != now:
            return lasted or 0.0
        lasted = span
    return lasted
