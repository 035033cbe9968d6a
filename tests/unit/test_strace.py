"""strace's lines where threads interleave, halves are lost, options choose."""

import re
from typing import Any

import pytest

from tests.support.calls import CallWriter
from tests.support.region_builder import RegionBuilder, RingState, sockaddr
from uniobs.errors import UsageError
from uniobs.model.guest import Event, Loss, Socket
from uniobs.region import _abi
from uniobs.region.follow import TraceFollow
from uniobs.region.reader import Region
from uniobs_probes.views.strace import StraceFormatter, StraceOptions
from uniobs_probes.views.strace_args import flags, quoted, returned
from uniobs_probes.views.strace_calls import pair
from uniobs_probes.views.strace_filter import parse_filter
from uniobs_probes.views.strace_names import MSG_FLAGS

FD, SIZE, BUF, PATH = _abi.ARG_FD, _abi.ARG_SIZE, _abi.ARG_BUF, _abi.ARG_PATH
NAMES = {1: "main", 2: "worker-1"}


class Trace:
    """A guest that made calls."""

    def __init__(self, slots: int = 256, **header: int) -> None:
        self.builder = RegionBuilder(**header)
        self.ring: RingState = self.builder.trace(slots)
        self.write = CallWriter(self.builder)

    def lines(self, **options: object) -> list[str]:
        formatter, events = self.formatter(**options)
        return formatter.feed(events) + formatter.close()

    def formatter(self, **options: object) -> tuple[StraceFormatter, list[Event]]:
        region = Region(self.builder.memory(), self.builder.base)
        follow = TraceFollow(region)
        chosen = StraceOptions(region.clock, names=NAMES, arities=follow.arities(), **options)
        events = follow.poll()
        self.loss = follow.loss
        return StraceFormatter(chosen), events

    def close(self, tid: int = 1, fd: int = 3, result: int = 0) -> None:
        self.write.call(self.ring, tid, "close", [(FD, fd)], result)

    def open(self, text: bytes = b"/x", result: int = 3) -> None:
        self.write.call(self.ring, 1, "open", [(PATH, text), (_abi.ARG_OPEN_FLAGS, 0)], result)


RECV = [(FD, 7), None, (SIZE, 64), (_abi.ARG_MSG_FLAGS, 0)]


def test_results_begin_in_column_forty() -> None:
    t = Trace()
    t.close()
    (line,) = t.lines()
    assert line == "close(3)                                = 0"


def test_calls_that_interleave() -> None:
    t = Trace()
    shown = '{sa_family=AF_INET, sin_port=htons(5), sin_addr=inet_addr("1.2.3.4")}'
    peer = (1, _abi.ARG_SOCKADDR, sockaddr(1, 2, 3, 4, 5))
    accept = t.write.enter(t.ring, 1, "accept", [(FD, 3), None], [peer])
    recv = t.write.enter(t.ring, 2, "recv", RECV, [(1, BUF, b"hello")])
    accept.leave(7)
    recv.leave(5)
    t.close(1, 7)
    assert t.lines(threads=True) == [
        "[main] accept(3,  <unfinished ...>",
        "[worker-1] recv(7,  <unfinished ...>",
        f"[main] <... accept resumed>{shown}) = 7",
        '[worker-1] <... recv resumed>"hello", 64, 0) = 5',
        "[main] close(7)                         = 0",
    ]


def test_nested_calls_of_one_thread() -> None:
    t = Trace()
    outer = t.write.enter(t.ring, 1, "write", [(FD, 1), (BUF, b"x"), (SIZE, 1)])
    inner = t.write.enter(t.ring, 1, "send", [(FD, 9), (BUF, b"x"), (SIZE, 1)])
    inner.leave(1)
    outer.leave(1)
    assert t.lines() == [
        'write(1, "x", 1 <unfinished ...>',
        'send(9, "x", 1)                         = 1',
        "<... write resumed>)                    = 1",
    ]


def test_a_call_open_at_death() -> None:
    t = Trace()
    t.write.enter(t.ring, 2, "recv", RECV, [(1, BUF, b"")])
    formatter, events = t.formatter(threads=True)
    assert formatter.feed(events) == []
    assert formatter.close() == ["[worker-1] recv(7,  <unfinished ...>"]
    assert formatter.closing(Loss()) == "1 events shown, 0 lost, 0 torn"


def test_an_exit_whose_entry_was_lost() -> None:
    t = Trace(16)
    recv = t.write.enter(t.ring, 1, "recv", RECV, [(1, BUF, b"hello")])
    for _ in range(7):
        t.close(2)
    recv.leave(5)
    formatter, events = t.formatter(durations=True)
    lines = formatter.feed(events)
    assert re.fullmatch(r'<\.\.\. recv resumed>"hello", \?, \?\) += 5 <0\.000015>', lines[-1])
    assert t.loss.lost > 0
    assert pair(events)[-1].enter is None


