"""Ethernet frames of a conversation, made by hand from bytes: with right checksums where they count."""

from collections.abc import Sequence
from struct import Struct

from uniobs.model.guest import Packet

CLIENT, SERVER = bytes([10, 0, 2, 2]), bytes([10, 0, 2, 15])
CLIENT_MAC, SERVER_MAC = bytes.fromhex("52550a000202"), bytes.fromhex("525400123456")
SIX_A, SIX_B = bytes.fromhex("fe80" + "0" * 27 + "1"), bytes.fromhex("fe80" + "0" * 27 + "2")
PORTS = (51544, 80)


def total(data: bytes) -> int:
    value = 0
    for at in range(0, len(data), 2):
        value += int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big")
    while value >> 16:
        value = (value & 0xFFFF) + (value >> 16)
    return ~value & 0xFFFF


def ether(payload: bytes, kind: int = 0x0800, up: bool = True, vlan: bytes = b"") -> bytes:
    """``up``: from the client to the server."""
    ends = SERVER_MAC + CLIENT_MAC if up else CLIENT_MAC + SERVER_MAC
    return ends + vlan + kind.to_bytes(2, "big") + payload


def ip4(payload: bytes, proto: int, up: bool = True, fragment: int = 0) -> bytes:
    src, dst = (CLIENT, SERVER) if up else (SERVER, CLIENT)
    head = Struct(">BBHHHBBH4s4s").pack(
        0x45, 0, 20 + len(payload), 1, fragment, 64, proto, 0, src, dst
    )
    return head[:10] + total(head).to_bytes(2, "big") + head[12:] + payload


def ip6(payload: bytes, proto: int) -> bytes:
    return Struct(">IHBB").pack(6 << 28, len(payload), proto, 64) + SIX_A + SIX_B + payload


def sealed(segment: bytes, at: int, proto: int, src: bytes, dst: bytes) -> bytes:
    """The segment with its checksum stored at ``at``."""
    size = len(segment).to_bytes(4, "big")
    pseudo = src + dst + (size + bytes([0, 0, 0, proto]) if len(src) == 16 else bytes([0, proto]) + size[2:])
    return segment[:at] + total(pseudo + segment).to_bytes(2, "big") + segment[at + 2 :]


