"""The hosted guest, an ordinary process: the same answers while it lives, deadlocked, and from its core."""

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import boot
from support.cli import uniobs

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", autouse=True)
def _built() -> None:
    subprocess.run(["make", "-s", "-C", str(ROOT / "guest-stubs"), "build/demo-hosted"], check=True)


@pytest.fixture
def guest() -> Iterator[boot.Guest]:
    with boot.boot_hosted("kv-hosted") as guest:
        boot.traffic(guest)
        yield guest


def until(fact: Callable[[], Any], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := fact()):
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.05)
    return found


def verdict(target: object, name: str) -> dict[str, Any] | None:
    rows = uniobs("why", "--json", target, expect=(0, 1)).rows
    return next((row for row in rows if row["name"] == name), None)


def tasks(pid: int) -> dict[int, str]:
    """Linux's own thread list: id -> name."""
    return {
        int(path.name): (path / "comm").read_text().strip() for path in Path(f"/proc/{pid}/task").iterdir()
    }


def test_threads_are_linuxs_threads(guest: boot.Guest) -> None:
    rows = uniobs("ps", "--json", "-o", "tid,name,os_tid,state", guest.pid).rows
    alive = {row["os_tid"]: row["name"] for row in rows if row["state"] != "exited"}
    assert alive.keys() == tasks(guest.pid).keys()
    assert {"main", "worker-1", "worker-4"} <= set(alive.values())


def test_sockets_are_linuxs_sockets(guest: boot.Guest) -> None:
    (row,) = uniobs("netstat", "-tan", "--json", guest.pid).rows
    assert (row["netstat_state"], row["lport"]) == ("LISTEN", guest.port)
    command = ["ss", "-Htln", f"sport = :{guest.port}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 1


def test_calls_are_linuxs_calls(guest: boot.Guest, tmp_path: Path) -> None:
    """Real strace watches the same process meanwhile: every call of ours is one of its."""
    log = tmp_path / "strace.log"
    calls = "trace=openat,open,unlink,unlinkat,accept,accept4"
    with subprocess.Popen(
        ["strace", "-f", "-qq", "-e", calls, "-o", str(log), "-p", str(guest.pid)], stderr=subprocess.PIPE
    ) as strace:
        try:
            until(lambda: b"TracerPid:\t0" not in Path(f"/proc/{guest.pid}/status").read_bytes())
            position = len(uniobs("strace", "--last", "--json", guest.pid).lines)
            boot.traffic(guest, 3)
        finally:
            strace.terminate()
            strace.communicate(timeout=20)
    ours = uniobs("strace", "--last", "--json", guest.pid).lines[position:]
    theirs = log.read_text()
    opened = [row for row in ours if row["call"] == "open" and row["finished"]]
    assert opened, ours
    for row in opened:
        path = next(arg["value"] for arg in row["args"] if arg["name"] == "path")
        assert path in theirs, row
    failed = [row["result_text"] for row in opened if row["result"] < 0]
    assert sum("ENOENT" in text for text in failed) == sum(
        "ENOENT" in line for line in theirs.splitlines() if "open" in line
    )


def test_deadlock(guest: boot.Guest) -> None:
    guest.poke("/break/deadlock")
    row = until(lambda: verdict(guest.pid, "deadlock"))
    text = "\n".join(row["lines"])
    assert "transfer-a" in text and "transfer-b" in text, text


def test_core_gives_the_same_rows(guest: boot.Guest, tmp_path: Path) -> None:
    """gcore of the stopped process; then it's killed and only the core is left."""
    guest.poke("/break/deadlock")
    until(lambda: verdict(guest.pid, "deadlock"))
    guest.process.send_signal(19)  # SIGSTOP
    until(lambda: "T (stopped)" in Path(f"/proc/{guest.pid}/status").read_text())
    queries = (
        ("ps", "-o", "tid,name,state,wchan,switches,os_tid,entry,stack_used"),
        ("netstat", "-an"),
        ("counters",),
    )
    living = [uniobs(*words, "--json", guest.pid).rows for words in queries]
    core = tmp_path / "hosted.core"
    gdb = ["gdb", "-nx", "-q", "-batch", "-p", str(guest.pid), "-ex", f"gcore {core}"]
    subprocess.run(gdb, check=True, capture_output=True, timeout=60)
    guest.kill()
    assert [uniobs(*words, "--json", core).rows for words in queries] == living
    row = verdict(core, "deadlock")
    assert row is not None
    text = "\n".join(row["lines"])
    for word in ("transfer-a", "transfer-b", "break.c:"):
        assert word in text, text
    stacks = {row["name"]: row for row in uniobs("bt", "--json", core, expect=(0, 4)).rows}
    functions = [frame["function"] for frame in stacks["transfer-a"]["frames"]]
    assert any(name and "transfer" in name for name in functions), functions


def test_crash_is_told_by_the_region_that_is_left(tmp_path: Path) -> None:
    region = tmp_path / "kv.region"
    with boot.boot_hosted("kv-hosted", region) as guest:
        boot.traffic(guest)
        assert uniobs("why", "--json", guest.pid).json["status"]["state"] == "live"
        guest.poke("/break/null")
        guest.process.wait(timeout=30)
    row = verdict(region, "crash")
    assert row is not None
    assert any("write to 0x0" in line for line in row["lines"])
    assert {"main", "worker-1"} <= {row["name"] for row in uniobs("ps", "--json", region).rows}
    assert any("/break/null" in row["text"] for row in uniobs("dmesg", "--json", region).lines)
