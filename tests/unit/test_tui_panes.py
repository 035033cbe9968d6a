"""What the terminal UI's panes are made of: graphs, lines, samples, bytes, filters."""

from pathlib import Path
from typing import Any

import pytest

from support import screens, shop
from uniobs.cli.report.model import Source
from uniobs.errors import NotOffered, UnknownMemory
from uniobs.model.text import width
from uniobs_tui import graph, hexpage, source_view
from uniobs_tui.lines_view import Line, cells, columns, cut, folded, head, line, wrapped
from uniobs_tui.panes import PANES, load
from uniobs_tui.panes import locks as locks_pane
from uniobs_tui.panes.overview import OverviewPane, facts
from uniobs_tui.panes.sockets import backlog_text, filter_of, sockets_of
from uniobs_tui.samples import Sample, Samples, rate
from uniobs_tui.session import Session

S = 1_000_000_000


# --- graphs -------------------------------------------------------------------------------------------


def test_a_graph_is_as_high_as_its_values() -> None:
    lines = graph.plot([0, 1, 2, 4], 2, 1, 4.0)
    assert lines == [_cell(0, 1) + _cell(2, 4)]
    assert graph.plot([8.0] * 4, 2, 2, 8.0) == ["\u28ff\u28ff"] * 2
    assert graph.plot([None, 4.0], 1, 1, 4.0) == [_cell(None, 4)]
    assert graph.plot([], 3, 2) == ["   ", "   "]
    assert graph.plot([1.0], 0, 2) == [] == graph.plot([1.0], 2, 0)


def _cell(left: int | None, right: int | None) -> str:
    """So many dots high; 0 and 1 are one dot."""
    columns = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
    code = 0
    for dots, level in zip(columns, (left, right), strict=True):
        if level is not None:
            code |= sum(dots[: max(level, 1)])
    return chr(0x2800 + code)


def test_a_graph_shows_the_newest_values() -> None:
    values = [0.0] * 100 + [5.0, 5.0]
    assert graph.plot(values, 1, 1, 5.0) == ["\u28ff"]


def test_a_bar_is_as_long_as_its_part() -> None:
    assert graph.bar(0.5, 8) == "████    "
    assert graph.bar(0.0, 4) == "    " and graph.bar(1e-9, 4) == "▏   "
    assert graph.bar(7.0, 4) == "████" and graph.bar(-1.0, 4) == "    "
    assert graph.bar(None, 3) == "···" and graph.bar(0.5, 0) == ""


# --- lines --------------------------------------------------------------------------------------------


def test_lines_never_take_more_than_their_room() -> None:
    text = "a line of several words, one of them 漢字漢字漢字 and one averyverylongwordthatfitsnowhere"
    for room in range(1, 60):
        assert all(width(row.text) <= max(room, 2) for row in folded(text, room, indent=""))
        assert sum(width(part) for part, _ in cut(((text, ""), ("more", "dim")), room)) <= room
    assert [row.text for row in wrapped("one two three", 7)] == ["one two", "three"]
    assert [row.text for row in folded("  a  b", 80)] == ["  a  b"]


def test_folded_lines_lose_nothing() -> None:
    text = "  worker-a   holds accounts   waits for ledger     at breakage.c:75  transfer_a"
    rows = [row.text for row in folded(text, 40, indent="      ")]
    assert all(len(row) <= 40 for row in rows)
    assert " ".join(" ".join(rows).split()) == " ".join(text.split())


def test_guests_cant_steer_the_terminal_through_lines() -> None:
    evil = "\x1b[2Jname\u202e"
    assert "\x1b" not in "".join(text for text, _ in cut(((evil, ""),), 80))
    assert all("\x1b" not in row.text for row in (*folded(evil, 80), *wrapped(evil, 80)))
    assert "\x1b" not in "".join(cells([(evil, "x")]))


def test_columns_stand_beside_each_other() -> None:
    rows = columns([line("ab"), line("c")], [line("x"), line("y"), line("z")], 4, 1)
    assert [row.text for row in rows] == ["ab   x", "c    y", "     z"]
    assert columns([line("toolong")], [line("x")], 4, 1)[0].text == "too… x"
    assert head("Title", 12, "note").text == "Title ─ note"
    assert Line().text == ""


# --- samples ------------------------------------------------------------------------------------------


def sample(at: int, **values: Any) -> Sample:
    plain: dict[str, Any] = dict.fromkeys(Sample._fields)
    return Sample(**{**plain, "at": at, "idle_threads": 1, **values})


