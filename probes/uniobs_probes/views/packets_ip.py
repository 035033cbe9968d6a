"""IPv4, IPv6, ICMP and ARP headers in tcpdump's words."""

from ipaddress import IPv4Address, IPv6Address
from struct import Struct
from typing import Final

from uniobs_probes.views.packets_tcp import Ends, Flows, checksum, pseudo, tcp, udp

ICMP, IGMP, TCP, UDP, ICMP6 = 1, 2, 6, 17, 58
PROTOCOLS: Final = {
    **{0: "Options", 1: "ICMP", 2: "IGMP", 4: "IPIP", 6: "TCP", 17: "UDP", 41: "IPv6", 44: "Fragment"},
    **{47: "GRE", 50: "ESP", 51: "AH", 58: "ICMPv6", 89: "OSPF", 112: "VRRP", 132: "SCTP"},
}
ECN: Final = ("", ",ECT(1)", ",ECT(0)", ",CE")
MAX_NESTED: Final = 2
IP4: Final = Struct(">BBHHHBBH4s4s")
IP6: Final = Struct(">IHBB16s16s")


class Network:
    """Formats what follows an Ethernet head. ``lead`` (``IP ``) is left out where the link head was shown."""

    def __init__(self, verbose: int, absolute: bool) -> None:
        self._verbose = verbose
        self._flows = Flows(absolute)

    def ip4(self, data: bytes, full: int, lead: str = "IP ", depth: int = 0) -> str:
        """``full``: bytes that followed the Ethernet head, captured or not."""
        if len(data) < IP4.size:
            return f"{lead}[|ip]"
        version, tos, length, ident, fragment, ttl, proto, _, src, dst = IP4.unpack_from(data)
        head = (version & 15) * 4
        if version >> 4 != 4 or head < IP4.size or head > len(data):
            return f"{lead}[bad header: version {version >> 4}, length {head}]"
        if length < head:
            return f"{lead}bad-len {length}"
        out = lead
        if self._verbose:
            out += self._ip4_detail(tos, ttl, ident, fragment, proto, length, data[:head])
        if length > full and depth == 0:
            out += f"truncated-ip - {length - full} bytes missing! "
        ends = Ends(str(IPv4Address(src)), str(IPv4Address(dst)), src, dst, bool(fragment & 0x3FFF))
        if fragment & 0x1FFF:
            return f"{out}{ends.src} > {ends.dst}: {_proto_text(proto)}"
        return out + self._transport(proto, data[head:length], length - head, ends, lead, depth)

    def _ip4_detail(
        self, tos: int, ttl: int, ident: int, fragment: int, proto: int, length: int, head: bytes
    ) -> str:
        bits = ((0x2000, "+"), (0x4000, "DF"), (0x8000, "rsvd"))
        flags = ", ".join(name for bit, name in bits if fragment & bit) or "none"
        name = PROTOCOLS.get(proto, "unknown")
        out = f"(tos {tos:#x}{ECN[tos & 3]}, ttl {ttl}, id {ident}, offset {(fragment & 0x1FFF) * 8}, "
        out += f"flags [{flags}], proto {name} ({proto}), length {length}"
        left = checksum(head)
        if left:
            stored = int.from_bytes(head[10:12], "big")
            right = stored + left
            out += f", bad cksum {stored:x} (->{(right & 0xFFFF) + (right >> 16):x})!"
        return out + ")\n    "

    def _transport(
        self, proto: int, data: bytes, length: int, ends: Ends, lead: str, depth: int = 0
    ) -> str:
        if proto == TCP:
            return tcp(data, length, ends, self._flows, self._verbose)
        if proto == UDP:
            return udp(data, length, ends, self._verbose)
        both = f"{ends.src} > {ends.dst}: "
        if proto == ICMP:
            return both + self._icmp(data, length, lead, depth)
        if proto == ICMP6:
            return both + self._icmp6(data, length, ends)
        if proto == IGMP:
            return both + _igmp(data)
        return f"{both} {_proto_text(proto)} {length}"

    def _icmp(self, data: bytes, length: int, lead: str, depth: int) -> str:
        if len(data) < 8:
            return "[|icmp]"
        kind, code = data[0], data[1]
        if kind in (0, 8):
            ident, seq = Struct(">HH").unpack_from(data, 4)
            name = "echo reply" if kind == 0 else "echo request"
            return f"ICMP {name}, id {ident}, seq {seq}, length {length}"
        text = f"type-#{kind}"
        if kind == 3:
            text = _unreachable(code, data)
        elif kind == 11:
            names = {0: "time exceeded in-transit", 1: "ip reassembly time exceeded"}
            text = names.get(code, f"time exceeded-#{code}")
        elif kind == 5:
            text = f"redirect to {IPv4Address(data[4:8])}"
        out = f"ICMP {text}, length {length}"
        if self._verbose and kind in (3, 5, 11, 12) and depth < MAX_NESTED and len(data) > 8:
            out += "\n\t" + self.ip4(data[8:], len(data) - 8, lead, depth + 1)
        return out

    def ip6(self, data: bytes, full: int, lead: str = "IP6 ") -> str:
        if len(data) < IP6.size:
            return f"{lead}[|ip6]"
        first, payload, proto, hops, src, dst = IP6.unpack_from(data)
        if first >> 28 != 6:
            return f"{lead}[bad header: version {first >> 28}]"
        out = lead
        if self._verbose:
            traffic, flow = first >> 20 & 0xFF, first & 0xFFFFF
            out += "(" + (f"class {traffic:#04x}, " if traffic else "")
            out += f"flowlabel {flow:#07x}, " if flow else ""
            name = PROTOCOLS.get(proto, "unknown")
            out += f"hlim {hops}, next-header {name} ({proto}) payload length: {payload}) "
        if payload > full - IP6.size:
            out += f"truncated-ip6 - {payload - (full - IP6.size)} bytes missing!"
        ends = Ends(str(IPv6Address(src)), str(IPv6Address(dst)), src, dst)
        return out + self._transport(proto, data[IP6.size : IP6.size + payload], payload, ends, lead)

    def _icmp6(self, data: bytes, length: int, ends: Ends) -> str:
        if len(data) < 4:
            return "[|icmp6]"
        out = ""
        if self._verbose and len(data) >= length:
            right = checksum(pseudo(ends, ICMP6, length) + data[:length]) == 0
            out = "[icmp6 sum ok] " if right else "[bad icmp6 cksum] "
        kind = data[0]
        tail = "" if self._verbose else f", length {length}"
        if kind in (128, 129) and len(data) >= 8:
            ident, seq = Struct(">HH").unpack_from(data, 4)
            name = "echo request" if kind == 128 else "echo reply"
            return f"{out}ICMP6, {name}, id {ident}, seq {seq}{tail}"
        if kind in (133, 134):
            return f"{out}ICMP6, router {'solicitation' if kind == 133 else 'advertisement'}, length {length}"
        if kind in (135, 136) and len(data) >= 24:
            name = "solicitation, who has" if kind == 135 else "advertisement, tgt is"
            what, said = name.split(", ")
            target = f", {said} {IPv6Address(data[8:24])}"
            if self._verbose:
                return f"{out}ICMP6, neighbor {what}, length {length}{target}"
            return f"{out}ICMP6, neighbor {what}{target}, length {length}"
        return f"{out}ICMP6, type-#{kind}, length {length}"


