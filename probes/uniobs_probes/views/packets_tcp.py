"""TCP and UDP headers in tcpdump's words."""

from dataclasses import dataclass, field
from struct import Struct
from typing import Final

from uniobs_probes.views.packets_app import bootp, http

FLAGS: Final = ((1, "F"), (2, "S"), (4, "R"), (8, "P"), (16, "."), (32, "U"), (64, "E"), (128, "W"))
SYN: Final = 2
ACK: Final = 16
SHOWS_SEQ: Final = 1 | 2 | 4
MAX_FLOWS: Final = 1 << 16
HTTP_PORTS: Final = frozenset({80, 8080, 3128})
MASK: Final = 0xFFFFFFFF

TCP: Final = Struct(">HHIIBBHHH")


@dataclass(frozen=True, slots=True)
class Ends:
    """The addresses around a segment, as text and as bytes."""

    src: str
    dst: str
    src_raw: bytes
    dst_raw: bytes
    fragment: bool = False


@dataclass(slots=True)
class Flows:
    """Where a connection's sequence numbers begin, as tcpdump takes it: at the first segment with ACK."""

    absolute: bool = False
    _starts: dict[tuple[tuple[bytes, int], tuple[bytes, int]], tuple[int, int]] = field(default_factory=dict)

    def relative(self, ends: Ends, sport: int, dport: int, flags: int, seq: int, ack: int) -> tuple[int, int]:
        """(seq, ack) to print."""
        if self.absolute or not flags & ACK:
            return seq, ack
        one, two = (ends.src_raw, sport), (ends.dst_raw, dport)
        reverse = one > two
        key = (two, one) if reverse else (one, two)
        start = self._starts.get(key)
        if start is None or flags & SYN:
            if len(self._starts) >= MAX_FLOWS:
                self._starts.clear()
            before = (ack - 1) & MASK
            self._starts[key] = (before, seq) if reverse else (seq, before)
            return seq, ack
        mine, theirs = (start[1], start[0]) if reverse else start
        return (seq - mine) & MASK, (ack - theirs) & MASK


def checksum(data: bytes) -> int:
    """The Internet checksum's one's complement sum; 0 over data with a right checksum in it."""
    if len(data) & 1:
        data += b"\0"
    total: int = sum(Struct(f">{len(data) // 2}H").unpack(data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def pseudo(ends: Ends, proto: int, length: int) -> bytes:
    if len(ends.src_raw) == 4:
        return ends.src_raw + ends.dst_raw + bytes([0, proto]) + length.to_bytes(2, "big")
    return ends.src_raw + ends.dst_raw + length.to_bytes(4, "big") + bytes([0, 0, 0, proto])


def tcp(data: bytes, length: int, ends: Ends, flows: Flows, verbose: int) -> str:
    """``10.0.2.2.51544 > 10.0.2.15.80: Flags [S], ...``. ``length``: of the segment, were it all there."""
    if len(data) < TCP.size:
        return f"{ends.src} > {ends.dst}: [|tcp]"
    sport, dport, seq, ack, offset, flags, window, stored, urgent = TCP.unpack_from(data)
    out = f"{ends.src}.{sport} > {ends.dst}.{dport}: "
    head = (offset >> 4) * 4
    if head < TCP.size or head > length:
        why = "too short, < 20" if head < TCP.size else f"bad-len {length}"
        return f"{out}tcp {length - head} [bad hdr length {head} - {why}]"
    size = length - head
    names = "".join(name for bit, name in FLAGS if flags & bit) or "none"
    out += f"Flags [{names}]"
    if verbose and not ends.fragment and len(data) >= length:
        out += f", cksum {stored:#06x} {_judged(stored, checksum(pseudo(ends, 6, length) + data[:length]))}"
    shown, acked = flows.relative(ends, sport, dport, flags, seq, ack)
    if verbose > 1 or size or flags & SHOWS_SEQ:
        out += f", seq {shown}" + (f":{(shown + size) & MASK}" if size else "")
    if flags & ACK:
        out += f", ack {acked}"
    out += f", win {window}"
    if flags & 32:
        out += f", urg {urgent}"
    if head > TCP.size:
        relative = (seq - shown) & MASK, (ack - acked) & MASK
        out += f", options [{_options(data[TCP.size : head], relative[1], head - TCP.size)}]"
    out += f", length {size}"
    payload = data[head:length]
    if size and payload and (sport in HTTP_PORTS or dport in HTTP_PORTS):
        out += http(payload, size, verbose)
    return out


def _judged(stored: int, left: int) -> str:
    if left == 0:
        return "(correct)"
    # What the field should hold: what it holds, plus what is left over with that in it.
    return f"(incorrect -> {_fold(stored + left):#06x})"


def _fold(value: int) -> int:
    while value >> 16:
        value = (value & 0xFFFF) + (value >> 16)
    return value


def _options(data: bytes, ack_start: int, size: int) -> str:
    out = []
    at = 0
    while at < len(data):
        kind = data[at]
        if kind == 0:
            out.append("eol")
            break
        if kind == 1:
            out.append("nop")
            at += 1
            continue
        length = data[at + 1] if at + 1 < len(data) else 0
        if length < 2 or at + length > len(data):
            out.append("[|tcp]" if len(data) < size else "bad opt")
            break
        out.append(_option(kind, data[at + 2 : at + length], ack_start))
        at += length
    else:
        if len(data) < size:
            out.append("[|tcp]")
    return ",".join(out)


def _option(kind: int, body: bytes, ack_start: int) -> str:
    if kind == 2 and len(body) == 2:
        return f"mss {int.from_bytes(body, 'big')}"
    if kind == 3 and len(body) == 1:
        return f"wscale {body[0]}"
    if kind == 4 and not body:
        return "sackOK"
    if kind == 5 and len(body) % 8 == 0:
        edges = [(v - ack_start) & MASK for v in Struct(f">{len(body) // 4}I").unpack(body)]
        blocks = "".join(f"{{{a}:{b}}}" for a, b in zip(edges[::2], edges[1::2], strict=True))
        return f"sack {len(edges) // 2} {blocks}"
    if kind == 8 and len(body) == 8:
        value, echo = Struct(">II").unpack(body)
        return f"TS val {value} ecr {echo}"
    return f"unknown-{kind} 0x{body.hex()}" if body else f"unknown-{kind}"


def udp(data: bytes, length: int, ends: Ends, verbose: int) -> str:
    if len(data) < 8:
        return f"{ends.src} > {ends.dst}: [|udp]"
    sport, dport, stated, stored = Struct(">HHHH").unpack_from(data)
    out = f"{ends.src}.{sport} > {ends.dst}.{dport}: "
    if stated < 8:
        return f"{out}truncated-udplength {stated}"
    if verbose and not ends.fragment and len(ends.src_raw) == 16 and len(data) >= length:
        left = checksum(pseudo(ends, 17, length) + data[:length])
        fault = f"[bad udp cksum {stored:#06x} -> {_fold(stored + left):#06x}!] "
        out += "[udp sum ok] " if left == 0 else fault
    if {sport, dport} & {67, 68}:
        return out + bootp(data[8:length], stated - 8)
    return f"{out}UDP, length {stated - 8}"
