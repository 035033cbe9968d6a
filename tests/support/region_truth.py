"""A region with something in every section, all that the readers say about it, and where each value lies."""

from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final

from tests.support.calls import CallWriter, Input
from tests.support.frames import conversation
from tests.support.region_builder import RegionBuilder, pack_bytes, sockaddr
from uniobs.memory.base import Memory
from uniobs.region import _abi
from uniobs.region.reader import Region
from uniobs_probes.kernels import stub_rows
from uniobs_probes.kernels.stub import StubWalker

Key = tuple[Any, ...]
Values = dict[str, Any]
BASE: Final = 0x200000


def full_region(base: int = BASE) -> RegionBuilder:
    """Threads, locks, sockets, calls over two rings that wrapped, a log, packets, a panic record."""
    b = RegionBuilder(base)
    b.live |= {"current_tid": 1, "beat_tsc": 1 << 32, "tick_tsc": (1 << 32) + 500, "beat_count": 99}
    stack = {"stack_lo": 0x10000, "stack_hi": 0x20000, "stack_low_mark": 0x1E000, "saved_sp": 0x1F000}
    b.thread(tid=1, name=b"main", state=1, on_cpu_since=1 << 31, cpu_ticks=777, started=1_500_000, **stack)
    mutex = {"wait": _abi.WAIT_MUTEX, "wait_obj": 0x5000, "wait_since": 2_000_000}
    b.thread(tid=2, name=b"worker-1", state=3, started=1_500_000, entry=0x1234, switches=9, **mutex, **stack)
    accept = {"wait": _abi.WAIT_ACCEPT, "wait_fd": 3, "wait_obj": 0x77}
    b.thread(tid=3, name=b"worker-2", state=3, started=1_500_000, **accept, **stack)
    b.thread(tid=4, name=b"idle", state=2, flags=1, **stack)
    b.thread(tid=5, name=b"joiner", state=3, wait=_abi.WAIT_JOIN, wait_obj=2, **stack)
    b.lock(va=0x5000, name=b"ledger", owner_tid=1, waiters=1, acquired=2_000_000, acquire_pc=0xAB)
    b.lock(va=0x6000, kind=_abi.LOCK_KIND_COND, name=b"jobs", waiters=2)
    b.socket(id=0x77, state=_abi.TCP_LISTEN, lport=80, fd=3, backlog=1, backlog_max=4, opened=1_600_000)
    ends = {"laddr": bytes([10, 0, 2, 15]), "raddr": bytes([10, 0, 2, 2]), "lport": 80, "rport": 51544}
    b.socket(id=0x78, state=_abi.TCP_ESTABLISHED, fd=7, rx_bytes=118, tx_bytes=9, rtt_us=350, **ends)
    b.socket(id=0x79, kind=_abi.FD_KIND_FILE, family=0, fd=8, path=b"/data/user:42")
    mac = b"\x52\x54\0\x12\x34\x56"
    b.iface(index=1, name=b"eth0", mac=mac, mtu=1500, addr=bytes([10, 0, 2, 15]), prefix=24)
    b.heap(total=1 << 20, used=4096, peak=8192, largest_free=1 << 19, allocs=12, frees=3)
    b.site(pc=0xAA, live_bytes=10, live_count=1, total_bytes=20, total_count=2)
    b.counter("http.requests", 42)
    b.counter("heap.used", 4096, kind=2, unit=1)
    b.set_panic(b"\xa5" * 64, kind=1, vector=14, rip=0x1000, tid=1, time=1 << 31, message=b"page fault")
    _calls(b)
    log = b.log(16)
    for i in range(9):
        log.put(_abi.EVENT_LOG, 1, 2_000_000 + i, [6, *pack_bytes(b"request %d from 10.0.2.2" % i, 300)])
    ring = b.packets(8, 128)
    for i, frame in enumerate(conversation()[:12]):
        ring.put_packet(frame, 2_000_000 + i, i & 1)
    return b


