"""Following a ring: from now on or from its start, to a count, to the guest's end."""

import io
import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from support.fake_target import FakeTarget
from uniobs.cli import follow
from uniobs.cli.output import Output
from uniobs.errors import TargetGone
from uniobs.model.guest import Loss, Status
from uniobs.region import _abi


class Cursor:
    """Gives one list a poll; an exception in the script is raised."""

    def __init__(self, *script: Any) -> None:
        self.script = list(script)
        self.held: list[str] = []
        self.at_end = False
        self.loss = Loss(lost=2)

    def seek_end(self) -> None:
        self.at_end = True

    def poll(self) -> list[str]:
        step = self.script.pop(0) if self.script else []
        if isinstance(step, BaseException):
            raise step
        return list(step)

    def flush(self) -> list[str]:
        held, self.held = self.held, []
        return held


class Lines:
    """A stream whose lines are its items."""

    question = "trace"
    unit = "call"

    def __init__(self) -> None:
        self.count = 0

    def feed(self, items: Sequence[str]) -> list[str]:
        self.count += len(items)
        return list(items)

    def feed_json(self, items: Sequence[str]) -> list[dict[str, Any]]:
        self.count += len(items)
        return [{"text": item} for item in items]

    def close(self) -> list[str]:
        return ["open"]

    def shown(self) -> int:
        return self.count

    def closing(self, cursor: Any) -> list[str]:
        return [f"{self.count} shown, {cursor.loss.lost} lost"]


def run(
    cursor: Cursor,
    *,
    live: bool = True,
    state: int = _abi.STATE_RUNNING,
    status: Status | None = None,
    **options: Any,
) -> tuple[int, list[str], list[str]]:
    target: Any = FakeTarget({"trace": cursor, "panic": None}, live=live, status=status)
    target.region = SimpleNamespace(live=lambda: SimpleNamespace(state=state, exit_code=3))
    out = Output(io.StringIO(), io.StringIO(), json=options.pop("json", False))
    code = follow.run(out, target, Lines(), **{"history": False, **options})
    return code, out.stdout.getvalue().splitlines(), out.stderr.getvalue().splitlines()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "INTERVAL_S", 0.0)


def test_interrupted_after_the_closing_lines() -> None:
    cursor = Cursor(["a"], [], ["b"], KeyboardInterrupt())
    assert run(cursor) == (130, ["a", "b", "open"], ["2 shown, 2 lost"])
    assert cursor.at_end


def test_a_count_ends_it() -> None:
    assert run(Cursor(["a", "b"], ["c", "d"]), count=3) == (0, ["a", "b", "c"], ["3 shown, 2 lost"])


def test_from_the_start() -> None:
    cursor = Cursor(["a"], KeyboardInterrupt())
    run(cursor, from_start=True)
    assert not cursor.at_end


def test_what_the_ring_holds_of_a_dead_guest() -> None:
    cursor = Cursor(["a"])
    cursor.held = ["held back"]
    code, out, err = run(cursor, live=False, state=_abi.STATE_EXITED, history=True)
    assert (code, out) == (0, ["a", "held back", "open"])
    assert err == ["+++ exited with 3 +++", "2 shown, 2 lost"]


def test_the_guest_panics_meanwhile() -> None:
    code, out, err = run(Cursor(["last words"]), state=_abi.STATE_PANICKED)
    assert (code, out) == (0, ["last words", "open"])
    assert err[0] == "+++ panicked +++"


def test_the_guest_goes_away() -> None:
    cursor = Cursor(["a"], TargetGone("pid 1 is gone"))
    cursor.held = ["b"]
    code, out, err = run(cursor, status=Status("dead", "VMM gone"))
    assert (code, out, err[0]) == (0, ["a", "b", "open"], "+++ VMM gone +++")


def test_json_lines() -> None:
    code, out, _ = run(Cursor(["a"]), json=True, count=1)
    assert code == 0
    assert [json.loads(line) for line in out] == [
        {"schema": 1, "view": "trace", "target": "shop", "text": "a"},
    ]


def test_quiet() -> None:
    assert run(Cursor(["a"]), quiet=True, count=1)[2] == []


@pytest.mark.parametrize(
    ("live", "state", "last", "history"),
    [
        (True, "live", False, False),
        (True, "live", True, True),
        (True, "dead", False, True),
        (True, "hung", False, True),
        (True, "unknown", False, False),
        (False, "live", False, True),
    ],
)
def test_when_the_past_is_shown(live: bool, state: Any, last: bool, history: bool) -> None:
    assert follow.wants_history(FakeTarget({}, live=live, status=Status(state, "")), last) == history