def _proto_text(proto: int) -> str:
    return f"ip-proto-{proto}"


def _unreachable(code: int, data: bytes) -> str:
    """data: the ICMP message; the packet that it's about follows its 8 bytes."""
    if len(data) < 8 + IP4.size:
        return f"unreachable-#{code} [|icmp]"
    inner = IP4.unpack_from(data, 8)
    proto, dst = inner[6], IPv4Address(inner[9])
    at = 8 + (inner[0] & 15) * 4
    if code == 2:
        return f"{dst} protocol {proto} unreachable"
    if code == 3:
        name = {TCP: "tcp", UDP: "udp"}.get(proto)
        if name is None or len(data) < at + 4:
            return f"{dst} protocol {proto} port unreachable"
        return f"{dst} {name} port {int.from_bytes(data[at + 2 : at + 4], 'big')} unreachable"
    if code == 4:
        mtu = int.from_bytes(data[6:8], "big")
        return f"{dst} unreachable - need to frag" + (f" (mtu {mtu})" if mtu else "")
    names = {0: "net", 1: "host"}
    if code in names:
        return f"{names[code]} {dst} unreachable"
    refused = {9: "net", 10: "host", 13: "host"}
    if code in refused:
        return f"{refused[code]} {dst} unreachable - admin prohibited" + (" filter" if code == 13 else "")
    return f"{dst} unreachable-#{code}"


def _igmp(data: bytes) -> str:
    if len(data) < 8:
        return "[|igmp]"
    kind, group = data[0], IPv4Address(data[4:8])
    if kind == 0x11:
        if not data[1]:
            return "igmp query v1"
        return "igmp query v2" + ("" if group == IPv4Address(0) else f" [gaddr {group}]")
    names = {0x12: "igmp v1 report", 0x16: "igmp v2 report", 0x17: "igmp leave"}
    return f"{names[kind]} {group}" if kind in names else f"igmp-{kind:x}"


def mac(raw: bytes) -> str:
    return ":".join(f"{byte:02x}" for byte in raw)


def arp(data: bytes, full: int, verbose: int, lead: str = "ARP, ") -> str:
    if len(data) < 28:
        return f"{lead}[|arp]"
    hardware, protocol, hlen, plen, operation = Struct(">HHBBH").unpack_from(data)
    if (hardware, protocol, hlen, plen) != (1, 0x800, 6, 4):
        return f"{lead}hardware {hardware}, protocol {protocol:#x}, length {full}"
    sender, source, target_mac = data[8:14], IPv4Address(data[14:18]), data[18:24]
    target = IPv4Address(data[24:28])
    out = lead + ("Ethernet (len 6), IPv4 (len 4), " if verbose else "")
    if operation == 1:
        to = f" ({mac(target_mac)})" if any(target_mac) else ""
        return f"{out}Request who-has {target}{to} tell {source}, length {full}"
    if operation == 2:
        return f"{out}Reply {source} is-at {mac(sender)}, length {full}"
    return f"{out}operation {operation}, length {full}"
