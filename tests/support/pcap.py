"""Captures as other tools see them."""

import struct
import subprocess
from pathlib import Path
from typing import NamedTuple

GUEST_MAC = bytes.fromhex("525400123456")  # QEMU's first


class Seen(NamedTuple):
    """A packet's captured bytes and its length on the wire."""

    data: bytes
    length: int


def packets(path: Path) -> list[Seen]:
    """Of a pcap file, as far as it's written."""
    raw = path.read_bytes()
    assert int.from_bytes(raw[:4], "little") in (0xA1B2C3D4, 0xA1B23C4D), raw[:4].hex()
    found, at = [], 24
    while at + 16 <= len(raw):
        captured, length = struct.unpack_from("<8xII", raw, at)
        if at + 16 + captured > len(raw):
            break
        found.append(Seen(raw[at + 16 : at + 16 + captured], length))
        at += 16 + captured
    return found


def through_tshark(path: Path) -> list[Seen]:
    """What tshark reads from a capture, which it must do without a word of warning."""
    copy = path.with_suffix(".tshark.pcap")
    command = ["tshark", "-r", str(path), "-F", "pcap", "-w", str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    noise = [line for line in done.stderr.splitlines() if "Running as user" not in line]
    assert done.returncode == 0 and not noise, done.stderr
    return packets(copy)


def complaints(path: Path) -> list[str]:
    """tshark's expert warnings and errors about malformed packets or wrong checksums of the guest's side."""
    done = subprocess.run(
        ["tshark", "-r", str(path), "-Y", "_ws.malformed || _ws.unreassembled"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def from_first_sent(seen: list[Seen]) -> list[Seen]:
    """Without what came before the guest's first packet: the card throws it away until there is a driver."""
    first = next(n for n, packet in enumerate(seen) if packet.data[6:12] == GUEST_MAC)
    return seen[first:]


def by_direction(seen: list[Seen]) -> tuple[list[Seen], list[Seen]]:
    """(received by the guest, sent by it)."""
    sent = [packet for packet in seen if packet.data[6:12] == GUEST_MAC]
    return [packet for packet in seen if packet.data[6:12] != GUEST_MAC], sent
