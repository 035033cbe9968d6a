"""A guest called shop, as a file of its memory: every table filled, two threads deadlocked."""

from pathlib import Path
from typing import Any

from support.region_builder import RegionBuilder, pack_bytes, sockaddr
from uniobs.region import _abi

MS = 1_000_000  # ticks: the clock runs at 1 GHz
BOOT = 1_000_000
NOW = BOOT + 60_000 * MS
LOCK_A, LOCK_B, COND = 0x5000, 0x6000, 0x7000


def thread(build: RegionBuilder, tid: int, name: bytes, **values: Any) -> None:
    row = {"tid": tid, "name": name, "started": BOOT + 10 * MS, "switches": tid * 10, "cpu": 0}
    stack = {
        "stack_lo": tid << 20,
        "stack_hi": (tid << 20) + 65536,
        "stack_low_mark": (tid << 20) + 65536 - 6246,
    }
    build.thread(**{**row, **stack, **values})


def shop(*, name: bytes = b"worker-b") -> RegionBuilder:
    """``name`` is that of the last thread: for hostile ones."""
    build = RegionBuilder()
    build.live |= {"beat_tsc": NOW, "tick_tsc": NOW, "tick_count": 6000, "beat_count": 900, "current_tid": 5}
    blocked = _abi.THREAD_STATE_BLOCKED
    thread(build, 1, b"main", state=blocked, wait=_abi.WAIT_ACCEPT, wait_fd=3, cpu_ticks=120 * MS)
    sleeping = {"state": _abi.THREAD_STATE_SLEEPING, "wait": _abi.WAIT_SLEEP, "wait_until": NOW + 60 * MS}
    thread(build, 2, b"ticker", cpu_ticks=400 * MS, **sleeping)
    waits = {"state": blocked, "wait": _abi.WAIT_MUTEX, "wait_since": NOW - 6000 * MS}
    thread(build, 3, b"worker-a", wait_obj=LOCK_B, cpu_ticks=20 * MS, **waits)
    thread(build, 4, name, wait_obj=LOCK_A, cpu_ticks=20 * MS, **waits)
    idle = {"state": _abi.THREAD_STATE_RUNNING, "flags": _abi.THREAD_FLAG_IDLE, "on_cpu_since": NOW - 5 * MS}
    thread(build, 5, b"idle", cpu_ticks=59_400 * MS, **idle)
    thread(build, 6, b"jobs", state=blocked, wait=_abi.WAIT_COND, wait_obj=COND)
    build.lock(va=LOCK_A, name=b"lock_a", owner_tid=3, waiters=1, acquired=NOW - 6000 * MS, acquire_pc=0x4000)
    build.lock(va=LOCK_B, name=b"lock_b", owner_tid=4, waiters=1, acquired=NOW - 6000 * MS, acquire_pc=0x4100)
    build.lock(va=COND, kind=_abi.LOCK_KIND_COND, name=b"queue.filled", waiters=1)
    sockets(build)
    build.iface(
        index=1, name=b"eth0", mac=bytes.fromhex("525400123456"), mtu=1500, prefix=24,
        addr=bytes([10, 0, 2, 15]) + bytes(12),
        rx_packets=26, rx_bytes=1922, tx_packets=22, tx_bytes=1891,
    )  # fmt: skip
    build.heap(total=32 << 20, used=1 << 20, peak=2 << 20, largest_free=30 << 20, allocs=100, frees=40)
    build.counter("http_requests_total", 42)
    build.counter("tcp.retransmits", 3)
    rings(build)
    return build


def sockets(build: RegionBuilder) -> None:
    here, there = bytes([10, 0, 2, 15]) + bytes(12), bytes([10, 0, 2, 2]) + bytes(12)
    build.socket(id=1, state=_abi.TCP_LISTEN, fd=3, owner_tid=1, lport=80, backlog=3, backlog_max=4)
    build.socket(
        id=2, state=_abi.TCP_ESTABLISHED, fd=7, owner_tid=3, laddr=here, lport=80, raddr=there, rport=51544,
        recvq=5, sendq=6, rx_bytes=118, tx_bytes=157, rtt_us=1500, cwnd=5840, mss=1460, retransmits=2,
    )  # fmt: skip
    build.socket(id=3, state=_abi.TCP_TIME_WAIT, laddr=here, lport=80, raddr=there, rport=40000)
    build.socket(id=4, kind=_abi.FD_KIND_UDP, state=_abi.TCP_CLOSE, fd=4, owner_tid=2, lport=7)


def rings(build: RegionBuilder) -> None:
    enter, leave = build.call(16, "open", [(_abi.ARG_PATH, "path"), (_abi.ARG_OPEN_FLAGS, "flags")])
    trace = build.trace()
    at = NOW - 5000 * MS
    trace.put(enter, 3, at, [*pack_bytes(b"/data/user:42"), 0])
    trace.put(leave, 3, at + 4000, [(1 << 64) - 2, at])
    accept, _ = build.call(20, "accept", [(_abi.ARG_FD, "fd")], [(_abi.ARG_SOCKADDR, 1, "address")])
    trace.put(accept, 1, at + 5000, [3])
    assert sockaddr(10, 0, 2, 2, 51544)
    log = build.log()
    for n, (level, text) in enumerate([(6, b"listening on port 80"), (3, b"disk \x1b[31mred\x07")]):
        log.put(_abi.EVENT_LOG, 1, BOOT + (n + 1) * 100 * MS, [level, *pack_bytes(text)])
    packets = build.packets()
    head = bytes.fromhex("525400123456" "525500000202" "0806")
    arp = bytes.fromhex("0001080006040001" "525500000202" "0a000202" "000000000000" "0a00020f")
    packets.put_packet(head + arp, BOOT + 300 * MS)


def crashed(build: RegionBuilder) -> RegionBuilder:
    """The same guest, dead of a null pointer in worker-a."""
    build.live["state"] = _abi.STATE_PANICKED
    build.set_panic(
        kind=_abi.PANIC_EXCEPTION, vector=14, error=2, time=NOW, tid=3, rip=0x4010, rsp=0x30FF00,
        message=b"page fault: write to 0",
    )  # fmt: skip
    return build


def hung(build: RegionBuilder) -> RegionBuilder:
    """The same guest: worker-a has the CPU, and the scheduler hasn't run for eight seconds of ticks."""
    build.live |= {"current_tid": 3, "beat_tsc": NOW - 8000 * MS}
    rows = build.tables.pop(_abi.SECTION_THREADS)
    build.tables[_abi.SECTION_THREADS] = rows[:2]
    began = {"state": _abi.THREAD_STATE_RUNNING, "on_cpu_since": NOW - 8000 * MS}
    thread(build, 3, b"worker-a", cpu_ticks=8020 * MS, **began)
    build.tables[_abi.SECTION_THREADS] += rows[3:]
    return build


def write(path: Path, build: RegionBuilder) -> Path:
    """As the guest's RAM: the region at its own physical address."""
    with path.open("wb") as file:
        file.seek(build.base)
        file.write(build.build())
        file.truncate(build.base + (4 << 20))
    return path
