"""Every way to break the reference guest, and what `why` makes of it: verdict, place, exit code."""

import time

import pytest

from support.cli import Ran, uniobs
from support.qemu import MACHINES, booted
from support.source import line_of

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]

# what is broken -> (verdict, function, a marker in its source line)
DEATHS = {
    "null": ("crash", "poke", "the faulting line"),
    "smash": ("stack-smash", "parse_name", "}"),
    "overflow": ("stack-overflow", "recurse", ""),
    "assert": ("assertion", "check_balance", "kassert("),
    "leak": ("oom", "leak_sweep", "kmalloc_must("),
}


def why_until(target: object, name: str, seconds: float = 90) -> Ran:
    """why, asked until it gives this verdict."""
    deadline = time.monotonic() + seconds
    while True:
        ran = uniobs("why", "--json", target, expect=None)
        if ran.code == 1 and any(row["name"] == name for row in ran.rows):
            return ran
        assert time.monotonic() < deadline, f"why never said {name}:\n{ran.describe()}"


def told(ran: Ran, name: str) -> str:
    row = next(row for row in ran.rows if row["name"] == name)
    return "\n".join([row["headline"], *row["lines"]])


@pytest.mark.parametrize("kind", DEATHS)
def test_death(kind: str) -> None:
    name, function, marker = DEATHS[kind]
    with booted(append=f"break={kind} break_after_ms=300", memory=32) as guest:
        guest.wait_console("@dump end\n", 90)
        ran = uniobs("why", "--json", guest.pid, expect=1)
        assert ran.rows[0]["name"] == name, ran.out
        assert ran.json["status"]["state"] == "dead"
        text = told(ran, name)
        assert function in text, text
        if marker:
            assert line_of(function, marker) in text, text
        # the stub still answers on its channel, and the answer is the same
        other = uniobs("why", "--json", f"serial://{guest.channel}", expect=1)
        assert [row["headline"] for row in other.rows] == [row["headline"] for row in ran.rows]


@pytest.mark.parametrize("machine", MACHINES)
def test_deadlock(machine: str) -> None:
    with booted(machine, "break=deadlock break_after_ms=300") as guest:
        ran = why_until(guest.pid, "deadlock")
        text = told(ran, "deadlock")
        assert ran.json["status"]["state"] == "live"
        for word in ("transfer-a", "transfer-b", "accounts", "ledger"):
            assert word in text, text
        for function in ("transfer_a", "transfer_b"):  # where it took the one, where it waits for the other
            for lock in ("accounts", "ledger"):
                assert line_of(function, f"mutex_lock(&{lock})") in text, text


def test_spin() -> None:
    with booted(append="break=spin break_after_ms=300") as guest:
        ran = why_until(guest.pid, "spinning")
        text = told(ran, "spinning")
        assert ran.json["status"]["state"] == "live"
        assert "spinner" in text and "spin_forever" in text, text


def test_spin_without_interrupts_is_hung() -> None:
    with booted(append="break=spin-irqoff break_after_ms=300") as guest:
        ran = why_until(guest.pid, "hung")
        text = told(ran, "hung")
        assert ran.json["status"]["state"] == "hung"
        assert "spinner" in text and "spin_forever" in text, text


def test_exit_is_no_finding() -> None:
    with booted(append="break=exit break_after_ms=300") as guest:
        deadline = time.monotonic() + 60
        # 3: QEMU hasn't mapped its RAM yet; 4: it has no region yet
        while (ran := uniobs("why", "--json", guest.pid, expect=(0, 3, 4))).code == 3 or (
            ran.json["status"]["state"] != "dead"
        ):
            assert time.monotonic() < deadline, ran.describe()
        ran = uniobs("why", "--json", guest.pid)
        assert [row["name"] for row in ran.rows] == ["exited"]


def test_idle_guest_is_fine() -> None:
    with booted() as guest:
        guest.wait_ready()
        ran = uniobs("why", "--json", guest.pid)
        assert ran.json["status"]["state"] == "live"
        assert not ran.rows
