"""Packets and sockets: what uniobs shows is what QEMU captured, tshark reads and a client sees."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import boot
from support.cli import UNIOBS, uniobs
from support.pcap import Seen, by_direction, complaints, from_first_sent, packets, through_tshark
from support.qemu import MACHINES, demo_elf

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]


def until(fact: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def same(ours: list[Seen], theirs: list[Seen]) -> None:
    """Each direction in order: byte for byte as far as the guest kept them, and of the same length."""
    for mine, wire in zip(by_direction(ours), by_direction(theirs), strict=True):
        assert [packet.length for packet in mine] == [packet.length for packet in wire]
        assert [packet.data for packet in mine] == [
            packet.data[: len(kept.data)] for packet, kept in zip(wire, mine, strict=True)
        ]
        assert all(len(packet.data) >= min(packet.length, 96) for packet in mine)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("suffix", ["pcapng", "pcap"])
def test_ring_equals_qemus_capture(machine: str, suffix: str, tmp_path: Path) -> None:
    wire, ours = tmp_path / "wire.pcap", tmp_path / f"ours.{suffix}"
    with boot.boot(boot.Machine(machine, packets=wire, elf=demo_elf())) as guest:
        boot.traffic(guest, 3)

        def caught_up() -> bool:
            uniobs("tcpdump", "--last", "-w", ours, guest.pid)
            return len(from_first_sent(through_tshark(ours))) == len(from_first_sent(packets(wire)))

        until(caught_up, "the guest's capture never held as many packets as QEMU's")
        assert len(packets(wire)) > 60
        same(from_first_sent(through_tshark(ours)), from_first_sent(packets(wire)))
        assert complaints(ours) == []


def test_live_capture_into_a_pipe(tmp_path: Path) -> None:
    """`tcpdump -w -` while requests come in, ended by Ctrl-C: nothing lost, nothing twice."""
    wire, ours = tmp_path / "wire.pcap", tmp_path / "ours.pcapng"

    def caught_up() -> bool:
        mine, theirs = through_tshark(ours), packets(wire)
        return bool(mine) and theirs[-1].data.startswith(mine[-1].data)

    with boot.boot(boot.Machine(packets=wire, elf=demo_elf())) as guest, ours.open("wb") as file:
        command = [UNIOBS, "tcpdump", "-U", "-w", "-", str(guest.pid)]
        with subprocess.Popen(command, stdout=file, stderr=subprocess.PIPE, env=os.environ) as process:
            try:
                assert process.stderr is not None
                assert b"listening on" in process.stderr.readline()
                for _ in range(4):  # each time less than the ring holds
                    boot.traffic(guest, 2)
                    until(caught_up, "the last packets never came")
                process.send_signal(signal.SIGINT)
                _, closing = process.communicate(timeout=20)
            finally:
                process.kill()
        mine, theirs = by_direction(through_tshark(ours)), by_direction(packets(wire))
        lines = [line for line in closing.decode().splitlines() if line]
        assert process.returncode == 130
        assert lines[-3:-1] == [
            f"{sum(map(len, mine))} packets captured",
            f"{sum(map(len, mine))} packets received by filter",
        ]
        assert lines[-1].startswith("0 packets dropped")
        assert sum(map(len, mine)) > 150
        for direction, all_of_it in zip(mine, theirs, strict=True):
            start = next(n for n, p in enumerate(all_of_it) if p.data.startswith(direction[0].data))
            same_part = all_of_it[start : start + len(direction)]
            assert [p.length for p in direction] == [p.length for p in same_part]
            assert all(b.data.startswith(a.data) for a, b in zip(direction, same_part, strict=True))


def test_filter_text_means_what_it_means_to_tcpdump(tmp_path: Path) -> None:
    ours = tmp_path / "all.pcap"
    with boot.boot(boot.Machine(elf=demo_elf())) as guest:
        boot.traffic(guest, 2)
        guest.poke("/park?ms=600000")
        guest.wait_console("@dump end\n")
        uniobs("tcpdump", "--last", "-w", ours, guest.pid)
        for text in ("tcp[tcpflags] & tcp-syn != 0", "dst port 80 and greater 100", "arp", "udp"):
            some = tmp_path / "some.pcap"
            uniobs("tcpdump", "--last", "-w", some, guest.pid, text)
            theirs = tmp_path / "theirs.pcap"
            subprocess.run(["tcpdump", "-r", ours, "-w", theirs, text], check=True, capture_output=True)
            assert packets(some) == packets(theirs), text


def test_netstat_agrees_with_the_client() -> None:
    with boot.boot(boot.Machine(elf=demo_elf())) as guest:
        clients = [socket.create_connection(("127.0.0.1", guest.port)) for _ in range(3)]
        try:
            for n, client in enumerate(clients):
                client.sendall(b"GET / HTTP/1.1\r\n"[: 4 + n])

            def established() -> list[int]:
                rows = uniobs("netstat", "-tn", "-e", "--json", guest.pid).rows
                return sorted(row["rx_bytes"] for row in rows if row["netstat_state"] == "ESTABLISHED")

            until(lambda: established() == [4, 5, 6], f"the guest sees {established()}")
            ports = host_ports(guest)
            assert len(ports) == 3
            rows = uniobs("netstat", "-tan", "--json", guest.pid).rows
            (server,) = [row for row in rows if row["netstat_state"] == "LISTEN"]
            assert server["local"] == "0.0.0.0:80"
            assert {row["local"] for row in rows if row["state"] == "ESTAB"} == {"10.0.2.15:80"}
        finally:
            for client in clients:
                client.close()
        until(lambda: established() == [], "connections stay that the client has closed")


def host_ports(guest: boot.Guest) -> list[int]:
    """Local ports of established connections from this host to the guest's forwarded port, as ss tells."""
    command = ["ss", "-Htn", "state", "established", f"dport = :{guest.port}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [int(line.split()[2].rsplit(":", 1)[1]) for line in done.stdout.splitlines()]
