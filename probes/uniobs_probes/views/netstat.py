"""netstat: sockets in netstat's own layout."""

from collections.abc import Sequence
from typing import Any

from uniobs.model.guest import Socket
from uniobs.model.view import Column, Table
from uniobs_probes.views._facts import ask, overflow_notes, torn_note
from uniobs_probes.views._wait import endpoint

# ss's names on the left (rows carry those), netstat's on the right
STATES = {
    "ESTAB": "ESTABLISHED",
    "SYN-SENT": "SYN_SENT",
    "SYN-RECV": "SYN_RECV",
    "FIN-WAIT-1": "FIN_WAIT1",
    "FIN-WAIT-2": "FIN_WAIT2",
    "TIME-WAIT": "TIME_WAIT",
    "CLOSE-WAIT": "CLOSE_WAIT",
    "LAST-ACK": "LAST_ACK",
    "LISTEN": "LISTEN",
    "CLOSING": "CLOSING",
    "UNCONN": "",
}
NETWORK = ("tcp", "udp", "raw")
_FAMILY = {"tcp": 0, "udp": 1, "raw": 2}


def state_text(socket: Socket) -> str:
    if socket.state is None:
        return "?" if socket.torn else "-"
    if socket.state == "UNCONN" and socket.kind == "tcp":
        return "CLOSE"
    return STATES.get(socket.state, socket.state.replace("-", "_"))


def listening(socket: Socket) -> bool:
    """What netstat calls a server: a listening TCP socket, or a UDP one without a peer."""
    return socket.state == "LISTEN" or (socket.kind != "tcp" and not socket.rport)


def queues(socket: Socket) -> tuple[int | None, int | None]:
    """(Recv-Q, Send-Q). Of a listening socket: connections that wait to be accepted, and 0."""
    if socket.state == "LISTEN":
        return socket.backlog, 0
    return socket.recvq, socket.sendq


def owner_text(socket: Socket, names: dict[int, str]) -> str:
    if not socket.owner_tid:
        return "-"
    name = names.get(socket.owner_tid)
    return f"{socket.owner_tid}/{name}" if name else str(socket.owner_tid)


def pick(sockets: Sequence[Socket], kinds: Sequence[str], *, all: bool, only_listening: bool) -> list[Socket]:
    """Sockets of the kinds, in netstat's order: connected ones, listening ones or both. Torn rows are
    kept: nobody knows that they don't belong here."""
    kept = []
    for socket in sockets:
        if socket.torn:
            kept.append(socket)
            continue
        if socket.kind not in (kinds or NETWORK):
            continue
        server = listening(socket)
        if (only_listening and server) or (not only_listening and (all or not server)):
            kept.append(socket)
    kept.sort(key=lambda s: (_FAMILY.get(s.kind or "", 3), not listening(s), s.lport or 0, s.rport or 0))
    return kept


COLUMNS = (
    Column("kind", "Proto", text=lambda row: row["kind"] or "?", width=5),
    Column("recvq", "Recv-Q", "right", width=6),
    Column("sendq", "Send-Q", "right", width=6),
    Column("local", "Local Address", text=lambda row: row["local"] or "-", width=23),
    Column("remote", "Foreign Address", text=lambda row: row["remote"] or "-", width=23),
    Column("state", "State", text=lambda row: row["netstat_state"], width=11),
)
PROGRAM = Column("program", "PID/Program name", width=19)
EXTEND = (
    Column("rx_bytes", "RX bytes", "right", width=10),
    Column("tx_bytes", "TX bytes", "right", width=10),
)


def row_of(socket: Socket, names: dict[int, str]) -> dict[str, Any]:
    recvq, sendq = queues(socket)
    known = not socket.torn
    return {
        "id": socket.id,
        "kind": socket.kind,
        "state": socket.state,
        "netstat_state": state_text(socket),
        "recvq": recvq,
        "sendq": sendq,
        "local": endpoint(socket.laddr, socket.lport) if known else None,
        "remote": endpoint(socket.raddr, socket.rport) if known else None,
        "laddr": socket.laddr,
        "lport": socket.lport,
        "raddr": socket.raddr,
        "rport": socket.rport,
        "fd": socket.fd,
        "owner_tid": socket.owner_tid,
        "owner": names.get(socket.owner_tid) if socket.owner_tid else None,
        "program": owner_text(socket, names),
        "backlog": socket.backlog,
        "backlog_max": socket.backlog_max,
        "rx_bytes": socket.rx_bytes,
        "tx_bytes": socket.tx_bytes,
        "opened_ns": socket.opened_ns,
        "retransmits": socket.retransmits,
        "cwnd": socket.cwnd,
        "rtt_us": socket.rtt_us,
        "mss": socket.mss,
        "torn": socket.torn,
    }


class Netstat:
    name = "netstat"
    title = "Sockets"
    columns = (*COLUMNS, PROGRAM, *EXTEND)
    default = tuple(column.key for column in COLUMNS)
    needs = frozenset({"sockets"})
    identity = ("kind", "local", "remote")

    def rows(
        self,
        target: Any,
        *,
        kinds: Sequence[str] = (),
        all: bool = False,
        listening: bool = False,
        programs: bool = False,
        extend: bool = False,
        **_: Any,
    ) -> Table:
        sockets = target.walker("sockets").sockets()
        names = {thread.tid: thread.name for thread in ask(target, "threads") if thread.name}
        rows = [row_of(s, names) for s in pick(sockets, kinds, all=all, only_listening=listening)]
        what = "servers and established" if all else "only servers" if listening else "w/o servers"
        notes = torn_note(sockets, "sockets") + overflow_notes(target, "socket")
        columns = [*COLUMNS, *(EXTEND if extend else ()), *([PROGRAM] if programs else ())]
        return Table(
            tuple(columns),
            rows,
            tuple(notes),
            complete=not notes,
            caption=f"Active Internet connections ({what})",
        )


view = Netstat()
