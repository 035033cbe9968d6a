"""What reaches the terminal: nothing of a guest's can steer it, colours only where asked for."""

import io
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uniobs.cli.output import Output
from uniobs.cli.render import envelope, json_rows, text_lines
from uniobs.model.text import clock_text, pad, safe, size_text, span_text, width
from uniobs.model.view import Column, Table

HOSTILE = [
    *("\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\r", "\n", "\b", "\x7f", "\x00"),
    *("\u202e", "\u2066", "\u200b", "\u2028", "\ud800", "\ue000", "\U000e0041", "\ufeff"),
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_characters_are_escaped(text: str) -> None:
    shown = safe(f"a{text}b")
    assert shown.isprintable()
    assert shown.startswith("a\\") or "\\" in shown


def test_plain_text_stays() -> None:
    assert safe("worker-1 Zoë 漢字 é") == "worker-1 Zoë 漢字 é"


def test_runs_of_marks_are_cut() -> None:
    assert len(safe("e" + "\u0301" * 50)) == 3


@given(st.text())
def test_any_text_is_safe(text: str) -> None:
    shown = safe(text)
    assert all(unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for char in shown)


@given(st.text())
def test_any_line_is_one_line_on_both_streams(text: str) -> None:
    out, err = io.StringIO(), io.StringIO()
    output = Output(out, err)
    output.line(text)
    output.notice(text)
    for stream in (out, err):
        shown = stream.getvalue()
        assert shown.endswith("\n")
        assert shown[:-1].replace("\t", "").isprintable()


@given(st.dictionaries(st.text(), st.text()))
def test_json_keeps_the_text_and_is_plain_ascii(row: dict[str, str]) -> None:
    out = io.StringIO()
    Output(out, io.StringIO(), json=True).object(row)
    text = out.getvalue()
    assert text.count("\n") == 1
    assert all(32 <= ord(char) < 127 for char in text[:-1])
    assert json.loads(text) == row


def test_notices_are_said_once() -> None:
    err = io.StringIO()
    output = Output(io.StringIO(), err)
    output.notice("one")
    output.notice("one")
    assert err.getvalue() == "uniobs: one\n"


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "asked", "no_color", "colored"),
    [
        (Tty(), "auto", "", True),
        (Tty(), "auto", "1", False),
        (Tty(), "never", "", False),
        (io.StringIO(), "auto", "", False),
        (io.StringIO(), "always", "", True),
    ],
)
def test_color(
    stream: io.StringIO, asked: str, no_color: str, colored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("TERM", "xterm")
    Output(stream, io.StringIO(), color=asked).line("text", "bad")
    assert ("\x1b[" in stream.getvalue()) == colored


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    columns = (Column("a", "A", "right", width=4), Column("b", "NAME"), Column("c", "C"))
    rows = [{"a": 1, "b": "漢字", "c": None}, {"a": 23, "b": "x\x1b", "c": True}]
    assert text_lines(Table(columns, rows, caption="cap")) == [
        "cap",
        "   A NAME  C",
        "   1 漢字  -",
        "  23 x\\x1b yes",
    ]


def test_json_rows_carry_every_field_unless_told() -> None:
    rows = [{"a": 1, "b": 2}]
    assert json_rows(Table((Column("a", "A"),), rows)) == rows
    assert json_rows(Table((Column("a", "A"),), rows, json_keys=("b",))) == [{"b": 2}]


def test_envelope() -> None:
    assert envelope("ps", "kv", [], ("n",), True) == {
        "schema": 1, "view": "ps", "target": "kv", "rows": [], "notes": ["n"], "complete": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (None, "-"), (0, "0us"), (60_000_000, "60ms"), (1_234_000_000, "1.2s"), (59_960_000_000, "59s"),
        (190_000_000_000, "3m10s"), (7_500_000_000_000, "2h05m"), (360_000_000_000_000, "4d04h"),
    ],
)  # fmt: skip
def test_spans(ns: int | None, text: str) -> None:
    assert span_text(ns) == text


@pytest.mark.parametrize(
    ("size", "text"), [(None, "-"), (0, "0"), (512, "512"), (6246, "6.1K"), (65536, "64K"), (3 << 40, "3T")]
)
def test_sizes(size: int | None, text: str) -> None:
    assert size_text(size) == text


def test_cpu_time_and_padding() -> None:
    assert clock_text(120_000_000) == "00:00.12"
    assert clock_text(None) == "-"
    assert pad("漢", 4) == "漢  "
    assert width("e\u0301") == 1