def test_rates_are_between_two_looks() -> None:
    old = sample(10 * S, now_ns=0, received=10, sent=10, events=100, idle_ns=0, heap_used=5)
    new = sample(12 * S, now_ns=2 * S, received=20, sent=12, events=100, idle_ns=S, heap_used=7)
    found = rate(old, new)
    assert (found.busy, found.packets, found.events, found.heap) == (50.0, 6.0, 0.0, 7.0)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"received": 10, "sent": 0}, {"received": 5, "sent": 0}),  # it booted anew
        ({"received": None, "sent": 0}, {"received": 5, "sent": 0}),
        ({"received": 1, "sent": 0, "at": 1}, {"received": 5, "sent": 0}),  # too long ago to say anything
    ],
)
def test_what_cant_be_told_is_unknown(old: dict[str, Any], new: dict[str, Any]) -> None:
    first = sample(**{"at": 99 * S, **old})
    assert rate(first, sample(100 * S, **new)).packets is None


def test_a_guest_whose_clock_stands_still_has_no_cpu_shares() -> None:
    samples = Samples()
    samples._put(sample(S, now_ns=5, idle_ns=0, threads={1: (0, 0)}))
    samples._put(sample(2 * S, now_ns=5, idle_ns=0, threads={1: (0, 0)}))
    assert samples.shares(None) == {} and samples.rates(None, 9)[0].busy is None


