"""A queue that stands still is named, with indexes that QEMU confirms; one that merely waits never is."""

import socket
from contextlib import suppress
from typing import Any

import pytest

import boot
from support.cli import uniobs
from support.qemu import MACHINES, demo_elf

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]


def names(guest: boot.Guest) -> list[str]:
    return [row["name"] for row in uniobs("why", "--json", guest.pid, expect=(0, 1)).rows]


def knock(guest: boot.Guest, times: int) -> None:
    """Connections that the guest has to answer."""
    for _ in range(times):
        with suppress(OSError), socket.create_connection(("127.0.0.1", guest.port), timeout=1) as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")


def receive_queue(guest: boot.Guest) -> dict[str, int]:
    (path,) = [row["path"] for row in guest.qmp("x-query-virtio") if row["name"] == "virtio-net"]
    answer: dict[str, int] = guest.qmp("x-query-virtio-queue-status", path=path, queue=0)
    return answer


@pytest.mark.parametrize("machine", MACHINES)
def test_receive_queue_that_is_never_refilled(machine: str) -> None:
    with boot.boot(boot.Machine(machine, elf=demo_elf())) as guest:
        boot.traffic(guest, 2)
        assert names(guest) == []
        guest.poke("/break/spin-irqoff")
        assert "stuck-device" not in names(guest)  # there still is room for packets
        stuck: list[dict[str, Any]] = []
        for _ in range(60):
            row = receive_queue(guest)
            # what QEMU knows of the ring may be old: then it takes more buffers with the next frame
            if row["last-avail-idx"] == row["shadow-avail-idx"]:
                found = uniobs("why", "--json", guest.pid, expect=(0, 1)).rows
                if stuck := [row for row in found if row["name"] == "stuck-device"]:
                    break
            knock(guest, 10)
        (verdict,) = stuck
        assert found[0]["name"] in ("hung", "spinning", "deadlock")  # the cause comes first
        row = receive_queue(guest)
        assert f"taken by the VMM {row['last-avail-idx']}, returned {row['used-idx']}" in verdict["lines"][2]
        assert verdict["headline"] == "virtio-net queue 0: nothing to receive into"
        assert verdict["for_at_least_s"] >= 2


def test_busy_and_idle_guests_are_not_accused() -> None:
    with boot.boot(boot.Machine(elf=demo_elf())) as guest:
        for _ in range(3):
            knock(guest, 40)
            assert names(guest) == []


def test_a_monitor_that_is_in_use_is_said() -> None:
    with boot.boot(boot.Machine(elf=demo_elf())) as guest, socket.socket(socket.AF_UNIX) as other:
        other.connect(str(guest.qmp_socket))
        assert other.recv(4096)
        why = uniobs("why", "--json", guest.pid, expect=0).json
        assert any("queues of its virtio devices: unknown (QMP in use)" in text for text in why["unknown"])
