"""Frames as tcpdump's lines. Addresses and ports stay numbers: the guest's names aren't this host's."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal

from uniobs.model.guest import Loss, Packet
from uniobs.model.row import field, frozen
from uniobs_probes.views.packets_ip import Network, arp, mac

IPV4, IPV6, ARP, VLAN = 0x0800, 0x86DD, 0x0806, 0x8100
ETHERTYPES: Final = {IPV4: "IPv4", IPV6: "IPv6", ARP: "ARP", VLAN: "802.1Q", 0x88CC: "LLDP"}
ETHERNET: Final = 14
Stamp = Literal["clock", "none", "epoch", "delta", "date", "first"]
Dump = Literal["", "x", "xx", "X", "XX", "A", "AA"]


@frozen
class PacketOptions:
    """tcpdump's options. ``names`` are interfaces' names, shown in front when there are several."""

    stamp: Stamp = "clock"  # -t none, -tt epoch, -ttt delta, -tttt date, -ttttt since the first
    link: bool = False  # -e
    verbose: int = 0  # -v
    dump: Dump = ""
    absolute: bool = False  # -S
    number: bool = False  # -#
    names: Mapping[int, str] = field(default_factory=dict)


class PacketFormatter:
    """One packet in, one text out (of several lines with -v, -x...)."""

    def __init__(self, options: PacketOptions) -> None:
        self.options = options
        self._network = Network(options.verbose, options.absolute)
        self._count = 0
        self._first: int | None = None
        self._last: int | None = None

    def text(self, packet: Packet) -> str:
        options = self.options
        self._count += 1
        number = f"{self._count:>5}  " if options.number else ""
        head = number + self._stamp(packet) + self._interface(packet)
        return head + self._frame(packet) + self._dump(packet)

    def _interface(self, packet: Packet) -> str:
        """As ``tcpdump -i any`` writes it: the interface, and In or Out."""
        if len(self.options.names) < 2:
            return ""
        name = self.options.names.get(packet.iface, f"if{packet.iface}")
        return f"{name} {'Out' if packet.direction == 'tx' else 'In ':<3} "

    def _stamp(self, packet: Packet) -> str:
        kind = self.options.stamp
        if kind == "none":
            return ""
        ns = packet.wall_ns
        if ns is None and kind in ("delta", "first"):
            ns = packet.time_ns  # a difference needs no wall clock
        if ns is None:
            boot = packet.time_ns
            return "? " if boot is None else f"[{boot // 10**9:>5}.{boot // 1000 % 10**6:06d}] "
        if kind == "epoch":
            return f"{ns // 10**9}.{ns // 1000 % 10**6:06d} "
        if kind in ("delta", "first"):
            base = self._last if kind == "delta" else self._first
            self._last = ns
            self._first = ns if self._first is None else self._first
            us = max(0, ns // 1000 - (ns if base is None else base) // 1000)
            seconds = us // 10**6
            clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
            return f" {clock}.{us % 10**6:06d} "
        when = datetime.fromtimestamp(ns // 10**9)
        date = when.strftime("%Y-%m-%d %H:%M:%S" if kind == "date" else "%H:%M:%S")
        return f"{date}.{ns // 1000 % 10**6:06d} "

    def _frame(self, packet: Packet) -> str:
        data = packet.data
        if len(data) < ETHERNET:
            return "[|ether]"
        kind = int.from_bytes(data[12:14], "big")
        link = ""
        if self.options.link:
            link = f"{mac(data[6:12])} > {mac(data[:6])}, "
            if kind < 0x600:
                link += f"802.3, length {kind}: "
            else:
                link += f"ethertype {ETHERTYPES.get(kind, 'Unknown')} ({kind:#06x}), length {packet.length}: "
        return link + self._payload(kind, data[ETHERNET:], packet.length - ETHERNET, bool(link))

    def _payload(self, kind: int, data: bytes, full: int, linked: bool) -> str:
        vlan = ""
        if kind == VLAN and len(data) >= 4:
            tag, kind = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big")
            if linked:
                vlan = f"vlan {tag & 0xFFF}, p {tag >> 13}, "
                vlan += f"ethertype {ETHERTYPES.get(kind, 'Unknown')} ({kind:#06x}), "
            data, full = data[4:], full - 4
        if kind == IPV4:
            return vlan + self._network.ip4(data, full, "" if linked else "IP ")
        if kind == IPV6:
            return vlan + self._network.ip6(data, full, "" if linked else "IP6 ")
        if kind == ARP:
            return vlan + arp(data, full, self.options.verbose, "" if linked else "ARP, ")
        if kind < 0x600:
            return f"{vlan}802.3, length {kind}"
        name = ETHERTYPES.get(kind, f"ethertype {kind:#06x}")
        return f"{vlan}{name}, length {full}"

    def _dump(self, packet: Packet) -> str:
        kind = self.options.dump
        if not kind:
            return ""
        # Doubled letters show the link head too.
        head = ETHERNET + 4 if packet.data[12:14] == VLAN.to_bytes(2, "big") else ETHERNET
        data = packet.data if len(kind) == 2 else packet.data[head:]
        if kind[0] == "A":
            return "\n" + ascii_text(data)
        return hex_text(data, beside=kind[0] == "X")


def ascii_text(data: bytes) -> str:
    r"""-A: a dot for what can't be shown, but for line ends (\r\n as \n) and tabs."""
    text = data.replace(b"\r\n", b"\n")
    return "".join(chr(c) if 32 <= c < 127 or c in (9, 10) else "." for c in text)


def hex_text(data: bytes, beside: bool) -> str:
    """-x, and with the characters ``beside`` -X: sixteen bytes a line."""
    out = []
    for at in range(0, len(data), 16):
        row = data[at : at + 16]
        pairs = " ".join(row[i : i + 2].hex() for i in range(0, len(row), 2))
        text = "".join(chr(c) if 32 < c < 127 else "." for c in row)
        out.append(f"\n\t0x{at:04x}:  {pairs:<39}  {text}" if beside else f"\n\t0x{at:04x}:  {pairs}")
    return "".join(out)


def closing(shown: int, received: int, loss: Loss) -> list[str]:
    """The three counters: passed the filter; put into the ring by the guest; overwritten there."""

    def count(n: int) -> str:
        return f"{n} packet{'' if n == 1 else 's'}"

    lines = [f"{count(shown)} captured", f"{count(received)} received by filter"]
    lines.append(f"{count(loss.lost)} dropped: overwritten in the ring")
    if loss.torn:
        lines.append(f"{count(loss.torn)} torn: not finished by the guest")
    if loss.garbled:
        lines.append("the packet ring is garbled: what it held is unknown")
    return lines