def tcp(
    flags: int,
    seq: int,
    ack: int,
    data: bytes = b"",
    up: bool = True,
    options: bytes = b"",
    urgent: int = 0,
    window: int = 65535,
    ports: tuple[int, int] = PORTS,
) -> bytes:
    sport, dport = ports if up else ports[::-1]
    size = 20 + len(options)
    head = Struct(">HHIIBBHHH").pack(sport, dport, seq, ack, size // 4 << 4, flags, window, 0, urgent)
    src, dst = (CLIENT, SERVER) if up else (SERVER, CLIENT)
    segment = sealed(head + options + data, 16, 6, src, dst)
    return ether(ip4(segment, 6, up, fragment=0x4000 if up else 0), up=up)


def udp(data: bytes, sport: int = 4000, dport: int = 5000, up: bool = True, fragment: int = 0) -> bytes:
    head = Struct(">HHHH").pack(sport, dport, 8 + len(data), 0)
    return ether(ip4(head + data, 17, up, fragment=fragment), up=up)


def arp(operation: int, up: bool) -> bytes:
    ends = CLIENT_MAC + CLIENT + bytes(6) + SERVER if up else SERVER_MAC + SERVER + CLIENT_MAC + CLIENT
    return ether(Struct(">HHBBH").pack(1, 0x800, 6, 4, operation) + ends, 0x0806, up)


def icmp(kind: int, code: int, rest: bytes, up: bool = True) -> bytes:
    body = bytes([kind, code, 0, 0]) + rest
    return ether(ip4(body[:2] + total(body).to_bytes(2, "big") + body[4:], 1, up), up=up)


def icmp6(kind: int, rest: bytes) -> bytes:
    return ether(ip6(sealed(bytes([kind, 0, 0, 0]) + rest, 2, 58, SIX_A, SIX_B), 58), 0x86DD)


def conversation() -> list[bytes]:
    """ARP, ping, an HTTP exchange with options of all kinds, errors, fragments, IPv6, a VLAN."""
    request = b"GET /kv/user:42 HTTP/1.1\r\nHost: kv\r\nAccept: */*\r\n\r\n"
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    after = 1001 + len(request)
    syn = bytes.fromhex("020405b4 0402 080a 0000007b 00000000 01 030307")
    stamp = bytes.fromhex("0101 080a 00000005 00000006")
    sack = bytes.fromhex("0101 050a") + Struct(">II").pack(5400, 5500)
    inner = udp(b"y" * 20)[14:]
    boot = bytes([1, 1, 6, 0]) + bytes(24) + SERVER_MAC + bytes(202)
    v6_tcp = Struct(">HHIIBBHHH").pack(1000, 2000, 9, 0, 5 << 4, 2, 8192, 0, 0)
    v6_udp = Struct(">HHHH").pack(1000, 2000, 11, 0) + b"abc"
    return [
        arp(1, True),
        arp(2, False),
        icmp(8, 0, Struct(">HH").pack(7, 1) + b"x" * 56),
        icmp(0, 0, Struct(">HH").pack(7, 1) + b"x" * 56, up=False),
        tcp(2, 1000, 0, options=syn),
        tcp(18, 5000, 1001, up=False, options=bytes.fromhex("020405b4"), window=5840),
        tcp(16, 1001, 5001),
        tcp(24, 1001, 5001, request),
        tcp(24, 5001, after, answer, up=False, options=stamp),
        tcp(16, 5001 + len(answer), after, b"binary\0\1\2data" * 20, up=False),
        tcp(17, 5300, after, up=False),
        tcp(16, after, 5301, options=sack),
        tcp(4, after, 0),
        tcp(41, 1001, 0, urgent=4),
        tcp(0, 1001, 0),
        tcp(0xC2, 2001, 0),
        tcp(2, 77, 0, ports=(1234, 8081), options=bytes.fromhex("fd0412340100")[:4]),
        tcp(16, 5, 9, b"data without a handshake", ports=(1235, 9000)),
        tcp(16, 7, 29, up=False, ports=(1235, 9000)),
        udp(b"y" * 20),
        udp(b""),
        icmp(3, 3, bytes(4) + inner, up=False),
        icmp(3, 1, bytes(4) + inner, up=False),
        icmp(3, 4, bytes(2) + (1400).to_bytes(2, "big") + inner, up=False),
        icmp(3, 13, bytes(4) + inner, up=False),
        icmp(11, 0, bytes(4) + inner, up=False),
        udp(boot, 68, 67, up=False),
        udp(bytes([2]) + boot[1:], 67, 68),
        udp(b"z" * 64, fragment=0x2000),
        ether(ip4(b"z" * 64, 17, fragment=0x2000 | 9)),
        ether(ip4(b"z" * 20, 253)),
        ether(ip4(bytes.fromhex("1100eeff00000000"), 2)),
        ether(ip4(b"q", 6)),
        icmp6(128, Struct(">HH").pack(3, 4) + b"a" * 8),
        icmp6(135, bytes(4) + SIX_B),
        icmp6(133, bytes(4)),
        ether(ip6(sealed(v6_tcp, 16, 6, SIX_A, SIX_B), 6), 0x86DD),
        ether(ip6(sealed(v6_udp, 6, 17, SIX_A, SIX_B), 17), 0x86DD),
        ether(ip4(Struct(">HHHH").pack(9, 10, 11, 0) + b"abc", 17), vlan=bytes.fromhex("81000005")),
    ]


def packets(frames: Sequence[bytes], start_ns: int = 1_700_000_000_000_000_000) -> list[Packet]:
    """Frames a few milliseconds apart, to and fro."""
    return [
        Packet(i, i * 1_234_567, start_ns + i * 1_234_567, 1, "tx" if i % 2 else "rx", len(frame), frame)
        for i, frame in enumerate(frames)
    ]
