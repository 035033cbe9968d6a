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
        "interfaces": uniobs("netstat", "-i", "--json", target).rows,
        "netstat": uniobs("netstat", "-a", "-p", "-e", "--json", target).rows,
        "ss": uniobs("ss", "-a", "-i", "-e", "-p", "--json", target).rows,
        "counters": uniobs("counters", "--json", target).rows,
        "strace": nameless(uniobs("strace", "-f", "--last", "--json", target).lines),
        "dmesg": nameless(uniobs("dmesg", "--json", target).lines),
    }


def nameless(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without the target's name, which is another one each time."""
    return [{key: value for key, value in row.items() if key != "target"} for row in rows]


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
                # 4: whether a parked guest would go on can't be told from a snapshot
                right = (0, 1, 4) if state == "live" else 1
                self.why[way] = uniobs("why", "--json", target, expect=right).json
            self.printed = dumped(guest.console)
        self.rows = next(iter(self.read.values()))


@pytest.fixture(scope="module", params=[f"{m}-{s}" for m in MACHINES for s in STATES])
def still(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Still:
    machine, state = request.param.split("-")
    return Still(machine, state, tmp_path_factory.mktemp("ways"))


@pytest.mark.parametrize("view", ["ps", "interfaces", "netstat", "ss", "counters", "strace", "dmesg"])
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
    keys = "lport rport fd recvq sendq rx_bytes tx_bytes retransmits cwnd rtt_us mss".split()
    said = {}
    for row in still.printed["socket"]:
        listens = row["state"] == "LISTEN"
        numbers = {key: int(row[key]) for key in keys}
        numbers["recvq"] = int(row["backlog"]) if listens else numbers["recvq"]
        state = row["state"] if row["kind"] == "tcp" else ""
        said[int(row["id"], 0)] = (row["kind"], state, row["laddr"], row["raddr"], *numbers.values())
    seen = {}
    for row in still.rows["netstat"]:
        fd = -1 if row["fd"] is None else row["fd"]
        numbers = {key: row[key] or 0 for key in keys} | {"fd": fd}
        seen[row["id"]] = (row["kind"], row["netstat_state"], row["laddr"], row["raddr"], *numbers.values())
    assert seen == said


def test_interfaces_are_what_the_guest_printed(still: Still) -> None:
    ((said,), (seen,)) = (still.printed["iface"], still.rows["interfaces"])
    shared = said.keys() & seen.keys()
    assert {"name", "mtu", "rx_packets", "tx_packets", "rx_dropped", "tx_dropped"} <= shared
    assert {key: str(seen[key]) for key in shared} == {key: said[key] for key in shared}


def test_counters_are_what_the_guest_printed(still: Still) -> None:
    said = {row["name"]: int(row["value"]) for row in still.printed["counter"]}
    seen = {row["name"]: row["value"] for row in still.rows["counters"]}
    assert said.items() <= seen.items()
    assert len(said) >= 5


def test_calls_are_what_the_guest_printed(still: Still) -> None:
    (kernel,) = still.printed["kernel"]

    def ns(ticks: int) -> int:
        return ticks * 1_000_000 // int(kernel["tsc_khz"])

    seen = {(row["tid"], row["call"], row["time_ns"]): row for row in still.rows["strace"]}
    for call in still.printed["call"]:
        begun = int(call["enter"])
        row = seen[int(call["tid"]), call["name"], ns(begun - int(kernel["anchor_tsc"]))]
        assert row["finished"] == ("exit" in call), call
        if "exit" in call:
            assert row["result"] == int(call["ret"]), call
            assert abs(row["duration_ns"] - ns(int(call["exit"]) - begun)) <= 1, call
        args = {arg["name"]: arg for arg in row["args"]}
        for key, value in call.items():
            if key in ("tid", "name", "enter", "exit", "ret"):
                continue
            if key.endswith(".length"):
                assert args[key.removesuffix(".length")]["length"] == int(value), (call, row)
            elif key + ".length" in call:
                assert args[key]["value"] == bytes.fromhex(value).decode(), (call, row)
            elif key == "addr":
                assert address(args[key]["value"]) == value, (call, row)
            else:
                assert args[key]["value"] == int(value, 0), (call, key, row)
    assert len(still.printed["call"]) >= 20


def address(word: int) -> str:
    """Of an argument's word: IPv4 in network order, then the port."""
    return ".".join(str(byte) for byte in word.to_bytes(8, "little")[:4]) + f":{word >> 32 & 0xFFFF}"


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
        else:
            assert verdicts.keys() <= {"hung"}, (way, answer)
