"""live, hung, dead, and what was watched: a bare guest whose region says it is busy."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from support.bare_guest import Booted, boot, needs_qemu, region_blob
from support.region_core import qemu_core
from uniobs.region import _abi
from uniobs.target import observed, open_target, qmp


def busy_blob(**live: int) -> bytes:
    return region_blob(idle=False, live=live)


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    return tmp_path / "run" / "uniobs" / "beats.json"


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Booted]:
    with boot(tmp_path, region=busy_blob()) as guest:
        yield guest


@needs_qemu
@pytest.mark.live
def test_no_progress_grows_over_calls(busy: Booted, runtime: Path) -> None:
    with closing(open_target(str(busy.pid))) as target:
        assert target.status(0).state == "unknown"  # nobody watched yet
        first = target.status()
        assert (first.state, first.reason) == ("hung", "no progress")
        assert first.for_at_least_s is not None
        assert 2.0 <= first.for_at_least_s < 6
    with closing(open_target(str(busy.pid))) as target:
        second = target.status(0)
        assert second.state == "hung"
        assert (second.for_at_least_s or 0) >= first.for_at_least_s
    runtime.write_bytes(b'{"host": \xff garbage')
    with closing(open_target(str(busy.pid))) as target:
        assert target.status(0).state == "unknown"


@needs_qemu
@pytest.mark.live
def test_paused_is_not_hung(busy: Booted, runtime: Path) -> None:
    with qmp.opened(busy.qmp) as monitor:
        monitor.stop()
    with closing(open_target(str(busy.pid))) as target:
        status = target.status()
        assert (status.state, status.reason) == ("live", "paused by its VMM")
    assert json.loads(runtime.read_text())["guests"] == {}  # what stood still while paused proves nothing
    os.kill(busy.pid, signal.SIGSTOP)
    try:
        with closing(open_target(str(busy.pid))) as target:
            assert "stopped" in target.status().reason
    finally:
        os.kill(busy.pid, signal.SIGCONT)


@needs_qemu
@pytest.mark.live
def test_qmp_held_by_another_is_said(busy: Booted) -> None:
    with qmp.opened(busy.qmp), closing(open_target(str(busy.pid))) as target:
        status = target.status()
        assert status.state == "hung"
        assert status.unknown == ("whether the VMM paused it: QMP in use",)


def state_of_core(tmp_path: Path, **region: Any) -> tuple[str, str, float | None]:
    path = tmp_path / "core"
    path.write_bytes(qemu_core(1 << 20, **region))
    with closing(open_target(str(path))) as target:
        status = target.status()
    assert status.snapshot
    return status.state, status.reason, status.for_at_least_s


def test_cores(tmp_path: Path) -> None:
    second = 1_000_000_000  # TSC ticks at the builder's 1 GHz
    assert state_of_core(tmp_path)[:2] == ("live", "idle")
    assert state_of_core(tmp_path, idle=False)[0] == "unknown"
    stuck = {"beat_tsc": second, "tick_tsc": 6 * second, "tick_count": 500}
    assert state_of_core(tmp_path, idle=False, live=stuck) == ("hung", "no progress", 5.0)
    nobody = {**stuck, "current_tid": 9}  # idle is never hung: without its thread that can't be told
    assert state_of_core(tmp_path, idle=False, live=nobody)[0] == "unknown"
    assert state_of_core(tmp_path, state=_abi.STATE_PANICKED)[:2] == ("dead", "panicked")
    assert state_of_core(tmp_path, state=_abi.STATE_EXITED)[:2] == ("dead", "exited with 0")
    assert state_of_core(tmp_path, state=77)[0] == "unknown"


def test_observations(runtime: Path) -> None:
    assert observed.observe("a", 5, at=100.0) == 100.0
    assert observed.observe("a", 5, at=107.0) == 100.0
    assert observed.observe("b", 5, at=108.0) == 108.0
    assert observed.observe("a", 6, at=109.0) == 109.0
    assert observed.observe("a", 5, at=110.0) == 110.0  # another boot, or a lie: begin anew


@pytest.mark.parametrize(
    "entry",
    [None, 5, [], [5], [5, "x", 6], ["5", 1.0, 2.0], [5, 3.0, 2.0], [5, -1.0, 2.0], [5, 1.0, 1e300],
     [5, 1.0, 2.0, 3.0], [True, 1.0, 2.0], {"a": 1}, [5, float("nan"), 2.0]],
)  # fmt: skip
def test_garbage_claims_nothing(runtime: Path, entry: object) -> None:
    observed.observe("other", 1, at=50.0)
    data = json.loads(runtime.read_text())
    data["guests"]["a"] = entry
    runtime.write_text(json.dumps(data))
    assert observed.observe("a", 5, at=100.0) == 100.0
    assert observed.observe("a", 5, at=101.0) == 100.0


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"host": 5, "guests": []}', "[" * 50_000, "\0" * 99]
)
def test_a_garbled_file_claims_nothing(runtime: Path, text: str) -> None:
    runtime.parent.mkdir(exist_ok=True)
    runtime.write_text(text)
    assert observed.observe("a", 5, at=100.0) == 100.0
    assert observed.observe("a", 5, at=101.0) == 100.0


def test_a_directory_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert observed.observe("a", 5, at=100.0) == 100.0
    assert observed.observe("a", 5, at=101.0) == 101.0
