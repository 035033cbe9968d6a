"""A guest that is recorded while it works, deadlocks and ends: every command on it, at any moment."""

import signal
import subprocess
import time
from pathlib import Path

import pytest

import boot
from support.cli import UNIOBS, uniobs
from support.qemu import demo_elf
from support.unikraft_shapes import booted as shaped
from support.unikraft_shapes import needs_qemu

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]


def test_a_guest_before_and_after_it_deadlocks(tmp_path: Path) -> None:
    file = tmp_path / "r.uniobs"
    with boot.boot(boot.Machine(elf=demo_elf())) as guest:
        image = ("--image", demo_elf())
        recorder = subprocess.Popen(
            [UNIOBS, "record", str(guest.pid), "-o", str(file), "--registers", *map(str, image)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            time.sleep(2)
            for number in range(4):
                guest.http("PUT", f"/kv/{number}", b"x" * 100)
                time.sleep(0.3)
            calm = time.time()
            guest.http("GET", "/break/deadlock")
            time.sleep(3)
            live = {command: uniobs(command, guest.pid, "--json").json for command in ("ps", "netstat")}
            live["strace"] = {"lines": uniobs("strace", guest.pid, "--last", "--json").lines}
            time.sleep(0.3)
        finally:
            recorder.send_signal(signal.SIGINT)
            out, err = recorder.communicate(timeout=20)
        assert recorder.returncode == 130, out + err
        assert "interrupted" in out and "Next:" in out, out + err

        now, then = uniobs("ps", file).out, uniobs("ps", file, "--at", f"{_clock(calm)}").out
        assert "mutex ledger" in now and "mutex" not in then, now + then
        names = {row["name"]: row["state"] for row in live["ps"]["rows"]}
        assert {row["name"]: row["state"] for row in uniobs("ps", file, "--json").rows} == names
        assert uniobs("netstat", file, "--json").rows == live["netstat"]["rows"]

        why = uniobs("why", file, expect=1).out
        assert "DEADLOCKED" in why.splitlines()[0] and "in this recording" in why.splitlines()[0], why
        assert "at breakage.c:" in why and "text proven" in why, why
        before = uniobs("why", file, "--at", _clock(calm)).out
        assert "is fine" in before.splitlines()[0], before
        _same_calls(file, live["strace"]["lines"])
        frames = uniobs("bt", file, expect=(0, 4)).out
        assert "transfer_a" in frames and "mutex_lock" in frames, frames
        first = uniobs("bt", file, "--at", "start", expect=0).out
        assert "transfer_a" not in first and "running on CPU 0\n  #0" in first, first
        assert "no registers at this" not in first
        diff = uniobs("diff", f"{file}@{_clock(calm)}", f"{file}@end", expect=1).out
        assert "+ 11 transfer-a" in diff and "+ 12 transfer-b" in diff, diff
        assert "~ ticks_total" in diff and "- 1 idle" not in diff, diff
        assert "the same" in uniobs("diff", f"{file}@end", "--view", "interfaces", expect=0).out
        packets = uniobs("tcpdump", file, "tcp port 80").out
        assert packets.count("PUT /kv/") == 4, packets


def _clock(moment: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(moment)) + f".{int(moment % 1 * 1000):03d}"


def _same_calls(file: Path, live: list[dict[str, object]]) -> None:
    """All that the live ring held is in the recording, once and in the same order; and what came before."""
    recorded = [_call(row) for row in uniobs("strace", file, "--json").lines if row["finished"]]
    held = [_call(row) for row in live if row["finished"]]  # what isn't is told at the end of either
    assert len(recorded) >= len(held) > 20
    at = recorded.index(held[0])
    assert recorded[at : at + len(held)] == held


def _call(row: dict[str, object]) -> tuple[object, ...]:
    return tuple(str(row[key]) for key in ("tid", "call", "time_ns", "args", "result", "duration_ns"))


def test_the_vmm_goes_away(tmp_path: Path) -> None:
    file = tmp_path / "r.uniobs"
    with boot.boot(boot.Machine(elf=demo_elf())) as guest:
        recorder = subprocess.Popen(
            [UNIOBS, "record", str(guest.pid), "-o", str(file)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        time.sleep(2)
    out, err = recorder.communicate(timeout=20)
    assert recorder.returncode == 0 and "moments" in out, out + err
    why = uniobs("why", file, expect=(0, 1)).out
    assert "VMM gone" in why.splitlines()[0], why
    assert "worker-1" in uniobs("ps", file).out


def test_killed_while_it_writes(tmp_path: Path) -> None:
    file = tmp_path / "r.uniobs"
    with boot.boot(boot.Machine(elf=demo_elf())) as guest:
        recorder = subprocess.Popen(
            [UNIOBS, "record", str(guest.pid), "-o", str(file)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(3.5)
        recorder.kill()
        recorder.wait(10)
        assert "worker-1" in uniobs("ps", file).out
        assert uniobs("ps", guest.pid).code == 0


def test_bad_use(tmp_path: Path) -> None:
    core = tmp_path / "no.core"
    core.write_bytes(b"\0" * 8192)
    assert "one moment only" in uniobs("ps", core, "--at", "+1s", expect=2).one_line()
    assert "is no file" in uniobs("ps", tmp_path / "none", "--at", "+1s", expect=2).one_line()
    cut = tmp_path / "cut"
    cut.write_bytes(b"\x5a\x2a\x4d\x18\x18\0\0\0uniobs-recording\1\0\0\0\0\0\0\0")
    assert "garbled" in uniobs("ps", cut, expect=3).one_line()


@needs_qemu
def test_a_kernel_without_the_stub(tmp_path: Path) -> None:
    """What its walkers read is what a replay reads: the same rows."""
    file = tmp_path / "shaped.uniobs"
    (tmp_path / "guest").mkdir()
    with shaped("deadlock", tmp_path / "guest") as guest:
        image = ("--image", guest.image)
        live = {command: uniobs(command, guest.pid, *image, "--json").rows for command in ("ps", "netstat")}
        uniobs("record", guest.pid, *image, "-o", file, "--for", "2s")
    for command, rows in live.items():
        assert [_still(row) for row in uniobs(command, file, "--json").rows] == [_still(row) for row in rows]
    why = uniobs("why", file, expect=1).out
    assert "DEADLOCKED" in why.splitlines()[0] and "take_both" in why, why
    assert "take_both" in uniobs("bt", file, expect=(0, 4)).out


def _still(row: dict[str, object]) -> dict[str, object]:
    """A row less what moves on while a thread stands still."""
    moving = ("time", "cpu_time_ns", "wait", "wchan", "pcpu", "percent")
    return {key: value for key, value in row.items() if key not in moving}
