"""Recordings: what is kept, seeking, bounds, cuts and damage."""

import os
import random
import time
from pathlib import Path

import pytest

from uniobs.cores import recording as format
from uniobs.cores.playback import Playback
from uniobs.cores.recording import RecordingFile
from uniobs.errors import BadFormat, Incomplete, OutputError, UniobsError, UnknownMemory, UsageError
from uniobs.export.recording import RecordingWriter
from uniobs.export.tape import Tape
from uniobs.memory.mirror import Mirror
from uniobs.memory.tap import Tap
from uniobs.target.recorded import when

S = 1_000_000_000
START = 1_700_000_000 * S
PLACE = 0x100000


def state(moment: int) -> bytes:
    """What lies in memory at a moment: most of it the same, some words not."""
    data = bytearray(bytes(range(256)) * 64)
    data[128:136] = moment.to_bytes(8, "little")
    data[8192 + 64 * (moment % 32) : 8192 + 64 * (moment % 32) + 4] = b"here"
    return bytes(data)


def write(path: Path, moments: int, step: int = S // 10, **bounds: int) -> Path:
    writer = RecordingWriter(str(path), **bounds)
    tape = Tape(writer.chunk)
    tape.base(START, {"guest": {"name": "x", "region": None}}, [(0x4000, b"text" * 32)])
    for number in range(moments):
        tape.moment(START + number * step)
        tape.keep(PLACE, state(number))
        if number % 7 == 3:
            tape.keep(0x9000, b"stack" * 20)
        if number % 7 == 5:
            tape.forget(0x9000, 100)
        if number == moments - 1:
            tape.note({"end": "gone"})
    tape.flush()
    writer.close()
    return path


def one_line(error: UniobsError) -> int:
    assert "\n" not in str(error)
    return 1


def opened(path: Path) -> Playback:
    return Playback(RecordingFile(os.open(path, os.O_RDONLY), str(path)))


def check(playback: Playback, number: int) -> None:
    assert playback.now == START + number * (S // 10)
    assert playback.memory.read(PLACE, 16384) == state(number)
    assert playback.memory.read(0x4000, 128) == b"text" * 32
    if number >= 3 and 3 <= number % 7 < 5:
        assert playback.memory.read(0x9000, 100) == b"stack" * 20
    else:
        with pytest.raises(UnknownMemory):
            playback.memory.read(0x9000, 1)


def test_every_moment_by_stepping_and_by_seeking(tmp_path: Path) -> None:
    playback = opened(write(tmp_path / "r", 350))
    try:
        check(playback, 349)
        assert playback.notes["end"] == "gone"
        order = list(range(350))
        random.Random(1).shuffle(order)
        for number in order[:80]:
            playback.seek(START + number * (S // 10) + 1)
            check(playback, number)
            assert ("end" in playback.notes) == (number == 349)
        playback.seek(0)
        check(playback, 0)
        for number in range(1, 350):
            assert playback.step()
            check(playback, number)
        assert not playback.step()
    finally:
        playback.file.close()


def test_it_is_a_row_of_zstd_frames(tmp_path: Path) -> None:
    import zstandard

    path = write(tmp_path / "r", 30)
    out = zstandard.ZstdDecompressor().decompressobj(read_across_frames=True).decompress(path.read_bytes())
    assert out.count(b"here") >= 1 and b'"end":"gone"' in out


def test_cut_anywhere_it_is_whole_up_to_the_last_chunk(tmp_path: Path) -> None:
    data = write(tmp_path / "r", 60).read_bytes()
    file = RecordingFile(os.open(tmp_path / "r", os.O_RDONLY), "r")
    ends = [chunk.end for chunk in file.chunks]
    borders = {0, format.HEAD, *(chunk.offset for chunk in file.chunks), *ends}
    file.close()
    cut = tmp_path / "cut"
    near = {max(0, border + by) for border in borders for by in (-1, 0, 1, 40)}
    for size in sorted(near | set(range(0, len(data), 997))):
        cut.write_bytes(data[:size])
        whole = [end for end in ends if end <= size]
        if size < format.HEAD:
            with pytest.raises(BadFormat):
                opened(cut)
        elif not whole:
            with pytest.raises(Incomplete, match="without a moment"):
                opened(cut)
        else:
            playback = opened(cut)
            assert playback.file.lost == min(size, len(data)) - whole[-1]
            check(playback, (playback.now - START) // (S // 10))
            playback.file.close()


def test_damage_is_told_or_has_no_effect(tmp_path: Path) -> None:
    """A byte changed anywhere: what is shown is what was recorded, or an error of one line."""
    data = write(tmp_path / "r", 40).read_bytes()
    rng = random.Random(20261120)
    bad = tmp_path / "bad"
    told = 0
    for _ in range(400):
        at = rng.randrange(len(data))
        bad.write_bytes(data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :])
        try:
            playback = opened(bad)
        except UniobsError as error:
            told += one_line(error)
            continue
        try:
            for number in range(40):
                playback.seek(START + number * (S // 10))
                check(playback, (playback.now - START) // (S // 10))
        except UniobsError as error:
            told += one_line(error)
        finally:
            playback.file.close()
    assert told > 50


def test_what_is_written_meanwhile_is_found(tmp_path: Path) -> None:
    path = tmp_path / "r"
    writer = RecordingWriter(str(path))
    tape = Tape(writer.chunk)
    tape.base(START, {"guest": {}}, [])
    tape.moment(START)
    tape.keep(PLACE, b"one")
    tape.flush()
    file = RecordingFile(os.open(path, os.O_RDONLY), "r")
    playback = Playback(file)
    tape.moment(START + S)
    tape.keep(PLACE, b"two")
    tape.flush()
    assert not playback.step()
    assert file.extend() and not file.extend()
    playback.seek(START + S)
    assert playback.memory.read(PLACE, 3) == b"two"
    file.close()
    writer.close()


@pytest.mark.parametrize("bounds", [{"bytes_max": 1 << 16}, {"age_max": 30 * S}])
def test_bounds_drop_the_oldest(tmp_path: Path, bounds: dict[str, int]) -> None:
    path = write(tmp_path / "r", 3000, **bounds)
    if "bytes_max" in bounds:
        assert path.stat().st_size < 2 * bounds["bytes_max"]
    playback = opened(path)
    first = ((playback.file.first or 0) - START) // (S // 10)
    assert first > 0
    if "age_max" in bounds:
        assert 300 <= 3000 - first <= 300 + 300 // 4 + 2 * 100  # a slack, and whole keys
    for number in (first, first + 1, (first + 2999) // 2, 2999):
        playback.seek(START + number * (S // 10))
        check(playback, number)
    playback.file.close()
    assert [entry.name for entry in tmp_path.iterdir()] == ["r"]


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "r").write_text("mine")
    with pytest.raises(OutputError, match="is there already"):
        RecordingWriter(str(tmp_path / "r"))
    assert (tmp_path / "r").read_text() == "mine"


def test_a_disk_that_is_full() -> None:
    with pytest.raises(OutputError, match="No space left"):
        RecordingWriter("/dev/full", overwrite=True)


def test_mirror_against_a_plain_dict() -> None:
    rng = random.Random(3)
    mirror, plain = Mirror(), dict[int, int]()
    for _ in range(3000):
        at, size = rng.randrange(20000), rng.randrange(1, 600)
        if rng.random() < 0.3:
            mirror.forget(at, size)
            for byte in range(at, at + size):
                plain.pop(byte, None)
        else:
            data = rng.randbytes(size)
            told = mirror.update(at, data)
            for start, part in told:
                assert data[start - at : start - at + len(part)] == part
            covered = {byte for start, part in told for byte in range(start, start + len(part))}
            for offset, value in enumerate(data):
                assert at + offset in covered or plain.get(at + offset) == value
                plain[at + offset] = value
        probe, length = rng.randrange(20000), rng.randrange(1, 300)
        expected = [plain.get(byte) for byte in range(probe, probe + length)]
        try:
            assert list(mirror.read(probe, length)) == expected
        except UnknownMemory:
            assert None in expected
    held = {byte for part in mirror.ranges() for byte in range(part.start, part.end)}
    assert held == set(plain)


def test_a_tap_keeps_whole_lines() -> None:
    memory = Mirror()
    memory.store(0x1000, bytes(range(200)))
    tap = Tap(memory)
    assert tap.read(0x1005, 3) == bytes([5, 6, 7])
    assert tap.read(0x10C0, 8) == bytes(range(192, 200))  # its line isn't all there
    assert tap.take() == [(0x1000, bytes(range(64))), (0x10C0, bytes(range(192, 200)))]
    assert tap.take() == []
    with pytest.raises(UnknownMemory):
        tap.read(0x2000, 1)


def test_times() -> None:
    first = int(time.mktime((2026, 3, 5, 23, 59, 50, 0, 0, -1))) * S
    last = first + 60 * S
    assert when("start", first, last) == first and when("end", first, last) == last
    assert when("+90", first, last) == first + 90 * S and when("+1.5s", first, last) == first + 3 * S // 2
    assert when("-5s", first, last) == last - 5 * S and when("-1m", first, last) == first
    assert when("23:59:55", first, last) == first + 5 * S
    assert when("00:00:10", first, last) == first + 20 * S
    assert when("2026-03-06T00:00:10.25", first, last) == first + 20 * S + S // 4
    for bad in ("", "soon", "+", "-x", "25:00", "+nan", "-1e99"):
        with pytest.raises(UsageError):
            when(bad, first, last)
