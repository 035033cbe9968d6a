"""Packets, and host tools beside ours: lines of a capture, a filter, a file written."""

import struct
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench.measure import Figure, cost, paired

UNIOBS = str(Path(sys.executable).parent / "uniobs")
PACKETS = 20_000
PAYLOAD = b"GET /kv/user:42 HTTP/1.1\r\nHost: 10.0.2.15\r\n\r\n"


def main() -> int:
    """Print the table."""
    print(f"tcpdump: a capture of {PACKETS:,} packets, in CPU time")
    for figure in figures():
        print(figure.line(), flush=True)
    return 0


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="uniobs-bench-") as folder:
        file = Path(folder) / "capture.pcap"
        file.write_bytes(capture())
        for what, words in (
            ("a line a packet", ()),
            ("a filter that one in ten passes", ("tcp", "port", "80")),
            ("written to a file", ("-w", f"{folder}/copy.pcap")),
        ):
            command = ("tcpdump", "-n", "-r", str(file), *words)
            ours, theirs = cpu(UNIOBS, *command), cpu(*command)
            yield paired(f"uniobs tcpdump -r, {what}", "ms", ours, "tcpdump", theirs, rounds=5)


def cpu(*command: str) -> Callable[[], float]:
    """Milliseconds of it, each time it is called."""
    return lambda: cost(command).cpu


def capture() -> bytes:
    """Frames of TCP between two hosts; one in ten to port 80."""
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)]
    for number in range(PACKETS):
        port = 80 if number % 10 == 0 else 8080
        tcp = struct.pack("!HHIIBBHHH", 40000, port, number * len(PAYLOAD), 1, 0x50, 0x18, 65535, 0, 0)
        total = 20 + len(tcp) + len(PAYLOAD)
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, total, number & 0xFFFF, 0, 64, 6, 0, bytes(4), bytes(4))
        frame = bytes(12) + b"\x08\x00" + ip + tcp + PAYLOAD
        out.append(struct.pack("<IIII", number // 1000, number % 1000 * 1000, len(frame), len(frame)) + frame)
    return b"".join(out)
