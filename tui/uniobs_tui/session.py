"""Session: one guest that is watched, now or at a moment of the last minutes. Panes look at its ``target``.

No Textual here. A session belongs to one thread: its worker's.
"""

import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from uniobs.cores.recording import RecordingFile
from uniobs.errors import NotOffered, OutputError, UniobsError
from uniobs.export.recorder import Recorder
from uniobs.export.recording import RecordingWriter
from uniobs.target import open_target
from uniobs.target.recorded import RecordedGuest, replayed
from uniobs_tui.judge import Last
from uniobs_tui.samples import Samples
from uniobs_tui.streams import Streams

MINUTES: Final = 10
BYTES_MAX: Final = 64 << 20
STEP_NS: Final = 1_000_000_000


class History:
    """The last minutes of a live guest, as a recording in a file without a name: nothing is left of it,
    however the program ends."""

    def __init__(self, guest: Any, minutes: float = MINUTES) -> None:
        self._writer = RecordingWriter(
            tempfile.gettempdir(), bytes_max=BYTES_MAX, age_max=int(minutes * 60e9), nameless=True
        )
        self._recorder = Recorder(guest, self._writer.chunk)
        self._name = guest.name
        self._images = guest.images
        self._file: RecordingFile | None = None
        self._generation = -1
        self.last = 0

    def look(self) -> None:
        """Keep this moment. Raises TargetGone."""
        try:
            self._recorder.tick()
        finally:
            self._recorder.flush()
            self.last = time.time_ns()

    def _opened(self) -> RecordingFile:
        if self._file is None or self._generation != self._writer.generation:
            self._close_file()
            self._file = RecordingFile(self._writer.opened(), "the past of this guest")
            self._generation = self._writer.generation
        self._file.extend()
        return self._file

    def bounds(self) -> tuple[int, int] | None:
        """ns since the epoch of its first and last moment."""
        file = self._opened()
        return None if file.first is None or file.last is None else (file.first, file.last)

    def at(self, when: int) -> RecordedGuest:
        """The guest at ``when``; it stands until the next call."""
        return replayed(self._opened(), when, self._name, self._images)

    def save(self, path: str) -> int:
        """A copy as a recording of its own: its size in bytes. Raises OutputError."""
        self._recorder.flush()
        source = self._writer.opened()
        try:
            return _copy(source, path, self._writer.size)
        finally:
            os.close(source)

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def close(self) -> None:
        self._close_file()
        self._writer.close()


def _copy(source: int, path: str, size: int) -> int:
    try:
        out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise OutputError(f"{path} is there already: name another") from None
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}") from error
    try:
        at = 0
        while at < size and (data := os.pread(source, min(size - at, 1 << 20), at)):
            at += os.write(out, data)
    except OSError as error:
        os.unlink(path)
        raise OutputError(f"{path}: {error.strerror}") from error
    finally:
        os.close(out)
    return at


class Session:
    """``target`` is what panes ask: the live guest, or a RecordedGuest while ``moment`` (ns since the epoch)
    is set. Cores and files have one moment, recordings those in them. Raises as open_target.
    """

    def __init__(self, spec: str, images: Sequence[str] = (), at: str | None = None) -> None:
        self.spec = spec
        self.guest = open_target(spec, images=list(images), at=at)
        self.name = self.guest.name
        self.live = self.guest.live
        self.gone: str | None = None
        self.history: History | None = None
        self.moment: int | None = None
        self.target: Any = self.guest
        self.mark: int | None = None  # the moment with which others are compared
        self.samples = Samples()
        self.judged: Last | None = None  # the last verdict
        self.streams = Streams(self)
        if isinstance(self.guest, RecordedGuest):
            self.moment = self.guest.playback.now

    # --- time -----------------------------------------------------------------------------------------

    def look(self) -> None:
        """One pass: the live guest is read anew, and what was seen is kept."""
        if not self.live or self.gone is not None:
            return
        try:
            if self.history is None:
                self.history = History(self.guest)
            self.guest.refresh()
            begun = time.time_ns()
            self.history.look()
            self.samples.take(self.guest, begun)
            self.streams.look()
        except UniobsError as error:
            self.gone = str(error)
            if self.moment is None:
                self.follow()
            self.streams.end()

    def bounds(self) -> tuple[int, int] | None:
        """The first and last moment that can be gone to; None when there is but one."""
        if isinstance(self.guest, RecordedGuest):
            file = self.guest.playback.file
            return (file.first or 0, file.last or 0)
        return self.history.bounds() if self.history is not None else None

    @property
    def paused(self) -> bool:
        return self.live and self.moment is not None

    def seek(self, when: int) -> None:
        """All panes show the moment at ``when``, or the one before it."""
        bounds = self.bounds()
        if bounds is None:
            return
        when = min(max(when, bounds[0]), bounds[1])
        if isinstance(self.guest, RecordedGuest):
            self.guest.seek(when)
            self.moment = self.guest.playback.now
        elif self.history is not None:
            self.target = self.history.at(when)
            self.moment = self.target.playback.now

    def other(self, when: int) -> RecordedGuest:
        """The guest at another moment, beside the one that is shown. Raises NotOffered when there is none."""
        bounds = self.bounds()
        if bounds is None or bounds[0] == bounds[1]:
            raise NotOffered("there is one moment only: nothing to compare it with")
        when = min(max(when, bounds[0]), bounds[1])
        if isinstance(self.guest, RecordedGuest):
            return self.guest.at(when)
        assert self.history is not None
        return self.history.at(when)

    def set_mark(self) -> None:
        """The moment that is shown is the one with which others are compared."""
        bounds = self.bounds()
        self.mark = self.moment if self.moment is not None else bounds[1] if bounds is not None else None

    def keep(self, path: str) -> int:
        """What was seen of a live guest until now, as a recording; its bytes. Raises OutputError."""
        if self.history is None:
            raise NotOffered("nothing was seen of it yet")
        return self.history.save(path)

    def step(self, by_ns: int = STEP_NS) -> None:
        """Back (negative) or forth in time; from now on, it begins at the last moment."""
        bounds = self.bounds()
        if bounds is not None:
            self.seek((self.moment if self.moment is not None else bounds[1]) + by_ns)

    def follow(self) -> None:
        """Back to now; of a guest that is gone, to the last that was seen of it."""
        if not self.live:
            return
        self.moment, self.target = None, self.guest
        if self.gone is not None:
            with suppress(UniobsError):
                if (bounds := self.bounds()) is not None:
                    self.seek(bounds[1])

    def close(self) -> None:
        with suppress(UniobsError):
            if self.history is not None:
                self.history.close()
        self.guest.close()
