"""Sockets of OSv's FreeBSD stack: the control blocks of bsd/sys/netinet (in_pcb.h, tcp_var.h)."""

import ipaddress
from typing import TYPE_CHECKING, Any, Final

from uniobs.errors import NotOffered, UnknownMemory
from uniobs.image.types_walk import queue
from uniobs.model.guest import Socket

if TYPE_CHECKING:
    from uniobs.image.types_value import Value

SOCKETS_MAX: Final = 1 << 16
TABLES: Final = (("tcp", "tcbinfo"), ("udp", "udbinfo"))
STATES: Final = (
    "CLOSED", "LISTEN", "SYN-SENT", "SYN-RECV", "ESTAB", "CLOSE-WAIT", "FIN-WAIT-1", "CLOSING", "LAST-ACK",
    "FIN-WAIT-2", "TIME-WAIT",
)  # fmt: skip
IPV4, IPV6 = 1, 2  # of inp_vflag
POINT: Final = ("inp_inc.inc_ie", "inp_vflag", "inp_ppcb", "inp_socket", "inp_list")
ENDS: Final = (("ie_lport", "ie_dependladdr"), ("ie_fport", "ie_dependfaddr"))


class Network:
    """Of one image. Raises NotOffered when it isn't this stack."""

    def __init__(self, module: Any) -> None:
        self._types = module.types
        if not self._types.type("struct inpcb").has(*POINT):
            raise NotOffered(f"{module.name}: its struct inpcb isn't one whose members are known")
        self._tcp = self._types.type("struct tcpcb")
        self._tables = [(kind, name) for kind, name in TABLES if self._types.has_variable(name)]
        if not self._tables:
            raise NotOffered(f"{module.name}: it has no tables of sockets")

    def sockets(self, space: Any, notes: list[str]) -> list[Socket]:
        """``notes``: what couldn't be walked to its end is added."""
        found = []
        for kind, name in self._tables:
            head = self._types.variable(name, space).member("ipi_listhead")
            if not int(head):
                continue  # not set up yet
            walk = queue(head.deref(), "inp_list", SOCKETS_MAX)
            if walk.problem:
                notes.append(walk.problem)
            for item in walk:
                try:
                    found.append(self._one(item, kind))
                except UnknownMemory as error:
                    notes.append(f"the socket at {item.address:#x}: {error}")
        return found

    def _one(self, item: "Value", kind: str) -> Socket:
        point = item.member("inp_inc").member("inc_ie")
        version = int(item.member("inp_vflag"))
        (lport, laddr), (rport, raddr) = (
            (int.from_bytes(point.member(port).raw(), "big"), _address(point.member(address).raw(), version))
            for port, address in ENDS
        )
        pcb = self._block(item) if kind == "tcp" else None
        state = None if pcb is None else int(pcb.member("t_state"))
        listens = state == STATES.index("LISTEN")
        socket = item.member("inp_socket").deref() if int(item.member("inp_socket")) else None
        return Socket(
            id=item.address,
            kind="tcp" if kind == "tcp" else "udp",
            state=("ESTAB" if rport else "UNCONN") if kind == "udp" else _state(state),
            laddr=laddr,
            lport=lport,
            raddr=raddr,
            rport=rport,
            backlog=_number(socket, "so_qlen") if listens else None,
            backlog_max=_number(socket, "so_qlimit") if listens else None,
            recvq=_number(socket, "so_rcv.sb_cc"),
            sendq=_number(socket, "so_snd.sb_cc"),
            retransmits=_number(pcb, "t_sndrexmitpack"),
            cwnd=None if listens else _number(pcb, "snd_cwnd"),
            mss=None if listens else _number(pcb, "t_maxseg"),
        )

    def _block(self, item: "Value") -> "Value | None":
        """The TCP block of a socket: it points back."""
        address = int(item.member("inp_ppcb"))
        if not address or not self._tcp.has("t_inpcb", "t_state"):
            return None
        pcb: Value = self._types.at(self._tcp, address, item.space)
        return pcb if int(pcb.member("t_inpcb")) == item.address else None


def _state(number: int | None) -> str | None:
    return STATES[number] if number is not None and 0 <= number < len(STATES) else None


def _address(data: bytes, version: int) -> str | None:
    """An IPv4 address lies in the last 4 of its 16 bytes."""
    if len(data) != 16 or not version & (IPV4 | IPV6):
        return None
    return str(ipaddress.IPv4Address(data[12:]) if version & IPV4 else ipaddress.IPv6Address(data))


def _number(value: "Value | None", path: str) -> int | None:
    if value is None or not value.has(path):
        return None
    number = int(value.member(path))
    return number if 0 <= number < 1 << 32 else None
