"""Rows of the region as rows of the model: what can't be right becomes None."""

from collections.abc import Sequence

from uniobs.lean import Final, cast
from uniobs.model.guest import (
    AllocSite,
    Counter,
    CounterKind,
    Heap,
    Interface,
    Lock,
    LockKind,
    Socket,
    SocketKind,
    Thread,
    ThreadState,
    Wait,
    WaitKind,
)
from uniobs.region import _abi
from uniobs.region.clock import Clock
from uniobs.region.reader import Region, Row, text

MAX_STACK: Final = 1 << 32
SECOND: Final = 1000  # of kHz: ticks in a second are khz * SECOND
UNKNOWN: Final = 0xFFFFFFFF
UNKNOWN_BACKLOG: Final = 0xFFFF
SLACK: Final = 60  # seconds that a stamp may be ahead of the last sign of life
_LOCKS: Final[dict[str, LockKind]] = {"mutex": "mutex", "cond": "cond", "sem": "sem", "mbox": "mbox"}
_SOCKETS: Final[dict[str, SocketKind]] = {"tcp": "tcp", "udp": "udp", "raw": "raw", "file": "file"}
_COUNTERS: Final[dict[str, CounterKind]] = {"counter": "counter", "gauge": "gauge"}
STATES: Final = {
    _abi.TCP_ESTABLISHED: "ESTAB",
    _abi.TCP_SYN_SENT: "SYN-SENT",
    _abi.TCP_SYN_RECV: "SYN-RECV",
    _abi.TCP_FIN_WAIT1: "FIN-WAIT-1",
    _abi.TCP_FIN_WAIT2: "FIN-WAIT-2",
    _abi.TCP_TIME_WAIT: "TIME-WAIT",
    _abi.TCP_CLOSE: "UNCONN",
    _abi.TCP_CLOSE_WAIT: "CLOSE-WAIT",
    _abi.TCP_LAST_ACK: "LAST-ACK",
    _abi.TCP_LISTEN: "LISTEN",
    _abi.TCP_CLOSING: "CLOSING",
}
FAMILIES: Final = {2: 4, 4: 4, 6: 6, 10: 6}  # AF_INET and AF_INET6 go by several numbers


class Names:
    """What a wait's object is called."""

    def __init__(
        self, locks: Sequence[Lock], sockets: Sequence[Socket], threads: Sequence[Row[_abi.Thread]]
    ) -> None:
        self.locks = {lock.address: lock for lock in locks if not lock.torn}
        self.sockets = {s.fd: s for s in sockets if s.fd is not None and not s.torn}
        self.threads = {row.value.tid: text(row.value.name) for row in threads if not row.torn}


def thread(clock: Clock, row: Row[_abi.Thread], live: _abi.HeaderLive | None, names: Names) -> Thread:
    t = row.value
    # A row is free only until its first use: one that was used and says so has lost its state.
    if row.torn or t.state == _abi.THREAD_STATE_FREE:
        return Thread(t.tid if row.sound else 0, torn=True)
    state = _abi.THREAD_STATE_NAMES.get(t.state)
    running = t.state == _abi.THREAD_STATE_RUNNING
    latest = max(live.beat_tsc, live.tick_tsc) if live is not None else 0
    lo, hi = t.stack_lo, t.stack_hi
    has_stack = lo < hi and hi - lo <= MAX_STACK
    # The scheduler stores it when it switches away; that of a running thread is an old one.
    saved = t.saved_sp if has_stack and lo <= t.saved_sp <= hi and not running else None
    return Thread(
        tid=t.tid,
        name=text(t.name) or None,
        state=cast(ThreadState, state) if state else None,
        wait=_wait(clock, t, latest, names),
        cpu=t.cpu,
        cpu_time_ns=_cpu_time(clock, t, latest),
        switches=t.switches,
        started_ns=_stamp(clock, t.started, latest),
        entry=t.entry or None,
        stack_lo=lo if has_stack else None,
        stack_hi=hi if has_stack else None,
        stack_used=hi - t.stack_low_mark if has_stack and lo <= t.stack_low_mark <= hi else None,
        saved_sp=saved,
        idle=bool(t.flags & _abi.THREAD_FLAG_IDLE) if t.flags <= _abi.THREAD_FLAG_IDLE else None,
        current=live.current_tid == t.tid if live is not None else None,
        os_tid=t.os_tid or None,
    )


