"""A recording's clock while somebody sets the host's; what a tape bounds; files without a name."""

import os
import random
import time
from pathlib import Path

import pytest

from uniobs.cores import recording as format
from uniobs.cores.playback import Playback
from uniobs.cores.recording import RecordingFile
from uniobs.errors import OutputError
from uniobs.export.moments import Moments
from uniobs.export.recording import RecordingWriter
from uniobs.export.tape import KEY_SIZE, Tape

S = 1_000_000_000


class Clocks:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall, self.steady = 1_700_000_000 * S, 50 * S
        monkeypatch.setattr(time, "time_ns", lambda: self.wall)
        monkeypatch.setattr(time, "clock_gettime_ns", lambda _: self.steady)

    def go(self, ns: int, trimmed: int = 0) -> None:
        self.wall += ns + trimmed
        self.steady += ns


def test_a_clock_that_is_set_back_does_not_stop_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks(monkeypatch)
    moments = Moments()
    start = moments.now()
    clocks.go(S)
    assert moments.now() == start + S and moments.set_by == 0
    clocks.wall -= 3600 * S
    for number in range(2, 6):
        clocks.go(S)
        assert moments.now() == start + number * S
        assert moments.set_by == -3600 * S
    clocks.wall += 3600 * S
    clocks.go(S)
    assert moments.now() == start + 6 * S and moments.set_by == 0
    clocks.wall += 7200 * S
    clocks.go(S)
    assert moments.now() == start + 7 * S and moments.set_by == 7200 * S


def test_a_clock_that_is_trimmed_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks(monkeypatch)
    moments, last = Moments(), 0
    for _ in range(10_000):
        clocks.go(S, trimmed=-S // 2000)  # half a millisecond a second, for hours
        assert last < (last := moments.now()) and last == clocks.wall
    assert moments.set_by == 0
    clocks.go(S // 1000, trimmed=-S // 2)
    assert moments.now() == last  # never backwards


def test_keys_come_earlier_when_much_changes(tmp_path: Path) -> None:
    chunks: list[tuple[int, int]] = []
    tape = Tape(lambda kind, first, last, records: chunks.append((kind, len(records))))
    tape.base(S, {"guest": {}}, [])
    rng = random.Random(1)
    for number in range(70):
        tape.moment(S + number * S // 10)  # seven seconds: one key by time
        tape.keep(0, rng.randbytes(1 << 20))
    tape.flush()
    chain = 0
    for kind, size in chunks:
        chain = size + (chain if kind == format.DELTA else 0)
        assert chain <= KEY_SIZE + (16 << 20) <= format.CHAIN_MAX
    assert sum(kind == format.KEY for kind, _ in chunks) > 2


def test_too_much_is_said(tmp_path: Path) -> None:
    tape = Tape(lambda *_: None)
    tape.base(S, {"guest": {}}, [])
    tape.moment(S)
    for page in range(format.PAGES_MAX - 2):
        tape.mirror.store(page * 4096, b"x")
    tape.keep(0, b"y")
    tape.mirror.store(1 << 40, b"x")
    with pytest.raises(OutputError, match="more memory than can be recorded"):
        tape.keep(1 << 41, b"x")


def _fill(tape: Tape) -> None:
    """400 kB in 400 seconds."""
    rng = random.Random(1)
    for number in range(1, 400):
        tape.moment(number * S)
        tape.keep(0, rng.randbytes(2000))
    tape.flush()


def test_a_file_without_a_name(tmp_path: Path) -> None:
    writer = RecordingWriter(str(tmp_path), bytes_max=1 << 16, nameless=True)
    tape = Tape(writer.chunk)
    tape.base(S, {"guest": {}}, [])
    _fill(tape)
    assert writer.generation > 0 and os.listdir(tmp_path) == []
    playback = Playback(RecordingFile(writer.opened(), "x"))
    assert playback.now == 399 * S and (playback.file.first or 0) > 300 * S
    playback.file.close()
    writer.close()


def test_dropping_the_oldest_fails_and_the_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r"
    writer = RecordingWriter(str(path), bytes_max=1 << 16)
    tape = Tape(writer.chunk)
    tape.base(S, {"guest": {}}, [])

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("uniobs.export.recording.os.replace", full)
    with pytest.raises(OutputError, match=r"No space left.*oldest"):
        _fill(tape)
    writer.close()
    assert [entry.name for entry in tmp_path.iterdir()] == ["r"]
    playback = Playback(RecordingFile(os.open(path, os.O_RDONLY), "r"))
    assert playback.file.first == S and playback.file.lost == 0
    playback.file.close()
