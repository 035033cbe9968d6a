"""lwIP's sockets, interfaces and counters, for every kernel that carries it (shapes: lwIP 2.1's headers).

Rows come from the stack's own lists; what its build left out (IPv6, backlogs, statistics) is unknown.
"""

import socket
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from uniobs.errors import NotOffered, UniobsError, UnknownMemory
from uniobs.image.types_model import Kind
from uniobs.image.types_walk import chain
from uniobs.model.guest import Counter, Interface, Socket
from uniobs_probes.kernels.macros import macro

if TYPE_CHECKING:
    from uniobs.image.types_value import Value

SOCKETS_MAX: Final = 1 << 14
INTERFACES_MAX: Final = 256
TCP_LISTS: Final = ("tcp_listen_pcbs", "tcp_active_pcbs", "tcp_tw_pcbs", "tcp_bound_pcbs")
STATES: Final = {
    "CLOSED": "UNCONN", "LISTEN": "LISTEN", "SYN_SENT": "SYN-SENT", "SYN_RCVD": "SYN-RECV",
    "ESTABLISHED": "ESTAB", "FIN_WAIT_1": "FIN-WAIT-1", "FIN_WAIT_2": "FIN-WAIT-2",
    "CLOSE_WAIT": "CLOSE-WAIT", "CLOSING": "CLOSING", "LAST_ACK": "LAST-ACK", "TIME_WAIT": "TIME-WAIT",
}  # fmt: skip
WINDOW_SCALED: Final = 0x100  # TF_WND_SCALE
IPV6: Final = 6  # enum lwip_ip_addr_type
IPV4: Final = 0
ANY: Final = 46
PROTOCOLS: Final = ("link", "etharp", "ip", "icmp", "udp", "tcp", "ip6", "icmp6", "ip_frag", "nd6")


