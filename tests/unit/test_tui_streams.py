"""Streams over time: what passed through a guest's rings, exact at any moment; live, played, dead."""

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.server import Server, frame
from uniobs.errors import NotOffered
from uniobs.export.recorder import Recorder
from uniobs.export.recording import RecordingWriter
from uniobs.region import _abi
from uniobs.target.guest import Guest
from uniobs.target.origin import Origin
from uniobs.target.recorded import recorded
from uniobs_tui import streamlog
from uniobs_tui.calls_rows import CallRows
from uniobs_tui.log_rows import LogRows
from uniobs_tui.packet_rows import PacketRows
from uniobs_tui.ring import PAGE, Ring, Row
from uniobs_tui.session import Session
from uniobs_tui.streamlog import StreamSource, feeder

S = 1_000_000_000


def texts(source: StreamSource) -> list[str]:
    return [cells[-1] for cells in source.cells(0, len(source))]


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Any:
    """(a session, the guest that it watches)"""
    server = Server()
    monkeypatch.setattr("uniobs_tui.session.open_target", lambda *_, **__: server.guest)
    opened = Session("kv")
    yield opened, server
    opened.close()


# --- the ring -----------------------------------------------------------------------------------------


def test_a_ring_drops_its_oldest_and_views_keep_theirs() -> None:
    ring = Ring(bytes_max=200_000)
    views = []
    for number in range(20_000):
        ring.append(Row(number, (f"row {number}", "x" * 40), "bad" if number % 3 else "", number % 7, number))
        if number in (100, 5_000):
            views.append(ring.rows())
    assert 0 < ring.first < ring.stop == 20_000 and ring.first % PAGE == 0
    assert ring.size < 300_000
    for view, stop in zip(views, (101, 5_001), strict=True):
        assert view.stop == stop
        for number in range(view.first, stop, 50):
            assert view.cells(number) == (f"row {number}", "x" * 40)
            assert (view.tid(number), view.number(number), view.stamp(number)) == (number % 7, number, number)
            assert view.look(number) == ("bad" if number % 3 else "")
    assert ring.after(19_000) == 19_001 and ring.after(5) == ring.first and ring.after(1 << 60) == ring.stop


def test_a_ring_takes_any_row() -> None:
    ring = Ring()
    ring.append(Row(1 << 70, ("a" * 9000, "\udc80"), tid=1 << 80, number=1 << 90, data=b"\x00\xff"))
    rows = ring.rows()
    assert len(rows.cells(0)[0]) == 4096 and rows.number(0) is None and rows.data(0) == b"\x00\xff"


# --- live ---------------------------------------------------------------------------------------------


def test_stepping_back_shows_exactly_what_had_passed(session: Any) -> None:
    here, server = session
    rng = random.Random(7)
    logged: dict[int, list[str]] = {}
    packets: dict[int, int] = {}
    calls: dict[int, list[str]] = {}
    lines: list[str] = []
    made: list[str] = []
    for step in range(12):
        for _ in range(rng.randrange(4)):
            lines.append(f"line {len(lines)}")
            server.log(lines[-1].encode())
        for _ in range(rng.randrange(5)):
            server.packet(frame(b"x", seq=len(packets)))
        for _ in range(rng.randrange(6)):
            made.append(f"send({len(made)}) = {len(made)}")
            server.call(3, "send", len(made) - 1, len(made) - 1)
        server.sync()
        here.look()
        moment = here.bounds()[1]
        logged[moment], packets[moment] = list(lines), server.packet_ring.head
        calls[moment] = list(made)
        server.log(b"line %d" % len(lines))  # after this moment, and before the panes ask
        lines.append(f"line {len(lines)}")
        server.sync()
        if step % 3 == 0:
            here.streams.source("log")
    assert texts(here.streams.source("log")) == lines
    for moment in rng.sample(sorted(logged), len(logged)):
        here.seek(moment)
        assert texts(here.streams.source("log")) == logged[moment]
        assert len(here.streams.source("packets")) == packets[moment]
        assert [text for text in texts(here.streams.source("trace")) if text[:4] == "send"] == calls[moment]
    here.follow()
    assert texts(here.streams.source("log")) == lines, "now goes on"