def test_shares_are_of_the_same_thread() -> None:
    samples = Samples()
    samples._put(sample(S, now_ns=0, threads={1: (0, 0), 2: (0, 0), 3: (0, 0)}))
    samples._put(sample(2 * S, now_ns=S, threads={1: (S // 4, 0), 2: (S // 4, 7), 4: (S, 0)}))
    assert samples.shares(None) == {1: 25.0}  # 2 is another one with the same id


def test_samples_are_bounded() -> None:
    samples = Samples()
    for n in range(3000):
        samples._put(sample(n * S, threads=dict.fromkeys(range(300), (0, 0))))
    assert len(samples._rows) == 1200
    assert sum(row.threads is not None for row in samples._rows) == 90


def test_a_recording_has_a_past(tmp_path: Path) -> None:
    session = Session(str(screens.recorded_shop(tmp_path / "shop.uniobs")))
    try:
        at = session.moment
        assert at is not None
        while session.samples.fill(session, at):
            pass
        assert len(session.samples.until(at)) == 21
        assert len(session.samples.until(at - 10 * S)) == 11
        shares = session.samples.shares(at - 10 * S)
        assert shares[3] == pytest.approx(0.3, abs=0.1)  # 3 ms each second
        session.seek(at - 15 * S)
        assert not session.samples.fill(session, session.moment or 0)
    finally:
        session.close()


# --- bytes --------------------------------------------------------------------------------------------


class Holes:
    """Memory that holds every address but those of ``missing``."""

    def __init__(self, missing: set[int]) -> None:
        self.missing, self.reads = missing, 0

    def read(self, address: int, size: int) -> bytes:
        self.reads += 1
        if any(at in self.missing for at in range(address, address + size)):
            raise UnknownMemory(address, size)
        return bytes(at & 0xFF for at in range(address, address + size))


def test_unknown_bytes_are_told_one_by_one() -> None:
    space = Holes({3, 9, 10})
    found = hexpage.known(space, 0, 16)
    assert [n for n, byte in enumerate(found) if byte is None] == [3, 9, 10]
    assert found[4] == 4
    assert hexpage.word_of(found[:8]) is None
    assert hexpage.word_of(hexpage.known(space, 16, 8)) == 0x1716151413121110


def test_memory_ends_at_the_last_address() -> None:
    found = hexpage.known(Holes(set()), hexpage.TOP - 4, 8)
    assert len(found) == 8 and found[4:] == (None,) * 4


def test_bytes_as_lines() -> None:
    row = hexpage.Row(0x1000, (65, None, 0, 27, 255, 66, 67, 68), "ticks", ())
    page = hexpage.Page(0x1000, 8, False, (row,), "", 1)
    text = hexpage.lines(page, 0x1000, 80)[0].text
    assert text.startswith("00001000  41 ?? 00 1b ff 42 43 44 │A?···BCD│ ticks")


# --- views --------------------------------------------------------------------------------------------


def socket(**values: Any) -> dict[str, Any]:
    return {"kind": "tcp", "lport": 80, "raddr": None, "rport": None, "state": "LISTEN", **values}


def test_a_sockets_packets_are_found_by_its_ends() -> None:
    assert filter_of(socket()) == "tcp port 80"
    ends = socket(raddr="10.0.2.2", rport=51544)
    assert filter_of(ends) == "tcp and port 80 and host 10.0.2.2 and port 51544"
    assert filter_of(socket(kind="raw")) is None and filter_of(socket(lport=None)) is None


def test_backlogs_are_bars() -> None:
    assert backlog_text(socket(backlog=2, backlog_max=4)) == "███    2/4"
    assert backlog_text(socket(backlog=2, backlog_max=None)) == "2"
    assert backlog_text(socket(backlog=None, backlog_max=4)) == ""
    assert backlog_text(socket(state="ESTAB", backlog=1, backlog_max=4)) == ""


@pytest.fixture
def dead(tmp_path: Path) -> Any:
    session = Session(str(shop.write(tmp_path / "shop.ram", shop.crashed(shop.shop()))))
    yield session
    session.close()


def test_circles_are_drawn(dead: Session) -> None:
    found = locks_pane.locks_of(dead.target, None)
    text = "\n".join(row.text for row in locks_pane.graph_lines(found, 80))
    assert "DEADLOCK: a circle of 2 threads" in text
    assert "worker-a (tid 3)  holds lock_a" in text and "waits for lock_b, which worker-b holds" in text
    assert len(found.source) == 3
    assert [found.source.row(n)["name"] for n in range(2)] == ["lock_a", "lock_b"]
    only = locks_pane.locks_of(dead.target, 6)
    assert [only.source.row(n)["name"] for n in range(len(only.source))] == ["queue.filled"]


def test_the_overview_of_a_dead_guest(dead: Session) -> None:
    pane = OverviewPane()
    found = facts(dead, pane._judge)
    assert found.crashed == 3 and found.threads[0].tid == 3 and found.rates == ()
    assert dict(found.sockets or ()) == {"LISTEN": 1, "ESTAB": 1, "UNCONN": 1, "TIME-WAIT": 1}
    assert found.verdict.style == "bad"


def test_sockets_of_one_thread(dead: Session) -> None:
    assert len(sockets_of(dead.target, None).source) == 4
    assert [row["lport"] for row in sockets_of(dead.target, 2).source.table.rows] == [7]


def test_every_view_can_be_loaded() -> None:
    for info in PANES:
        kind = load(info)
        assert kind.name_ == info.name and kind.key_ == info.key and kind.title == info.title


def test_a_view_says_whether_a_guest_has_it() -> None:
    class Nothing:
        def walker(self, question: str) -> Any:
            raise NotOffered(question)

    assert not load(next(info for info in PANES if info.name == "locks")).applies_to(Nothing())


# --- stacks -------------------------------------------------------------------------------------------


def stack(*frames: source_view.FrameText, **values: Any) -> source_view.StackText:
    plain: dict[str, Any] = dict.fromkeys(source_view.StackText._fields)
    told = {"tid": 3, "title": "worker-a (tid 3)", "error": "", "note": "", "code_why": ""}
    return source_view.StackText(**{**plain, **told, "frames": frames, **values})


def frame(level: int, name: str = "fall", how: str = "cfi", sure: bool = True) -> source_view.FrameText:
    return source_view.FrameText(level, 0x1000 + level, name, "main.c:7", how, sure)


def test_recursion_is_told_once() -> None:
    deep = [*(frame(n) for n in range(300)), frame(300, "main")]
    rows = [row.text for row in source_view.frame_lines(stack(*deep), 60)]
    assert len(rows) == 6 and "297 more of the same" in rows[4] and rows[-1].startswith("#300 main")


def test_frames_that_may_be_wrong_look_so() -> None:
    found = source_view.frame_lines(stack(frame(0), frame(1, "main", "found by scanning", False)), 60)
    assert [spans[-1][1] for spans in (found[1].spans, found[2].spans)] == ["dim", "warn"]
    assert [row.key for row in found] == [None, 0, 1]


def test_source_is_shown_around_the_line_that_matters() -> None:
    source = Source("/src/main.c", 50, "/src/main.c", 30, tuple(f"line {n}" for n in range(30, 71)))
    for height in range(1, 60):
        rows = [row.text for row in source_view.source_lines(source, 40, height)]
        assert any(row.startswith("▶ 50  line 50") for row in rows)
        assert len(rows) <= max(height, 2)


def test_what_isnt_known_of_a_frame_is_said() -> None:
    found = stack(frame(0), level=0, code_why="its instructions can't be read")
    text = "\n".join(row.text for row in source_view.detail_lines(found, 80, 20))
    assert "which line it is isn't known" in text and "its instructions can't be read" in text
    assert source_view.detail_lines(stack(), 80, 20) == []
