"""pcap, the classic format: written with nanosecond times; read in either byte order and resolution."""

from collections.abc import Iterator
from struct import Struct
from typing import BinaryIO, Final

from uniobs.errors import BadFormat
from uniobs.export.pcapng import ETHERNET, SHB, read_pcapng
from uniobs.export.sink import write_all
from uniobs.model.guest import Packet

NANOSECOND_MAGIC: Final = 0xA1B23C4D
MICROSECOND_MAGIC: Final = 0xA1B2C3D4
MAX_PACKET: Final = 1 << 24
DEFAULT_SNAP: Final = 262144


class PcapWriter:
    """Packets to ``out``. Raises OutputError when it can't be written."""

    def __init__(self, out: BinaryIO, snap: int = 0, *, flush: bool = False) -> None:
        self._out = out
        self._flush = flush
        head = Struct("<IHHiIII").pack(NANOSECOND_MAGIC, 2, 4, 0, 0, snap or DEFAULT_SNAP, ETHERNET)
        write_all(out, head, flush=flush)

    def packet(self, packet: Packet) -> None:
        stamp = packet.wall_ns if packet.wall_ns is not None else packet.time_ns or 0
        seconds, ns = divmod(stamp, 1_000_000_000)
        head = Struct("<IIII").pack(seconds & 0xFFFFFFFF, ns, len(packet.data), packet.length)
        write_all(self._out, head + packet.data, flush=self._flush)

    def close(self, received: int, dropped: int) -> None:
        """This format has no place for statistics."""
        self.flush()

    def flush(self) -> None:
        write_all(self._out, b"", flush=True)


def read_pcap(source: BinaryIO, head: bytes = b"") -> Iterator[Packet]:
    """Ethernet frames of a pcap stream; ``head`` are bytes already taken. Raises BadFormat."""
    head += source.read(24 - len(head))
    if len(head) < 24:
        raise BadFormat("too short for a pcap file")
    for order in "<>":
        magic = Struct(order + "I").unpack(head[:4])[0]
        if magic in (NANOSECOND_MAGIC, MICROSECOND_MAGIC):
            break
    else:
        raise BadFormat("neither a pcap nor a pcapng file")
    unit = 1 if magic == NANOSECOND_MAGIC else 1000
    link = Struct(order + "I").unpack(head[20:])[0] & 0xFFFF
    if link != ETHERNET:
        raise BadFormat(f"link type {link} in the pcap file: only Ethernet is read")
    record = Struct(order + "IIII")
    position = 0
    while raw := source.read(record.size):
        if len(raw) < record.size:
            raise BadFormat("the pcap file ends in the middle of a packet's head")
        seconds, part, captured, length = record.unpack(raw)
        if captured > MAX_PACKET:
            raise BadFormat(f"a packet of {captured} bytes in the pcap file")
        data = source.read(captured)
        if len(data) < captured:
            raise BadFormat("the pcap file ends in the middle of a packet")
        wall = seconds * 1_000_000_000 + part * unit
        yield Packet(position, None, wall, 0, "rx", length, data)
        position += 1


def read_capture(source: BinaryIO) -> Iterator[Packet]:
    """Frames of a pcap or pcapng stream, whichever it is. Raises BadFormat."""
    head = source.read(4)
    if int.from_bytes(head, "little") == SHB:
        yield from read_pcapng(_Rewound(source, head))  # type: ignore[arg-type]
    else:
        yield from read_pcap(source, head)


class _Rewound:
    """A stream (perhaps a pipe) with the bytes that were taken from it put back."""

    def __init__(self, source: BinaryIO, head: bytes) -> None:
        self._source = source
        self._head = head

    def read(self, size: int) -> bytes:
        taken, self._head = self._head[:size], self._head[size:]
        return taken + self._source.read(size - len(taken))