def test_an_entry_whose_exit_was_lost_is_not_paired_with_a_later_exit() -> None:
    t = Trace()
    t.write.enter(t.ring, 1, "close", [(FD, 3)])
    t.close(1, 4, result=-9)
    assert t.lines() == [
        "close(3 <unfinished ...>",
        "close(4)                                = -1 EBADF (Bad file descriptor)",
    ]


def test_stamps() -> None:
    t = Trace()
    t.close()
    t.close()
    first, second = t.lines(stamp="ttt")
    assert first.startswith("1700000000.001001 close(3)")
    assert second.startswith("1700000000.001003 close(3)")
    assert re.match(r"\d\d:\d\d:\d\d\.001001 close", t.lines(stamp="tt")[0])
    assert re.match(r"\d\d:\d\d:\d\d close", t.lines(stamp="t")[0])
    assert [line[:14] for line in t.lines(stamp="r")] == ["     0.000000 ", "     0.000002 "]


def test_what_an_uncalibrated_clock_leaves_unknown() -> None:
    t = Trace(tsc_khz=0)
    t.close()
    (line,) = t.lines(stamp="tt", durations=True)
    assert line.startswith("? close(3)")
    assert line.endswith("= 0 <unavailable>")


def test_filters_and_outcomes() -> None:
    t = Trace()
    t.open()
    t.open(b"/y", -2)
    t.close()
    t.close(2)
    assert len(t.lines(only=parse_filter("trace=open"))) == 2
    assert len(t.lines(only=parse_filter("!open"))) == 2
    assert len(t.lines(only=parse_filter("%file"))) == 2
    assert len(t.lines(only=parse_filter("/^cl"))) == 2
    assert len(t.lines(tids=frozenset({2}))) == 1
    assert [line[:9] for line in t.lines(outcome="ok")] == ['open("/x"', "close(3) ", "close(3) "]
    assert [line[:9] for line in t.lines(outcome="failed")] == ['open("/y"']


@pytest.mark.parametrize("text", ["%nosuch", "abbrev=all", "", "/(", "nosuchcall"])
def test_filters_that_mean_nothing(text: str) -> None:
    with pytest.raises(UsageError):
        parse_filter(text, known=["open"])


def test_descriptors_are_named_only_when_proven() -> None:
    t = Trace()
    t.close(1, 7)
    formatter, events = t.formatter(descriptors=True)
    opened = events[0].time_ns
    assert opened is not None
    ends: Any = {"laddr": "10.0.2.15", "lport": 80, "raddr": "10.0.2.2", "rport": 5}
    row = Socket(1, "tcp", "ESTAB", 7, opened_ns=opened, **ends)
    listener = Socket(1, "tcp", "LISTEN", 7, laddr="0.0.0.0", lport=80, rport=0, opened_ns=0)
    cases = {
        "7<TCP:[10.0.2.15:80->10.0.2.2:5]>": [row],
        "7": [],
        "7<TCP:[0.0.0.0:80]>": [listener],
        "7</etc/x>": [Socket(1, "file", None, 7, path="/etc/x", opened_ns=0)],
    }
    for shown, rows in cases.items():
        formatter, events = t.formatter(descriptors=True)
        formatter.sockets = rows
        assert formatter.feed(events)[0].startswith(f"close({shown})")
    for unproven in (Socket(1, "tcp", "ESTAB", 7, opened_ns=opened + 1), Socket(1, fd=7, torn=True)):
        formatter, events = t.formatter(descriptors=True)
        formatter.sockets = [unproven]
        assert formatter.feed(events)[0].startswith("close(7) ")


def test_the_closing_line_says_what_was_not_seen() -> None:
    t = Trace()
    t.close()
    formatter, events = t.formatter()
    formatter.feed(events)
    assert formatter.closing(Loss()) == "1 events shown, 0 lost, 0 torn"
    said = formatter.closing(Loss(7, 2, 1, 1))
    assert said.startswith("1 events shown, 7 slots lost, 2 torn, 1 cut short")
    assert "1 garbled" in said


def test_a_cut_buffer_and_odd_bytes() -> None:
    assert quoted(b"x" * 32, 32) == '"' + "x" * 32 + '"'
    assert quoted(b"x" * 32, 33) == '"' + "x" * 32 + '"...'
    assert quoted(b"x" * 40, 40, 8) == '"xxxxxxxx"...'
    assert quoted(b"\x1b[2J\0" + b"7\r\n", 8) == '"\\33[2J\\0007\\r\\n"'


def test_flags_without_a_name() -> None:
    assert flags(0x40 | 0x80000000, MSG_FLAGS, "MSG_???") == "MSG_DONTWAIT|0x80000000"
    assert flags(0x80000000, MSG_FLAGS, "MSG_???") == "0x80000000 /* MSG_??? */"
    assert flags(0, MSG_FLAGS, "MSG_???") == "0"


def test_results() -> None:
    assert returned(-2) == "-1 ENOENT (No such file or directory)"
    assert returned(-4000) == "-1 (errno 4000)"
    assert returned(-5000) == "-5000"
    assert returned(12) == "12"
