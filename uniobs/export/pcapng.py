"""pcapng: written block by block, to a file or a pipe; and read back.

Format: draft-ietf-opsawg-pcapng (section header, interface description, enhanced packet, interface
statistics). Times are nanoseconds of Unix time, or since the guest's boot when it has no wall clock
(said in the interface's description).
"""

from collections.abc import Iterator
from struct import Struct, error
from typing import BinaryIO, Final

from uniobs.errors import BadFormat
from uniobs.export.sink import write_all
from uniobs.model.guest import Packet

SHB: Final = 0x0A0D0D0A
IDB: Final = 1
SPB: Final = 3
ISB: Final = 5
EPB: Final = 6
BYTE_ORDER: Final = 0x1A2B3C4D
ETHERNET: Final = 1
NANOSECONDS: Final = 9
DIRECTIONS: Final = {"rx": 1, "tx": 2}
MAX_BLOCK: Final = 16 << 20


def _option(code: int, data: bytes) -> bytes:
    return code.to_bytes(2, "little") + len(data).to_bytes(2, "little") + data + bytes(-len(data) % 4)


def _block(kind: int, body: bytes) -> bytes:
    total = (12 + len(body)).to_bytes(4, "little")
    return kind.to_bytes(4, "little") + total + body + total


class PcapngWriter:
    """Packets to ``out``; close() adds the statistics. Raises OutputError when it can't be written."""

    def __init__(self, out: BinaryIO, snap: int = 0, *, flush: bool = False, program: str = "uniobs") -> None:
        self._out = out
        self._snap = snap
        self._flush = flush
        self._ids: dict[int, int] = {}  # guest's interface -> ours
        self._last: dict[int, int] = {}
        options = _option(4, program.encode()) + _option(0, b"")
        body = Struct("<IHHq").pack(BYTE_ORDER, 1, 0, -1) + options
        self._put(_block(SHB, body))

    def interface(self, iface: int, name: str | None, note: str | None = None) -> None:
        """Describe an interface; packets of one that wasn't described get a nameless one."""
        if iface in self._ids:
            return
        self._ids[iface] = len(self._ids)
        options = _option(2, name.encode("utf-8", "replace")[:64]) if name else b""
        options += _option(3, note.encode()) if note else b""
        options += _option(9, bytes([NANOSECONDS])) + _option(0, b"")
        self._put(_block(IDB, Struct("<HHI").pack(ETHERNET, 0, self._snap) + options))

    def packet(self, packet: Packet) -> None:
        stamp = packet.wall_ns
        if packet.iface not in self._ids:
            note = None if stamp is not None else "times are since the guest's boot"
            self.interface(packet.iface, None, note)
        stamp = stamp if stamp is not None else packet.time_ns or 0
        number = self._ids[packet.iface]
        self._last[number] = stamp
        head = Struct("<IIIII").pack(
            number, stamp >> 32 & 0xFFFFFFFF, stamp & 0xFFFFFFFF, len(packet.data), packet.length
        )
        flags = _option(2, DIRECTIONS[packet.direction].to_bytes(4, "little")) + _option(0, b"")
        self._put(_block(EPB, head + packet.data + bytes(-len(packet.data) % 4) + flags))

    def close(self, received: int, dropped: int) -> None:
        """Statistics of the whole capture, on its first interface. The stream itself stays open."""
        if self._ids:
            stamp = self._last.get(0, 0)
            head = Struct("<III").pack(0, stamp >> 32 & 0xFFFFFFFF, stamp & 0xFFFFFFFF)
            options = _option(4, received.to_bytes(8, "little")) + _option(5, dropped.to_bytes(8, "little"))
            self._put(_block(ISB, head + options + _option(0, b"")))
        self.flush()

    def flush(self) -> None:
        write_all(self._out, b"", flush=True)

    def _put(self, data: bytes) -> None:
        write_all(self._out, data, flush=self._flush)


