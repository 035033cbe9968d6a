"""Stacks of a live hosted guest, without stopping it: what gdb, which stops it, finds afterwards."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import boot
from support.cli import uniobs
from support.gdbstacks import same_name
from uniobs.errors import NotOffered
from uniobs.target.hosted import mapped_images, waiting_registers

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]
ROOT = Path(__file__).resolve().parents[2]
WAITING = ("main", "worker-1", "worker-4")


@pytest.fixture
def guest() -> Iterator[boot.Guest]:
    subprocess.run(["make", "-s", "-C", str(ROOT / "guest-stubs"), "build/demo-hosted"], check=True)
    with boot.boot_hosted("kv-hosted") as guest:
        boot.traffic(guest)
        yield guest


def gdb_functions(pid: int) -> dict[int, list[str]]:
    """Linux thread id -> functions, innermost first."""
    command = ["gdb", "-nx", "-q", "-batch", "-p", str(pid), "-ex", "thread apply all bt"]
    text = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    found: dict[int, list[str]] = {}
    for part in re.split(r"^Thread \d+ ", text, flags=re.MULTILINE)[1:]:
        lwp = re.search(r"LWP (\d+)", part)
        if lwp is not None:
            found[int(lwp[1])] = re.findall(r"^#\d+ +(?:0x[0-9a-f]+ in )?(\S+) \(", part, flags=re.MULTILINE)
    return found


def test_waiting_threads_have_the_stacks_that_gdb_sees(guest: boot.Guest) -> None:
    rows = {row["name"]: row for row in uniobs("bt", "--json", guest.pid, expect=(0, 4)).rows}
    assert "TracerPid:\t0" in Path(f"/proc/{guest.pid}/status").read_text()
    threads = {row["name"]: row["os_tid"] for row in uniobs("ps", "--json", guest.pid).rows}
    gdb = gdb_functions(guest.pid)
    for name in WAITING:
        mine = [frame["function"] for frame in rows[name]["frames"] if frame["trust"] in ("registers", "cfi")]
        assert len(mine) > 1, rows[name]
        theirs = iter(gdb[threads[name]])  # gdb shows tail calls too, from the call sites' DWARF
        assert all(any(same_name(function, other) for other in theirs) for function in mine), (name, mine)


def test_a_deadlock_names_the_lines_where_they_wait(guest: boot.Guest) -> None:
    guest.poke("/break/deadlock")
    for _ in range(40):
        text = uniobs("why", guest.pid, expect=(0, 1)).out
        if "DEADLOCKED" in text:
            break
    for name in ("transfer-a", "transfer-b"):
        (line,) = [
            line for line in text.splitlines() if line.strip().startswith(name) and "waits for" in line
        ]
        assert re.search(r"at break\.c:\d+  transfer", line), text


def test_what_is_not_there_is_said(guest: boot.Guest) -> None:
    with pytest.raises(NotOffered, match="gone"):
        waiting_registers(guest.pid, 1)
    images = mapped_images(guest.pid)
    assert any("libc" in image.path for image in images)
    assert all("demo-hosted" not in image.path for image in images)
