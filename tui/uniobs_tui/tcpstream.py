"""What was said over a TCP connection, put together again from its packets."""

from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from struct import Struct
from typing import Final, NamedTuple

TCP: Final = Struct(">HHIIBBHHH")
WINDOW: Final = 1 << 30
MASK: Final = 0xFFFFFFFF
BYTES_MAX: Final = 1 << 20
EARLY_MAX: Final = 256
SYN: Final = 2
ETHERNET: Final = 14


class Segment(NamedTuple):
    """``missing``: bytes of its payload that weren't captured."""

    source: tuple[bytes, int]
    destination: tuple[bytes, int]
    seq: int
    flags: int
    payload: bytes
    missing: int

    @property
    def flow(self) -> frozenset[tuple[bytes, int]]:
        return frozenset((self.source, self.destination))


class Said(NamedTuple):
    """``client``: by who began. ``gap`` bytes weren't captured before ``data``."""

    client: bool
    data: bytes
    gap: int = 0


def segment(frame: bytes) -> Segment | None:
    """The TCP segment of an Ethernet frame; None when it's none, or not all of its head is there."""
    at, kind = ETHERNET, frame[12:14]
    if kind == b"\x81\x00":
        at, kind = at + 4, frame[16:18]
    ip = frame[at:]
    if kind == b"\x08\x00" and len(ip) >= 20 and ip[9] == 6 and not int.from_bytes(ip[6:8], "big") & 0x1FFF:
        head, length = (ip[0] & 15) * 4, int.from_bytes(ip[2:4], "big")
        source, destination = ip[12:16], ip[16:20]
    elif kind == b"\x86\xdd" and len(ip) >= 40 and ip[6] == 6:
        head, length = 40, 40 + int.from_bytes(ip[4:6], "big")
        source, destination = ip[8:24], ip[24:40]
    else:
        return None
    tcp = ip[head:length]
    if head < 20 or len(tcp) < TCP.size:
        return None
    sport, dport, seq, _, offset, flags, _, _, _ = TCP.unpack_from(tcp)
    start = (offset >> 4) * 4
    if start < TCP.size or head + start > length:
        return None
    payload = tcp[start:]
    return Segment(
        (source, sport), (destination, dport), seq, flags, payload, length - head - start - len(payload)
    )


def name(end: tuple[bytes, int]) -> str:
    return f"{ip_address(end[0])}:{end[1]}"


class _Side:
    """One direction: what comes next, and what came too early."""

    def __init__(self) -> None:
        self.next: int | None = None
        self.early: dict[int, Segment] = {}

    def take(self, one: Segment) -> Iterator[tuple[int, bytes]]:
        """(bytes that are missing, bytes) in order."""
        if one.flags & SYN:
            self.next, self.early = (one.seq + 1) & MASK, {}
            return
        if not one.payload and not one.missing:
            return
        if self.next is None:
            self.next = one.seq
        if (one.seq - self.next) & MASK < WINDOW and one.seq != self.next:
            self.early.setdefault(one.seq, one)
            if len(self.early) >= EARLY_MAX:  # what they wait for was lost
                yield from self.rest()
            return
        yield from self._in_order(one)
        while True:
            ready = [e for e in self.early.values() if (self.next - e.seq) & MASK < WINDOW]
            if not ready:
                return
            for early in sorted(ready, key=lambda e: (e.seq - ready[0].seq) & MASK):
                del self.early[early.seq]
                yield from self._in_order(early)

    def _in_order(self, one: Segment) -> Iterator[tuple[int, bytes]]:
        assert self.next is not None
        known = (self.next - one.seq) & MASK  # sent again
        total = len(one.payload) + one.missing
        if known >= total:
            return
        self.next = (one.seq + total) & MASK
        fresh = one.payload[known:]
        if fresh:
            yield 0, fresh
        missing = total - max(known, len(one.payload))
        if missing:
            yield missing, b""

    def rest(self) -> Iterator[tuple[int, bytes]]:
        """What came, though what is before it never did."""
        while self.early and self.next is not None:
            base = self.next
            first = min(self.early.values(), key=lambda e: (e.seq - base) & MASK)
            del self.early[first.seq]
            gap = (first.seq - base) & MASK
            if gap < WINDOW:
                self.next = first.seq
                yield gap, b""
            yield from self._in_order(first)


def conversation(segments: Iterable[Segment], client: tuple[bytes, int]) -> Iterator[Said]:
    """What both ends said, in the order in which it was seen. At most BYTES_MAX bytes."""
    sides = {True: _Side(), False: _Side()}
    left = BYTES_MAX
    for one in segments:
        mine = one.source == client
        for gap, data in sides[mine].take(one):
            yield Said(mine, data[:left], gap)
            left -= len(data)
            if left <= 0:
                return
    for mine, side in sides.items():
        for gap, data in side.rest():
            yield Said(mine, data[:left], gap)
            left -= len(data)
            if left <= 0:
                return