class Lwip:
    """Of one image."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._types = module.types
        self.has_counters = module.symbol("lwip_stats") is not None
        self._window = macro(module, "TCP_WND")

    @classmethod
    def of(cls, module: Any) -> "Lwip | None":
        """None when the image has no lwIP in it."""
        return cls(module) if module.symbol("tcp_active_pcbs") and module.symbol("netif_list") else None

    def _walk(self, name: str, limit: int, space: Any, notices: list[str]) -> Iterator["Value"]:
        if self._module.symbol(name) is None:
            return
        head = self._types.variable(name, space)
        if head.type.kind is Kind.UNION:  # tcp_listen_pcbs: the same pointer under two types
            head = head.member("listen_pcbs" if head.has("listen_pcbs") else "pcbs")
        walk = chain(head, "next", limit)
        if walk.problem:
            note = f"{name}: {walk.problem}"
            if note not in notices:
                notices.append(note)
        yield from walk

    # --- sockets --------------------------------------------------------------------------------------

    def sockets(self, space: Any, notices: list[str]) -> list[Socket]:
        found: dict[int, Socket] = {}
        for name in TCP_LISTS:
            for pcb in self._walk(name, SOCKETS_MAX, space, notices):
                found.setdefault(pcb.address, self._tcp(pcb))
        for pcb in self._walk("udp_pcbs", SOCKETS_MAX, space, notices):
            found.setdefault(pcb.address, self._udp(pcb))
        for pcb in self._walk("raw_pcbs", SOCKETS_MAX, space, notices):
            found.setdefault(
                pcb.address,
                Socket(pcb.address, "raw", "UNCONN", laddr=_address(pcb, "local_ip"),
                       lport=_number(pcb, "protocol"), raddr=_address(pcb, "remote_ip")),
            )  # fmt: skip
        return list(found.values())

    def _tcp(self, pcb: "Value") -> Socket:
        state = STATES.get(pcb.member("state").enum or "") if pcb.has("state") else None
        listens = state == "LISTEN"
        connected = not listens and pcb.has("remote_port")
        return Socket(
            id=pcb.address,
            kind="tcp",
            state=state,
            laddr=_address(pcb, "local_ip"),
            lport=_number(pcb, "local_port"),
            raddr=_address(pcb, "remote_ip") if connected else _any(pcb),
            rport=_number(pcb, "remote_port") if connected else 0,
            backlog=_number(pcb, "accepts_pending") if listens else None,
            backlog_max=_number(pcb, "backlog") if listens else None,
            recvq=self._unread(pcb, state) if connected else None,
            sendq=_unsent(pcb, state) if connected else None,
            cwnd=_number(pcb, "cwnd") if connected and state == "ESTAB" else None,
            mss=(_number(pcb, "mss") or None) if connected and state == "ESTAB" else None,
        )

    def _unread(self, pcb: "Value", state: str | None) -> int | None:
        """Received and not yet read: by so much the window is smaller than the whole."""
        left, whole = _number(pcb, "rcv_wnd"), self._window
        if left is None or whole is None or state not in ("ESTAB", "CLOSE-WAIT"):
            return None
        if not (_number(pcb, "flags") or 0) & WINDOW_SCALED:
            whole = min(whole, 0xFFFF)  # TCP_WND_MAX of lwip/tcp.h
        return whole - left if left <= whole else None

    def _udp(self, pcb: "Value") -> Socket:
        return Socket(
            id=pcb.address,
            kind="udp",
            state="ESTAB" if _number(pcb, "remote_port") else "UNCONN",
            laddr=_address(pcb, "local_ip"),
            lport=_number(pcb, "local_port"),
            raddr=_address(pcb, "remote_ip"),
            rport=_number(pcb, "remote_port"),
        )

    # --- interfaces and counters ----------------------------------------------------------------------

    def interfaces(self, space: Any, notices: list[str]) -> list[Interface]:
        return [self._interface(row) for row in self._walk("netif_list", INTERFACES_MAX, space, notices)]

    def _interface(self, row: "Value") -> Interface:
        number = _number(row, "num") or 0
        length = _number(row, "hwaddr_len")
        mac = row.member("hwaddr").raw()[:length] if length and row.has("hwaddr") else b""
        address = _address(row, "ip_addr")
        counts = row.member("mib2_counters") if row.has("mib2_counters") else None

        def total(*names: str) -> int | None:
            if counts is None or not counts.has(*names):
                return None
            return sum(int(counts.member(name)) for name in names)

        return Interface(
            index=number + 1,  # as netif_get_index() has it
            name=_name(row, number),
            mac=":".join(f"{byte:02x}" for byte in mac) or None,
            mtu=_number(row, "mtu") or None,
            addr=address,
            prefix=_prefix(row) if address is not None else None,
            rx_packets=total("ifinucastpkts", "ifinnucastpkts"),
            rx_bytes=total("ifinoctets"),
            rx_dropped=total("ifindiscards"),
            rx_errors=total("ifinerrors"),
            tx_packets=total("ifoutucastpkts", "ifoutnucastpkts"),
            tx_bytes=total("ifoutoctets"),
            tx_dropped=total("ifoutdiscards"),
            tx_errors=total("ifouterrors"),
        )

    def counters(self, space: Any) -> Sequence[Counter]:
        """lwip_stats: of each protocol that it counts."""
        stats = self._types.variable("lwip_stats", space)
        found = []
        for protocol in PROTOCOLS:
            if not stats.has(protocol):
                continue
            row = stats.member(protocol)
            for name in row.type.fields:
                value = row.member(name)
                if value.type.kind is Kind.INT:
                    found.append(Counter(f"{protocol}.{name}", "counter", "none", int(value)))
        return found


def _number(row: "Value", member: str) -> int | None:
    return int(row.member(member)) if row.has(member) else None


def _ip(value: "Value") -> tuple[int, bytes] | None:
    """(version, address in network order); None when the type isn't one of lwIP's."""
    if value.has("u_addr"):
        kind = _number(value, "type")
        inner = value.member("u_addr")
        if kind == IPV6 and inner.has("ip6"):
            return 6, inner.member("ip6").member("addr").raw()[:16]
        return (4, inner.member("ip4").raw()[:4]) if kind == IPV4 and inner.has("ip4") else None
    if not value.has("addr"):
        return None
    raw = value.member("addr").raw()
    return (4, raw) if len(raw) == 4 else (6, raw[:16]) if len(raw) == 16 else None


def _address(row: "Value", member: str) -> str | None:
    if not row.has(member):
        return None
    try:
        value = row.member(member)
        found = _ip(value)
        if found is None:
            return "::" if value.has("type") and _number(value, "type") == ANY else None
        version, raw = found
        return socket.inet_ntop(socket.AF_INET if version == 4 else socket.AF_INET6, raw)
    except (UnknownMemory, NotOffered, ValueError):
        return None


def _any(row: "Value") -> str | None:
    """The unset address of the family that a socket listens on."""
    own = _address(row, "local_ip")
    return None if own is None else "::" if ":" in own else "0.0.0.0"


def _unsent(pcb: "Value", state: str | None) -> int | None:
    """Written and not yet acknowledged, in bytes: sequence numbers count them (and a FIN, later)."""
    if state not in ("ESTAB", "CLOSE-WAIT") or not pcb.has("snd_lbb", "lastack"):
        return None
    count = (int(pcb.member("snd_lbb")) - int(pcb.member("lastack"))) & 0xFFFFFFFF
    return count if count < 1 << 31 else None


def _name(row: "Value", number: int) -> str | None:
    if not row.has("name"):
        return None
    text = row.member("name").raw()[:2].decode("ascii", "replace")
    return f"{text}{number}" if text.isalnum() else None


def _prefix(row: "Value") -> int | None:
    """Of an IPv4 netmask without holes."""
    try:
        found = _ip(row.member("netmask")) if row.has("netmask") else None
    except UniobsError:
        return None
    if found is None or found[0] != 4:
        return None
    bits = f"{int.from_bytes(found[1], 'big'):032b}"
    return bits.count("1") if "01" not in bits else None
