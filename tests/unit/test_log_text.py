"""dmesg's lines."""

import json

import pytest

from uniobs.errors import UsageError
from uniobs.model.guest import LogLine
from uniobs_probes.views.log_text import LogFormatter, LogOptions, parse_levels

LINE = LogLine(0, 1_234_567_890, 6, 2, "net: link up")


def test_a_line() -> None:
    assert LogFormatter(LogOptions()).text(LINE) == "[    1.234567] net: link up"


def test_wall_time(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    text = LogFormatter(LogOptions(wall=True, wall_ns=1_700_000_000 * 10**9)).text(LINE)
    assert text == "[Tue Nov 14 22:13:21 2023] net: link up"
    assert LogFormatter(LogOptions(wall=True)).text(LINE) == "[    1.234567] net: link up"


def test_an_unknown_time_and_a_cut_line() -> None:
    line = LogLine(0, None, 6, 2, "x", truncated=True)
    assert LogFormatter(LogOptions()).text(line) == "[           ?] x [cut by the guest]"


def test_escapes_are_neutralised() -> None:
    line = LogLine(0, 0, 6, 2, "a\x1b[2Jb\x07")
    assert LogFormatter(LogOptions(times=False)).text(line) == "a\\x1b[2Jb\\x07"


def test_levels() -> None:
    assert parse_levels("err,warn") == {3, 4}
    assert parse_levels("err+") == {0, 1, 2, 3}
    assert parse_levels("+notice") == {5, 6, 7}
    assert parse_levels("3") == {3}
    for wrong in ("nosuch", "", "9", "-1"):
        with pytest.raises(UsageError):
            parse_levels(wrong)
    assert LogFormatter(LogOptions(levels=parse_levels("err"))).text(LINE) is None
    assert LogFormatter(LogOptions(decode=True)).text(LINE) == "kern  :info  : [    1.234567] net: link up"


def test_json() -> None:
    text = LogFormatter(LogOptions()).json(LINE)
    assert text is not None
    assert json.loads(text)["msg"] == "net: link up"
    assert json.loads(text)["time_ns"] == 1_234_567_890
