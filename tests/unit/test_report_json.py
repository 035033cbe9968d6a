"""The report as JSON: what docs/report.md promises is there, and nothing is there that it doesn't name."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from support.shop import crashed, shop, write
from uniobs.cli.main import main
from uniobs.cli.report.build import KEYS
from uniobs.cli.report.cause import place_text
from uniobs.cli.report.model import FrameRow
from uniobs.cli.report.words import function
from uniobs.cli.stacks import frame_name
from uniobs.model.guest import Frame

DOC = (Path(__file__).parents[2] / "docs" / "report.md").read_text("utf-8")
JSON = DOC.partition("\n## JSON\n")[2]


def answer(path: Path, capsys: pytest.CaptureFixture[str], code: int) -> dict[str, Any]:
    assert main(["core", "show", str(path), "--json"]) == code
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def members(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*(members(one) for one in value.values()))
    return set().union(*(members(one) for one in value)) if isinstance(value, list) else set()


def test_every_member_is_documented(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(write(tmp_path / "dead", crashed(shop())), capsys, 1)
    named = set(re.findall(r"\b[a-z_]+\b", " ".join(re.findall(r"`([^`]*)`", JSON))))
    assert set(found) <= named, set(found) - named
    assert list(found["sections"]) == list(KEYS)
    assert all(f"`{key}`" in DOC for key in KEYS)
    for key, section in found["sections"].items():
        assert list(section) == ["title", "state", "source", "reason", "notes", "data"]
        assert (section["data"] is None) == (section["state"] != "ok"), key
        assert section["data"] is not None or section["reason"], key
        if key in ("threads", "network", "counters", "devices", "images", "memory"):
            continue  # rows of views, which their own commands have as well
        assert members(section["data"]) <= named, (key, members(section["data"]) - named)


def test_values_are_typed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(write(tmp_path / "dead", crashed(shop())), capsys, 1)
    sections = found["sections"]
    assert (found["report"], found["finding"], found["complete"]) == (1, True, True)
    assert found["status"]["state"] == "dead"
    cause = sections["cause"]["data"]
    assert (cause["tid"], cause["thread"], cause["page"]["address"]) == (3, "worker-a", 0)
    first = sections["registers"]["data"]["sets"][0]["rows"][0]
    assert (first["name"], first["value"], first["what"]) == ("rip", 0x4010, None)
    assert [row["tid"] for row in sections["threads"]["data"]["tables"][0]["rows"]] == [1, 2, 3, 4, 5, 6]
    assert sections["memory"]["data"]["heap"]["used"] == 1 << 20
    assert sections["log"]["data"]["entries"][0] == {
        "time_ns": 100_000_000, "text": "listening on port 80", "tid": 1, "lane": "log",
    }  # fmt: skip
    lanes = [entry["lane"] for entry in sections["timeline"]["data"]["entries"]]
    assert lanes == ["log", "log", "packet", "call", "death"]


def test_a_deadlock(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(write(tmp_path / "shop", shop()), capsys, 1)
    waits = found["sections"]["locks"]["data"]["waits"]
    assert [(edge["thread"], edge["owner_name"], edge["cycle"]) for edge in waits] == [
        ("worker-a", "worker-b", 0), ("worker-b", "worker-a", 0),
    ]  # fmt: skip
    assert found["sections"]["cause"]["state"] == "not-offered"  # its region has no room for one
    first = found["sections"]["stacks"]["data"]["groups"][0]
    assert first["told"] and [thread["tid"] for thread in first["threads"]] == [3, 4]


def test_a_function_is_called_what_bt_calls_it() -> None:
    """Templates take a screen: people read a short form, the same everywhere."""
    whole = "sched::thread::do_wait_until<sched::noninterruptible, sched::thread::dummy_lock>"
    row = FrameRow(4, 0x1000, whole, "sched.hh", 1250, 3, "cfi", "cfi", "loader.elf", False)
    frame = Frame(4, 0x1000, whole, "sched.hh", 1250, "cfi")
    assert function(row) == frame_name(frame) == "sched::thread::do_wait_until<...>"
    assert place_text(frame, 0x1000) == "sched::thread::do_wait_until<...> (sched.hh:1250)"