def _stamp(clock: Clock, tsc: int, latest: int) -> int | None:
    """A time in the past; one that lies after the guest's last sign of life (and some) is garbage."""
    if latest and tsc > latest + clock.khz * SECOND * SLACK:
        return None
    return clock.ns(tsc)


def _cpu_time(clock: Clock, t: _abi.Thread, latest: int) -> int | None:
    ticks = t.cpu_ticks
    if t.state == _abi.THREAD_STATE_RUNNING and t.on_cpu_since:
        if not latest:
            return None  # when it ran last isn't known
        ticks += max(0, latest - t.on_cpu_since)
    if latest and t.started and ticks > max(0, latest - t.started) + clock.khz * SECOND * SLACK:
        return None  # more than it has existed
    return clock.span_ns(ticks)


def _wait(clock: Clock, t: _abi.Thread, latest: int, names: Names) -> Wait | None:
    waits = t.state in (_abi.THREAD_STATE_BLOCKED, _abi.THREAD_STATE_SLEEPING)
    kind = _abi.WAIT_NAMES.get(t.wait)
    if not waits or kind is None or t.wait == _abi.WAIT_NONE:
        return None
    name, owner = None, None
    fd = t.wait_fd if t.wait_fd >= 0 else None
    lock = names.locks.get(t.wait_obj)
    if t.wait in (_abi.WAIT_MUTEX, _abi.WAIT_COND, _abi.WAIT_SEM, _abi.WAIT_MBOX):
        if lock is not None and lock.kind == kind:
            name = lock.name
            owner = lock.owner_tid if t.wait == _abi.WAIT_MUTEX else None
    elif t.wait == _abi.WAIT_JOIN:
        name = names.threads.get(t.wait_obj) or None
    elif fd is not None and fd in names.sockets:
        name = endpoint(names.sockets[fd], t.wait == _abi.WAIT_ACCEPT)
    return Wait(
        kind=cast(WaitKind, kind),
        object=t.wait_obj or None,
        name=name,
        owner_tid=owner,
        fd=fd,
        since_ns=_stamp(clock, t.wait_since, latest),
        until_ns=clock.ns(t.wait_until),
    )


def endpoint(socket: Socket, listening: bool) -> str | None:
    """The address that a wait on a socket is about: its own when it listens, else the peer's."""
    host, port = (socket.laddr, socket.lport) if listening else (socket.raddr, socket.rport)
    if host is None or port is None:
        return None
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def lock(clock: Clock, row: Row[_abi.Lock]) -> Lock:
    k = row.value
    if row.torn:
        return Lock(k.va if row.sound else 0, torn=True)
    return Lock(
        address=k.va,
        kind=_LOCKS.get(_abi.LOCK_KIND_NAMES.get(k.kind, "")),
        name=text(k.name) or None,
        owner_tid=k.owner_tid,
        waiters=k.waiters,
        value=k.value,
        acquired_ns=clock.ns(k.acquired),
        acquire_pc=k.acquire_pc or None,
        contended=k.contended,
        acquisitions=k.acquisitions,
    )


def address(family: int, raw: bytes) -> str | None:
    version = FAMILIES.get(family)
    if version == 4:
        return None if any(raw[4:]) else ".".join(map(str, raw[:4]))
    if version != 6:
        return None
    from ipaddress import IPv6Address

    return str(IPv6Address(raw))


def _known(value: int) -> int | None:
    """SPEC.md, socket: all ones mean that the guest doesn't know."""
    return None if value == UNKNOWN else value