def test_what_threads_were_in_at_a_moment(session: Any) -> None:
    here, server = session
    waits = server.accept(3, 40001)
    server.sync()
    here.look()
    here.look()
    before = here.bounds()[1]
    waits.leave(5)
    server.accept(4, 40002)
    server.sync()
    here.look()
    source = here.streams.source("trace")
    assert [(row.tid, row.cells[1], row.cells[3]) for row in source.open_rows] == [
        (4, "worker-2", "accept(3,  <unfinished ...>")
    ]
    assert texts(source)[-1].endswith('sin_addr=inet_addr("10.0.2.2")}) = 5')
    here.seek(before)
    source = here.streams.source("trace")
    assert [(row.tid, row.cells[1]) for row in source.open_rows] == [(3, "worker-1")]
    assert not any("= 5" in text for text in texts(source))


def test_losses_are_lines(session: Any) -> None:
    here, server = session
    here.look()
    here.look()
    for number in range(200):
        server.log(b"line %d" % number)
    server.sync()
    found = texts(here.streams.source("log"))
    lost = next(n for n, text in enumerate(found) if "lost" in text)
    assert found[lost].startswith("-- ") and "slots lost: overwritten" in found[lost]
    assert found[lost + 1 :] == [f"line {n}" for n in range(200 - len(found) + lost + 1, 200)]
    source = here.streams.source("log")
    assert source.style(lost) == "warn" and source.is_note(lost)


def test_a_guest_that_boots_again(session: Any) -> None:
    here, server = session
    server.log(b"first life")
    server.sync()
    here.look()
    here.look()
    before = here.bounds()[1]
    server.reboot()
    server.log(b"second life")
    server.sync()
    here.look()
    assert texts(here.streams.source("log")) == ["first life", "-- the guest began anew", "second life"]
    here.seek(before)
    assert texts(here.streams.source("log")) == ["first life"]
    here.seek(here.bounds()[1])
    assert texts(here.streams.source("log"))[-1] == "second life"