def _calls(b: RegionBuilder) -> None:
    rings = b.trace(32, 0), b.trace(32, 1)
    write = CallWriter(b)
    fd, size, flags = (_abi.ARG_FD, 7), (_abi.ARG_SIZE, 64), (_abi.ARG_MSG_FLAGS, 0x40)
    for i in range(12):
        text = b"GET /kv/user:%d HTTP/1.1" % i
        peer = (1, _abi.ARG_SOCKADDR, sockaddr(10, 0, 2, 2, 51544))
        accept = write.enter(rings[0], 2, "accept", [(_abi.ARG_FD, 3), None], [peer])
        recv = write.enter(rings[1], 3, "recv", [fd, None, size, flags], [(1, _abi.ARG_BUF, text)])
        accept.leave(7)
        recv.leave(len(text))
        path = (_abi.ARG_PATH, b"/data/user:42")
        opened: list[Input | None] = [path, (_abi.ARG_OPEN_FLAGS, 0o101), (_abi.ARG_MODE, 0o644)]
        write.call(rings[i & 1], 2, "open", opened, -2)
    write.enter(rings[0], 3, "accept", [(_abi.ARG_FD, 3), None], [peer])


@dataclass(frozen=True)
class Seen:
    """What the readers say: values by row, events by position, and the account of each ring."""

    rows: dict[Key, Values]
    accounts: dict[Key, tuple[int, int, int]]  # slots given, lost or torn, still expected


def values_of(row: Any) -> Values:
    """The fields of a row of the model, flat."""
    out: Values = {}
    for f in fields(row):
        value = getattr(row, f.name)
        if is_dataclass(value) and not isinstance(value, type):
            out |= {f"{f.name}.{name}": inner for name, inner in values_of(value).items()}
        elif isinstance(value, dict):
            out |= {f"{f.name}.{name}": inner for name, inner in value.items()}
        else:
            out[f.name] = value
    return out


def observe(memory: Memory, base: int = BASE) -> Seen:
    """Everything that can be asked of the region. Raises only UniobsError."""
    region = Region(memory, base)
    walker = StubWalker(region)
    rows: dict[Key, Values] = {}
    clock, live = region.clock, region.live_or_none()
    found = region.threads()
    names = stub_rows.Names(walker.locks(), walker.sockets(), found)
    for thread in found:
        rows["threads", thread.index] = values_of(stub_rows.thread(clock, thread, live, names))
    for lock in region.locks():
        rows["locks", lock.index] = values_of(stub_rows.lock(clock, lock))
    for socket in region.sockets():
        rows["sockets", socket.index] = values_of(stub_rows.socket(clock, socket))
    for iface in region.interfaces():
        rows["ifaces", iface.index] = values_of(stub_rows.interface(iface))
    for site in region.sites():
        rows["sites", site.index] = values_of(stub_rows.site(site))
    for counter in region.counters():
        known = stub_rows.counter(region, counter)
        if known is not None:
            rows["counters", counter.index] = values_of(known)
    for heap in region.heap():
        rows["heap", 0] = values_of(stub_rows.heap(heap))
    panic = walker.panic()
    if panic is not None:
        rows["panic", 0] = values_of(panic)
    accounts: dict[Key, tuple[int, int, int]] = {}
    trace = walker.trace()
    for event in [*trace.poll(), *trace.flush()]:
        rows["trace", event.ring, event.position] = values_of(event)
    for ring in trace.rings:
        if ring.loss.garbled:
            continue  # says so, and nothing else
        accounts["trace", ring.index] = (ring.given, ring.loss.lost + ring.loss.torn, ring.held)
    log = walker.log()
    for line in log.poll():
        rows["log", 0, line.position] = values_of(line)
    packets = walker.packets()
    for packet in packets.poll():
        rows["packets", 0, packet.position] = values_of(packet)
    return Seen(rows, accounts)