class _Interface:
    def __init__(self, link: int, per_second: int, snap: int, offset: int) -> None:
        self.link = link
        self.per_second = per_second
        self.snap = snap
        self.offset = offset

    def ns(self, stamp: int) -> int:
        return stamp * 1_000_000_000 // self.per_second + self.offset * 1_000_000_000


def read_pcapng(source: BinaryIO) -> Iterator[Packet]:
    """Ethernet frames of a pcapng stream. Raises BadFormat for what isn't one, or is cut short."""
    order = "<"
    interfaces: list[_Interface] = []
    position = 0
    while head := source.read(8):
        if len(head) < 8:
            raise BadFormat("the pcapng file ends in the middle of a block")
        if int.from_bytes(head[:4], "little") == SHB:
            magic = source.read(4)
            orders = {BYTE_ORDER.to_bytes(4, "little"): "<", BYTE_ORDER.to_bytes(4, "big"): ">"}
            if magic not in orders:
                raise BadFormat("not a pcapng file: no byte-order mark in its section header")
            order, interfaces = orders[magic], []
            _body(source, order, head, taken=4)
            continue
        kind = Struct(order + "I").unpack(head[:4])[0]
        body = _body(source, order, head, taken=0)
        try:
            if kind == IDB:
                interfaces.append(_interface(order, body))
            elif kind in (EPB, SPB):
                yield _packet(order, kind, body, interfaces, position)
                position += 1
        except (error, IndexError) as problem:
            raise BadFormat(f"a garbled block in the pcapng file ({problem})") from problem


def _body(source: BinaryIO, order: str, head: bytes, taken: int) -> bytes:
    size = Struct(order + "I").unpack(head[4:])[0]
    if size % 4 or not 12 + taken <= size <= MAX_BLOCK:
        raise BadFormat(f"a block of {size} bytes in the pcapng file")
    rest = source.read(size - 8 - taken)
    if len(rest) < size - 8 - taken or rest[-4:] != head[4:]:
        raise BadFormat("the pcapng file is cut short or garbled")
    return rest[:-4]


def _options(order: str, data: bytes) -> dict[int, bytes]:
    out: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(data):
        code, size = Struct(order + "HH").unpack_from(data, at)
        if code == 0:
            break
        out[code] = data[at + 4 : at + 4 + size]
        at += 4 + size + (-size % 4)
    return out


def _interface(order: str, body: bytes) -> _Interface:
    link, _, snap = Struct(order + "HHI").unpack_from(body)
    options = _options(order, body[8:])
    resolution = options.get(9, b"\x06")[0]
    if resolution & 0x7F > 63:
        raise BadFormat("an impossible time resolution in the pcapng file")
    per_second = 1 << (resolution & 0x7F) if resolution & 0x80 else 10 ** int(resolution)
    offset = int.from_bytes(options.get(14, b""), "little" if order == "<" else "big", signed=True)
    return _Interface(link, per_second, snap, offset)


def _packet(order: str, kind: int, body: bytes, interfaces: list[_Interface], position: int) -> Packet:
    if kind == SPB:
        length = Struct(order + "I").unpack_from(body)[0]
        number, stamp, direction = 0, None, 0
        captured = min(length, interfaces[0].snap or length)
        start = 4
    else:
        number, high, low, captured, length = Struct(order + "IIIII").unpack_from(body)
        stamp, start = high << 32 | low, 20
        options = _options(order, body[start + captured + (-captured % 4) :])
        direction = int.from_bytes(options.get(2, b"")[:4], "little" if order == "<" else "big") & 3
    iface = interfaces[number]
    if iface.link != ETHERNET:
        raise BadFormat(f"link type {iface.link} in the pcapng file: only Ethernet is read")
    if start + captured > len(body):
        raise BadFormat("a packet longer than its block in the pcapng file")
    return Packet(
        position=position,
        time_ns=None,
        wall_ns=None if stamp is None else iface.ns(stamp),
        iface=number,
        direction="tx" if direction == 2 else "rx",
        length=length,
        data=body[start : start + captured],
    )
