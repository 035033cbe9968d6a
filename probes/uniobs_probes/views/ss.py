"""ss: sockets in ss's layout, with its filters."""

from collections.abc import Sequence
from typing import Any

from uniobs.model.guest import Socket
from uniobs.model.row import replace
from uniobs.model.text import span_text
from uniobs.model.view import Column, Table
from uniobs_probes.views._facts import ask, guest_now, overflow_notes, torn_note
from uniobs_probes.views.netstat import NETWORK, listening, pick, row_of
from uniobs_probes.views.ss_filter import parse

NETID = Column("kind", "Netid", text=lambda row: row["kind"] or "?", width=5)
COLUMNS = (
    Column("state", "State", text=lambda row: row["state"] or "?", width=6),
    Column("recvq", "Recv-Q", "right", width=6),
    Column("sendq", "Send-Q", "right", width=6),
    Column("local", "Local Address:Port", "right", text=lambda row: row["local"] or "-"),
    Column("remote", "Peer Address:Port", "right", text=lambda row: row["remote"] or "-"),
)
PROCESS = Column("process", "Process")


def process_text(row: dict[str, Any]) -> str:
    """users:(("worker-2",tid=9,fd=7))"""
    if not row["owner_tid"] and row["fd"] is None:
        return ""
    parts = [f'"{row["owner"]}"' if row["owner"] else '"?"']
    if row["owner_tid"]:
        parts.append(f"tid={row['owner_tid']}")
    if row["fd"] is not None:
        parts.append(f"fd={row['fd']}")
    return f"users:(({','.join(parts)}))"


def info_text(s: Socket) -> str:
    """What is known of ss -i's line; ss's own names. A round trip, size or window of 0 isn't one."""
    parts = [f"rtt:{s.rtt_us / 1000:g}"] if s.rtt_us else []
    if s.mss:
        parts.append(f"mss:{s.mss}")
        if s.cwnd:
            parts.append(f"cwnd:{s.cwnd // s.mss}")  # ss counts segments
    for name, value in (("bytes_sent", s.tx_bytes), ("bytes_received", s.rx_bytes)):
        if value is not None:
            parts.append(f"{name}:{value}")
    if s.retransmits is not None:
        parts.append(f"retrans:-/{s.retransmits}")  # how many are out now isn't known
    return " ".join(parts)


class Ss:
    name = "ss"
    title = "Sockets"
    columns = (NETID, *COLUMNS, PROCESS)
    default = tuple(column.key for column in columns)
    needs = frozenset({"sockets"})
    identity = ("kind", "local", "remote")

    def rows(
        self,
        target: Any,
        *,
        kinds: Sequence[str] = (),
        all: bool = False,
        listening: bool = False,
        processes: bool = False,
        info: bool = False,
        timers: bool = False,
        extended: bool = False,
        oneline: bool = False,
        filter: Sequence[str] = (),
        **_: Any,
    ) -> Table:
        states, test = parse(filter)
        sockets = target.walker("sockets").sockets()
        names = {thread.tid: thread.name for thread in ask(target, "threads") if thread.name}
        everything = all or states is not None
        kept = [
            s
            for s in pick(sockets, kinds, all=everything, only_listening=listening and states is None)
            if s.torn or ((states is None or s.state in states) and test(s))
        ]
        rows = [self._row(s, names) for s in kept]
        notes = torn_note(sockets, "sockets") + overflow_notes(target, "socket")
        complete = not notes
        if timers:
            notes.append("timers aren't known: the guest's tables don't carry them")
        now = guest_now(target) if extended else None
        under = [_under(s, info, extended, now) for s in kept] if info or extended else []
        if oneline and under:
            for row, text in zip(rows, under, strict=True):
                row["more"] = text
            under = []
        netid = () if len(kinds or NETWORK) == 1 else (NETID,)
        process = replace(PROCESS, text=lambda row: _process_cell(row, processes))
        columns = (*netid, *COLUMNS, process)
        return Table(columns, rows, tuple(notes), complete, under=under)

    def _row(self, s: Socket, names: dict[int, str]) -> dict[str, Any]:
        row = row_of(s, names)
        if s.state == "LISTEN":
            row["sendq"] = s.backlog_max
        row["process"] = process_text(row)
        row["more"] = ""
        return row


def _process_cell(row: dict[str, Any], processes: bool) -> str:
    """The header is always there, as ss has it; the cell only with -p."""
    return " ".join(part for part in (row["process"] if processes else "", row["more"]) if part)


def _under(s: Socket, info: bool, extended: bool, now: int | None) -> str:
    parts = []
    if extended:
        if now is not None and s.opened_ns is not None:
            parts.append(f"open:{span_text(max(0, now - s.opened_ns))}")
        if not info:
            parts += [f"{n}:{v}" for n, v in (("rx", s.rx_bytes), ("tx", s.tx_bytes)) if v is not None]
    if info and not listening(s):
        parts.append(info_text(s))
    return " ".join(part for part in parts if part)


view = Ss()
