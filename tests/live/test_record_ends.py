"""Recordings of hosted guests, of guests that boot anew, on disks that are full; and rates in a recording."""

import re
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest

import boot
from support.cli import UNIOBS, uniobs
from support.qemu import demo_elf

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]
ROOT = Path(__file__).resolve().parents[2]


def _recording(target: int, file: Path, *words: str) -> "subprocess.Popen[str]":
    """A recorder, once it has seen something."""
    process = subprocess.Popen(
        [UNIOBS, "record", str(target), "-o", str(file), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    limit = time.monotonic() + 30
    while not (file.exists() and file.stat().st_size > 4096):
        assert time.monotonic() < limit and process.poll() is None, "nothing is recorded"
        time.sleep(0.05)
    return process


def _ended(process: "subprocess.Popen[str]", how: signal.Signals = signal.SIGINT) -> str:
    process.send_signal(how)
    out, err = process.communicate(timeout=30)
    return out + err


def _functions(rows: list[dict[str, object]]) -> dict[str, list[str]]:
    return {
        str(row["name"]): [frame["function"] for frame in row["frames"] if frame["trust"] != "scan"]
        for row in rows
    }


def test_stacks_of_a_hosted_guest_that_is_gone(tmp_path: Path) -> None:
    subprocess.run(["make", "-s", "-C", str(ROOT / "guest-stubs"), "build/demo-hosted"], check=True)
    file = tmp_path / "hosted.uniobs"
    with boot.boot_hosted("kv-hosted") as guest:
        boot.traffic(guest)
        recorder = _recording(guest.pid, file)
        try:
            time.sleep(1.5)
            calm = time.time()
            time.sleep(0.5)
            guest.poke("/break/deadlock")
            time.sleep(2.5)
            live = _functions(uniobs("bt", guest.pid, "--json", expect=(0, 4)).rows)
        finally:
            told = _ended(recorder, signal.SIGTERM)
        assert "interrupted" in told
    recorded = _functions(uniobs("bt", file, "--json", expect=(0, 4)).rows)
    still = ("main", "worker-2", "transfer-a", "transfer-b")
    assert {name: recorded[name] for name in still} == {name: live[name] for name in still}
    assert any("mutex" in name for name in recorded["transfer-a"]), recorded
    clock = time.strftime("%H:%M:%S", time.localtime(calm))
    then = _functions(uniobs("bt", file, "--at", clock, "--json", expect=(0, 4)).rows)
    assert "transfer-a" not in then and then["worker-2"] == live["worker-2"]
    why = uniobs("why", file, expect=1).out
    assert "DEADLOCKED" in why and re.search(r"at break\.c:\d+  transfer", why), why


def test_a_guest_that_boots_anew(tmp_path: Path) -> None:
    file = tmp_path / "again.uniobs"
    machine = boot.Machine(elf=demo_elf(), extra=("-action", "reboot=reset"))
    with boot.boot(machine) as guest:
        recorder = _recording(guest.pid, file, "--image", str(demo_elf()))
        try:
            guest.http("PUT", "/kv/before", b"1")
            time.sleep(1)
            guest.qmp("system_reset")
            time.sleep(0.3)
            guest.wait_ready()
            guest.http("PUT", "/kv/after", b"2")
            time.sleep(1.5)
            live = uniobs("netstat", guest.pid, "--json").rows
        finally:
            told = _ended(recorder)
    assert "moments" in told, told
    assert uniobs("netstat", file, "--json").rows == live
    calls = uniobs("strace", file)
    assert "before" in calls.out and "after" in calls.out, calls.out
    assert "booted anew" in calls.err and "garbled" not in calls.err, calls.err
    ages = [
        int(match[1]) * 60 + float(match[2])
        for at in ("start", "end")
        if (match := re.search(r"up (?:(\d+)m )?([\d.]+)s", uniobs("top", file, "--at", at).out + " 0m"))
        and match[1]
    ]
    assert ages == sorted(ages, reverse=True)
    bt = uniobs("bt", file, expect=(0, 4)).out
    assert "worker_main" in bt or "worker" in bt
    assert uniobs("ps", file, "--at", "start").out.count("worker-") == 4


def test_a_disk_that_fills_up(tmp_path: Path) -> None:
    file = tmp_path / "full.uniobs"
    with boot.boot(boot.Machine(elf=demo_elf())) as guest:
        boot.traffic(guest)
        uniobs("record", guest.pid, "-o", tmp_path / "short.uniobs", "--for", "1s")
        size = (tmp_path / "short.uniobs").stat().st_size + 30_000  # of files: a full disk without a disk
        done = subprocess.run(
            [UNIOBS, "record", str(guest.pid), "-o", str(file), "--for", "60s"],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
            preexec_fn=lambda: _small_files(size),
        )
    assert done.returncode == 3, done
    (line,) = [line for line in done.stderr.splitlines() if "File too large" in line]
    assert re.search(r"what was seen until \d\d:\d\d:\d\d\.\d+ is in it", line), line
    ps = uniobs("ps", file)
    assert "worker-1" in ps.out and "no whole chunk" not in ps.err


def _small_files(size: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_rates_between_moments(tmp_path: Path) -> None:
    """While a thread spins the idle one has nothing; since its start it had about half."""
    file = tmp_path / "spin.uniobs"
    with boot.boot(boot.Machine(elf=demo_elf())) as guest:
        recorder = _recording(guest.pid, file)
        try:
            time.sleep(3)
            guest.poke("/break/spin")
            time.sleep(3)
        finally:
            _ended(recorder)
    rows = {row["name"]: row for row in uniobs("top", file, "-d", "1.5", "--json").rows}
    since = {row["name"]: row for row in uniobs("ps", file, "--json").rows}
    assert rows["spinner"]["pcpu"] > 80
    assert rows["idle"]["pcpu"] < 10 < since["idle"]["pcpu"]
    lines = uniobs("vmstat", file, "1", "--json").lines
    assert len(lines) >= 4 and lines[1]["idle"] > lines[-1]["idle"]
    assert lines[-1]["busy"] > 80
    stamped = uniobs("vmstat", "-t", file, "1", "3").out.splitlines()
    assert len(stamped) == 5 and re.search(r"\d\d:\d\d:\d\d$", stamped[-1])
