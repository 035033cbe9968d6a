"""Packets through the VMM: those of the guest's ring and of QEMU's own capture; undone however it ends."""

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import boot
from support.cli import UNIOBS, uniobs
from support.pcap import Seen, by_direction, complaints, packets, through_tshark
from support.qemu import MACHINES, booted, demo_elf

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]


def until(fact: Callable[[], bool], what: str, seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def dumps(guest: boot.Guest) -> list[str]:
    """The objects of ours that the VMM has."""
    rows = guest.qmp("qom-list", path="/objects")
    return [row["name"] for row in rows if row["name"].startswith("uniobs-dump-")]


@contextmanager
def capturing(guest: boot.Guest, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """`uniobs tcpdump` on the guest, once it is attached."""
    command = [UNIOBS, "tcpdump", *words, str(guest.pid)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stderr is not None
            assert b"attached a packet dump to n0 of" in process.stderr.readline()
            yield process
        finally:
            process.kill()


def ended(process: subprocess.Popen[bytes], number: int) -> list[str]:
    """What it says on stderr after a signal."""
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert b"Traceback" not in errors, errors.decode()
    return errors.decode().splitlines()


def part_of(ours: list[Seen], theirs: list[Seen]) -> None:
    """Each direction is a run, without a hole, of what another capture holds (perhaps cut)."""
    for mine, wire in zip(by_direction(ours), by_direction(theirs), strict=True):
        assert mine
        spots = [n for n in range(len(wire) - len(mine) + 1) if same(mine[0], wire[n])]
        assert any(all(map(same, mine, wire[n : n + len(mine)])) for n in spots)


def same(one: Seen, other: Seen) -> bool:
    """As far as both were kept."""
    kept = min(len(one.data), len(other.data))
    return one.length == other.length and one.data[:kept] == other.data[:kept]


@pytest.mark.parametrize("machine", MACHINES)
def test_equals_the_ring_and_qemus_own_capture(machine: str, tmp_path: Path) -> None:
    wire, ours, ring = tmp_path / "wire.pcap", tmp_path / "ours.pcapng", tmp_path / "ring.pcap"
    with boot.boot(boot.Machine(machine, packets=wire, elf=demo_elf())) as guest:
        with capturing(guest, "--vmm", "-U", "-w", str(ours)) as process:
            assert sorted(name.rsplit("-", 1)[1] for name in dumps(guest)) == ["rx", "tx"]
            boot.traffic(guest, 3)

            def caught_up() -> bool:
                mine = through_tshark(ours)
                return len(mine) > 40 and same(mine[-1], packets(wire)[-1])

            until(caught_up, "the last packets never came")
            uniobs("tcpdump", "--last", "-w", ring, guest.pid)
            said = ended(process, signal.SIGINT)
        assert process.returncode == 130
        assert dumps(guest) == [] and guest.qmp("query-status")["status"] == "running"
        mine = through_tshark(ours)
        part_of(mine, packets(wire))
        part_of(mine, packets(ring))
        assert complaints(ours) == []
        assert said[-3:] == [
            f"{len(mine)} packets captured",
            f"{len(mine)} packets received by filter",
            "uniobs: the packet dump is off guest again",
        ]
        assert not list(Path("/tmp").glob(f"uniobs-dump-*/uniobs-dump-{process.pid}-*"))
        assert guest.http("GET", "/")[0] == 200


def test_lines_directions_and_times() -> None:
    """Times are this host's, to within what a loaded machine takes to write; directions are the guest's."""
    with (
        boot.boot(boot.Machine(elf=demo_elf())) as guest,
        capturing(guest, "--vmm", "--json", "-c", "12") as run,
    ):
        before = time.time()
        boot.traffic(guest, 2)
        out, errors = run.communicate(timeout=30)
        after = time.time()
        rows = [json.loads(line) for line in out.splitlines()]
        assert run.returncode == 0 and len(rows) == 12, errors.decode()
        for row in rows:
            sent = bytes.fromhex(row["data"])[6:12] == bytes.fromhex("525400123456")
            assert row["direction"] == ("tx" if sent else "rx") and row["interface"] == "n0"
            assert row["captured"] == row["length"]
            assert before - 1 < row["wall_ns"] / 1e9 < after + 1
        times = [row["wall_ns"] for row in rows]
        assert times == sorted(times)
        assert dumps(guest) == []


def test_filter_and_interfaces() -> None:
    with boot.boot(boot.Machine(elf=demo_elf())) as guest:
        assert uniobs("tcpdump", "--vmm", "-D", guest.pid).out == "0.n0 [user, 52:54:00:12:34:56]\n"
        bad = uniobs("tcpdump", "--vmm", "-i", "eth7", guest.pid, expect=2)
        assert bad.one_line() == "uniobs: no network card eth7 at the VMM: there are n0"
        assert dumps(guest) == []
        uniobs("tcpdump", "--vmm", "--last", guest.pid, expect=2).one_line()
        command = [UNIOBS, "tcpdump", "--vmm", "-c", "2", str(guest.pid), "tcp[tcpflags] & tcp-syn != 0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
            try:
                until(lambda: bool(dumps(guest)), "it was never attached")
                boot.traffic(guest, 1)
                out, errors = run.communicate(timeout=30)
            finally:
                run.kill()
        assert run.returncode == 0, errors
        first, second = out.splitlines()
        assert "> 10.0.2.15.80: Flags [S]," in first and "10.0.2.15.80 > " in second
        assert "Flags [S.]," in second


def test_several_cards() -> None:
    second = ("-netdev", "user,id=n1,net=10.7.0.0/24", "-device", "virtio-net-device,netdev=n1")
    with booted(extra=second) as guest:
        until(guest.qmp_socket.exists, "QEMU made no socket")
        listed = uniobs("tcpdump", "--vmm", "-D", guest.pid).out.splitlines()
        numbers = {line.split()[0].partition(".")[2]: line.partition(".")[0] for line in listed}
        assert set(numbers) == {"n0", "n1"}
        with capturing(guest, "--vmm", "-i", "n0") as process:
            assert {name.split("-")[4] for name in dumps(guest)} == {numbers["n0"]}
            ended(process, signal.SIGINT)
        both = uniobs("tcpdump", "--vmm", guest.pid, interrupt_after=4, expect=130)
        first = both.err.splitlines()[0]
        assert "attached a packet dump to" in first and "n0" in first and "n1" in first
        assert dumps(guest) == []


def test_terminated() -> None:
    with boot.boot(boot.Machine(elf=demo_elf())) as guest, capturing(guest, "--vmm") as process:
        said = ended(process, signal.SIGTERM)
        assert process.returncode == 130 and said[-1] == "uniobs: the packet dump is off guest again"
        assert dumps(guest) == []


def test_what_a_killed_one_left_is_taken_off() -> None:
    with boot.boot(boot.Machine(elf=demo_elf())) as guest:
        with capturing(guest, "--vmm") as killed:
            os.kill(killed.pid, signal.SIGKILL)
            killed.wait()
        left = dumps(guest)
        assert len(left) == 2 and all(f"uniobs-dump-{killed.pid}-" in name for name in left)
        file = Path(guest.qmp("qom-get", path=f"/objects/{left[0]}", property="file"))
        assert file.exists()
        boot.traffic(guest, 1)  # nobody is hurt meanwhile
        again = uniobs("tcpdump", "--vmm", guest.pid, interrupt_after=4, expect=130)
        first, second, *_ = again.err.splitlines()
        wanted = f"took off a packet dump that uniobs (pid {killed.pid}) left behind when it was killed"
        assert first == f"uniobs: {wanted}" and "attached a packet dump" in second
        assert dumps(guest) == [] and not file.exists() and not file.parent.exists()


def test_two_at_once_leave_each_other_alone() -> None:
    with boot.boot(boot.Machine(elf=demo_elf())) as guest:
        with capturing(guest, "--vmm") as one, capturing(guest, "--vmm") as two:
            assert len(dumps(guest)) == 4
            ended(one, signal.SIGINT)
            assert len(dumps(guest)) == 2
            ended(two, signal.SIGINT)
        assert dumps(guest) == []


def test_the_vmm_ends_meanwhile() -> None:
    with boot.boot(boot.Machine(elf=demo_elf())) as guest, capturing(guest, "--vmm") as process:
        guest.kill()
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 0 and errors.decode().endswith("again: its VMM is gone\n"), errors


def test_without_a_monitor() -> None:
    machine = boot.Machine(elf=demo_elf())
    directory = Path(tempfile.mkdtemp(prefix="uniobs-"))
    port = boot.free_port()
    words = machine.command(directory, port)
    at = words.index("-qmp")
    with boot.start([*words[:at], *words[at + 2 :]], "guest", port, directory) as guest:
        refused = uniobs("tcpdump", "--vmm", guest.pid, expect=5).one_line()
        assert "no QMP socket" in refused and "tap device" in refused