def socket(clock: Clock, row: Row[_abi.Socket]) -> Socket:
    s = row.value
    if row.torn:
        return Socket(s.id if row.sound else 0, torn=True)
    is_net = s.kind in (_abi.FD_KIND_TCP, _abi.FD_KIND_UDP, _abi.FD_KIND_RAW)
    is_tcp = s.kind == _abi.FD_KIND_TCP
    return Socket(
        id=s.id,
        kind=_SOCKETS.get(_abi.FD_KIND_NAMES.get(s.kind, "")),
        state=STATES.get(s.state) if is_net else None,
        fd=s.fd if s.fd >= 0 else None,
        owner_tid=s.owner_tid,
        laddr=address(s.family, s.laddr) if is_net else None,
        lport=s.lport if is_net else None,
        raddr=address(s.family, s.raddr) if is_net else None,
        rport=s.rport if is_net else None,
        backlog=s.backlog if s.backlog != UNKNOWN_BACKLOG and is_tcp and s.state == _abi.TCP_LISTEN else None,
        backlog_max=s.backlog_max if is_tcp and s.state == _abi.TCP_LISTEN else None,
        recvq=_known(s.recvq) if is_net else None,
        sendq=_known(s.sendq) if is_net else None,
        rx_bytes=s.rx_bytes,
        tx_bytes=s.tx_bytes,
        opened_ns=clock.ns(s.opened),
        retransmits=_known(s.retransmits) if is_tcp else None,
        cwnd=_known(s.cwnd) if is_tcp else None,
        rtt_us=(s.rtt_us or None) if is_tcp else None,
        mss=(s.mss or None) if is_tcp else None,
        path=text(s.path) or None,
    )


def interface(row: Row[_abi.Iface]) -> Interface:
    i = row.value
    if row.torn:
        return Interface(i.index if row.sound else 0, torn=True)
    prefix = i.prefix if i.prefix <= 128 else None
    return Interface(
        index=i.index,
        name=text(i.name) or None,
        mac=":".join(f"{byte:02x}" for byte in i.mac),
        mtu=i.mtu,
        addr=address(6 if any(i.addr[4:]) else 4, i.addr) if any(i.addr) else None,
        prefix=prefix if any(i.addr) else None,
        rx_packets=i.rx_packets,
        rx_bytes=i.rx_bytes,
        rx_dropped=i.rx_dropped,
        rx_errors=i.rx_errors,
        tx_packets=i.tx_packets,
        tx_bytes=i.tx_bytes,
        tx_dropped=i.tx_dropped,
        tx_errors=i.tx_errors,
    )


def counter(region: Region, row: Row[_abi.Counter]) -> Counter | None:
    """None for a row that isn't used. A value whose name, kind or inverse is in doubt is unknown."""
    c = row.value
    kind = _COUNTERS.get(_abi.COUNTER_KIND_NAMES.get(c.kind, ""))
    if row.torn:
        return Counter(region.string(c.name) if row.sound else None, torn=True)
    if kind is None:
        return None
    unit = _abi.UNIT_NAMES.get(c.unit, "unknown")
    return Counter(region.string(c.name), kind, unit, c.value)


def heap(row: Row[_abi.Heap]) -> Heap:
    h = row.value
    if row.torn or not h.used <= h.total or not h.used <= h.peak or h.largest_free > h.total - h.used:
        return Heap(torn=True)  # being written, or sums that can't be
    return Heap(h.total, h.used, h.peak, h.largest_free, h.allocs, h.frees, h.failures)


def site(row: Row[_abi.Site]) -> AllocSite:
    s = row.value
    if row.torn or s.live_bytes > s.total_bytes or s.live_count > s.total_count:
        return AllocSite(s.pc if row.sound else 0, torn=True)
    return AllocSite(s.pc, s.live_bytes, s.live_count, s.total_bytes, s.total_count)