def test_a_guest_that_goes_away(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from uniobs.errors import TargetGone

    here, server = session
    server.log(b"last words")
    server.sync()
    here.look()
    here.look()

    def read(address: int, size: int) -> bytes:
        raise TargetGone("pid 1 is gone")

    monkeypatch.setattr(server.memory, "read", read)
    here.look()
    assert here.gone is not None
    assert texts(here.streams.source("log")) == ["last words"]


def test_a_guest_without_rings() -> None:
    class Nothing:
        name, live, kind = "plain", True, "vm"
        region = None

        def walker(self, question: str) -> Any:
            raise NotOffered(f"plain carries no region, so its {question} can't be told")

    here = SimpleNamespace(guest=Nothing(), moment=None, gone=None, target=None)
    streams = streamlog_streams(here)
    for _ in range(30):
        streams.look()
    with pytest.raises(NotOffered, match="carries no region"):
        streams.source("packets")


def streamlog_streams(session: Any) -> Any:
    from uniobs_tui.streams import Streams

    return Streams(session)


# --- played, dead -------------------------------------------------------------------------------------


def recording(path: Path, moments: int) -> list[int]:
    """Two lines and a packet each second; how many lines there were at each moment."""
    server = Server()
    writer = RecordingWriter(str(path))
    counts = []
    try:
        recorder = Recorder(server.guest, writer.chunk)
        for second in range(moments):
            server.log(b"tick %d" % (2 * second))
            server.log(b"tick %d" % (2 * second + 1))
            server.packet(frame(b"GET / HTTP/1.1\r\n"))
            server.sync()
            recorder.tick((second + 1) * S)
            counts.append(2 * second + 2)
        recorder.flush()
    finally:
        writer.close()
    return counts


def test_a_recording_is_played_as_far_as_it_is_looked_at(tmp_path: Path) -> None:
    counts = recording(tmp_path / "kv", 30)
    guest: Any = recorded(str(tmp_path / "kv"))
    try:
        player = feeder(LogRows(), guest)
        for second in (5, 3, 29, 0, 17):
            guest.seek((second + 1) * S)
            here = SimpleNamespace(moment=guest.playback.now, target=guest)
            source = player.source(here)
            assert source.progress == 1 and len(source) == counts[second]
            assert texts(source)[-1] == f"tick {counts[second] - 1}"
    finally:
        guest.close()


def test_a_long_recording_is_played_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording(tmp_path / "kv", 12)
    monkeypatch.setattr(streamlog, "PLAY_S", -1.0)  # time is up at once
    guest: Any = recorded(str(tmp_path / "kv"))
    try:
        player = feeder(PacketRows(), guest)
        here = SimpleNamespace(moment=guest.playback.now, target=guest)
        source = player.source(here)
        assert source.progress < 1 and "reading" in source.note
        monkeypatch.setattr(streamlog, "PLAY_S", 5.0)
        source = player.source(here)
        assert source.progress == 1 and source.note == "" and len(source) == 12
    finally:
        guest.close()


def test_a_dead_guest() -> None:
    server = Server()
    server.log(b"the end")
    server.accept(3, 1)
    memory = server.builder.memory()
    guest = Guest(Origin("kv.core", "core", "qemu", memory, False, lambda _: server.builder.base))
    here = SimpleNamespace(moment=None, target=guest)
    assert texts(feeder(LogRows(), guest).source(here)) == ["the end"]
    source = feeder(CallRows(), guest).source(here)
    assert texts(source)[0] == "listen(3, 4) = 0" and source.style(1) == "dim"
    assert [row.cells[1] for row in source.open_rows] == ["worker-1"]


# --- rows ---------------------------------------------------------------------------------------------


def test_packets_as_rows() -> None:
    server = Server()
    for one in (
        frame(flags=2),
        frame(b"GET /\x1b[2J HTTP/1.1\r\nHost: a\r\n"),
        frame(flags=4, out=True),
        b"\xff" * 12 + b"\x08\x06" + bytes.fromhex("0001080006040001") + bytes(20),
        b"\x00" * 5,
        b"\xff" * 12 + b"\x86\xdd" + bytes(30),
    ):
        server.packet(one)
    guest = Guest(Origin("k", "core", "", server.builder.memory(), False, lambda _: server.builder.base))
    source = feeder(PacketRows(), guest).source(SimpleNamespace(moment=None, target=guest))
    rows = source.cells(0, len(source))
    assert [(row[1], source.style(n)) for n, row in enumerate(rows)] == [
        ("TCP", "dim"), ("HTTP", "good"), ("TCP", "bad"), ("ARP", "dim"), ("", "dim"), ("", "dim"),
    ]  # fmt: skip
    assert rows[0][3:5] == ("10.0.2.2.40000", "10.0.2.15.80")
    assert rows[1][5].startswith("GET /") and all(cell.isprintable() for row in rows for cell in row)
    assert list(source.values(2, range(3))) == [54, source.number(1), 54]
    assert source.data(1)[-9:] == b"Host: a\r\n"


def test_calls_as_rows() -> None:
    server = Server()
    server.accept(3, 40000).leave(5)
    path = [(_abi.ARG_PATH, b"/\x1b]0;x\x07"), (_abi.ARG_OPEN_FLAGS, 0)]
    server.calls.call(server.trace_ring, 3, "open", path, -2)
    guest = Guest(Origin("k", "core", "", server.builder.memory(), False, lambda _: server.builder.base))
    source = feeder(CallRows(), guest).source(SimpleNamespace(moment=None, target=guest))
    rows = source.cells(0, len(source))
    said = r'open("/\33]0;x\7", O_RDONLY) = -1 ENOENT (No such file or directory)'
    assert rows[-1][1:] == ("worker-1", "1us", said)
    assert source.style(len(source) - 1) == "bad" and source.tid(len(source) - 1) == 3
    assert source.values(2, [len(source) - 1]) == [1000]


def test_times_of_any_clock() -> None:
    from uniobs_tui.stamps import Stamps

    stamps = Stamps()
    assert stamps.text(None, None) == "-" and stamps.text(None, 12_345_678_901) == "12.345678"
    assert stamps.text(1_700_000_000_123_456_789, 1).endswith(".123456")
    assert stamps.text((1 << 64) - 1, 1) and stamps.text(1 << 90, 1)
