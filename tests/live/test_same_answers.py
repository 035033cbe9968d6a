"""One guest, every way to its memory: the same rows, and they are what the guest itself printed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import boot
from support.cli import uniobs
from support.qemu import MACHINES, dumped
from support.source import line_of
from support.ways import boot_shared, ways

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]

THREAD_KEYS = (
    "tid name stat state wchan wait pcpu cpu_time_ns stack_used stack_size comm cpu switches started_ns "
    "age_ns entry stack_lo stack_hi saved_sp idle current os_tid torn"
).split()
Rows = dict[str, list[dict[str, Any]]]


def read_all(target: str) -> Rows:
    """Every table of a guest that stands still, as JSON rows."""
    return {
        "ps": uniobs("ps", "--json", "-o", ",".join(THREAD_KEYS), target).rows,
        "netstat": uniobs("netstat", "-a", "-p", "-e", "--json", target).rows,
        "ss": uniobs("ss", "-a", "-i", "-e", "-p", "--json", target).rows,
        "counters": uniobs("counters", "--json", target).rows,
        "strace": uniobs("strace", "-f", "--last", "--json", target).lines,
        "dmesg": uniobs("dmesg", "--json", target).lines,
    }


def live(guest: boot.Guest) -> None:
    boot.traffic(guest)
    guest.poke("/park?ms=600000")


def deadlocked(guest: boot.Guest) -> None:
    boot.traffic(guest)
    guest.poke("/break/deadlock")
    wait_for_verdict(guest, "deadlock")
    guest.poke("/park?ms=600000")


def crashed(guest: boot.Guest) -> None:
    boot.traffic(guest)
    guest.poke("/break/null")


def wait_for_verdict(guest: boot.Guest, name: str) -> None:
    for _ in range(40):
        if any(row["name"] == name for row in uniobs("why", "--json", guest.pid, expect=(0, 1)).rows):
            return
    pytest.fail(f"why never said {name}: {uniobs('why', guest.pid, expect=(0, 1)).out}")


STATES: dict[str, Callable[[boot.Guest], None]] = {"live": live, "deadlocked": deadlocked, "crashed": crashed}


class Still:
    """A guest that stands still, everything that was read of it, and what it printed."""

    def __init__(self, machine: str, state: str, directory: Path) -> None:
        self.state = state
        with boot_shared(machine) as guest:
            STATES[state](guest)
            guest.wait_console("@dump end\n")
            self.read: dict[str, Rows] = {}
            self.why: dict[str, dict[str, Any]] = {}
            for way, target in ways(guest, directory):
                self.read[way] = read_all(target)
                self.why[way] = uniobs("why", "--json", target, expect=(0, 1)).json
            self.printed = dumped(guest.console)
        self.rows = next(iter(self.read.values()))


@pytest.fixture(scope="module", params=[f"{m}-{s}" for m in MACHINES for s in STATES])
def still(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Still:
    machine, state = request.param.split("-")
    return Still(machine, state, tmp_path_factory.mktemp("ways"))


@pytest.mark.parametrize("view", ["ps", "netstat", "ss", "counters", "strace", "dmesg"])
def test_every_way_gives_the_same_rows(still: Still, view: str) -> None:
    first, *others = still.read
    assert still.read[first][view], f"{view} is empty"
    for way in others:
        assert still.read[way][view] == still.read[first][view], f"{view}: {way} differs from {first}"


def test_threads_are_what_the_guest_printed(still: Still) -> None:
    said = {row["tid"]: row for row in still.printed["threads"]}
    seen = {str(row["tid"]): row for row in still.rows["ps"] if row["state"] != "exited"}
    assert seen.keys() == said.keys()
    for tid, row in seen.items():
        mine = said[tid]
        assert row["name"] == mine["name"]
        assert row["state"] == mine["state"].lower(), row["name"]
        assert (row["wait"]["kind"] if row["wait"] else "none") == mine["wait"].lower(), row["name"]
        if row["wait"] and row["wait"]["fd"] is not None:
            assert row["wait"]["fd"] == int(mine["fd"])
        for key in ("entry", "stack_lo", "stack_hi"):
            assert row[key] == int(mine[key], 0), (row["name"], key)
        assert row["switches"] == int(mine["switches"]), row["name"]
        if row["state"] not in ("running", "ready"):
            assert row["saved_sp"] == int(mine["saved_sp"], 0), row["name"]


def test_sockets_are_what_the_guest_printed(still: Still) -> None:
    keys = "lport rport fd recvq sendq rx_bytes tx_bytes retransmits cwnd mss".split()
    anywhere = "0.0.0.0"
    said = sorted(
        (int(row["id"], 0), row["laddr"], row["raddr"], *(int(row[k]) for k in keys))
        for row in still.printed["socket"]
    )
    seen = sorted(
        (row["id"], row["laddr"] or anywhere, row["raddr"] or anywhere, *(row[k] or 0 for k in keys))
        for row in still.rows["ss"]
    )
    assert seen == said


def test_log_is_what_the_guest_printed(still: Still) -> None:
    said = [(int(row["level"]), int(row["tid"]), row["text"]) for row in still.printed["log"]]
    seen = [(row["level"], row["tid"], row["text"]) for row in still.rows["dmesg"]]
    assert seen[-len(said) :] == said[-len(seen) :]


def test_why_names_what_is_wrong(still: Still) -> None:
    for way, answer in still.why.items():
        verdicts = {row["name"]: row for row in answer["rows"]}
        if still.state == "deadlocked":
            text = "\n".join(verdicts["deadlock"]["lines"])
            for word in ("transfer-a", "transfer-b", "accounts", "ledger"):
                assert word in text, (way, text)
            for function, lock in (("transfer_a", "ledger"), ("transfer_b", "accounts")):
                assert line_of(function, f"mutex_lock(&{lock})") in text, (way, text)
        elif still.state == "crashed":
            text = verdicts["crash"]["headline"] + "\n".join(verdicts["crash"]["lines"])
            assert line_of("poke", "the faulting line") in text, (way, text)
