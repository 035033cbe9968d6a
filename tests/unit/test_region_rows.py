"""Rows under their sequence: whole, or torn."""

import pytest

from tests.support.region_builder import FakeMemory, RegionBuilder
from uniobs.model.guest import Counter
from uniobs.region import _abi
from uniobs.region.reader import Region
from uniobs_probes.kernels.stub import StubWalker


class Busy(FakeMemory):
    """A live guest whose writer is in a row: each read of it finds the row further on."""

    at = 0
    until = 0
    step = 1

    def read(self, address: int, size: int) -> bytes:
        data = super().read(address, size)
        here = self.at - (address - self.base)
        if 0 <= here < size and self.reads < self.until:
            value = int.from_bytes(self.data[self.at : self.at + 4], "little") + self.step
            self.data[self.at : self.at + 4] = value.to_bytes(4, "little")
        return data


def offset_of(data: bytes | bytearray, kind: int) -> int:
    count = _abi.Header(*_abi.HEADER.unpack_from(data)).section_count
    for i in range(count):
        section = _abi.Section(*_abi.SECTION.unpack_from(data, _abi.DIRECTORY_OFFSET + i * _abi.SECTION_SIZE))
        if section.kind == kind:
            return section.offset
    raise KeyError(kind)


def threads() -> RegionBuilder:
    b = RegionBuilder()
    b.live |= {"current_tid": 2, "beat_tsc": 5_000_000, "tick_tsc": 6_000_000}
    b.thread(tid=1, name=b"main", seq=4)
    b.thread(tid=2, name=b"worker", seq=7)
    return b


def test_an_odd_sequence_is_torn() -> None:
    rows = Region(threads().memory(), 0x200000).threads()
    assert [(r.value.tid, r.torn) for r in rows] == [(1, False), (2, True)]
    torn = StubWalker(Region(threads().memory(), 0x200000)).threads()[1]
    assert torn.torn
    assert (torn.tid, torn.name, torn.state, torn.cpu_time_ns, torn.stack_used) == (2, None, None, None, None)


def test_a_live_row_is_read_until_it_stands_still() -> None:
    b = threads()
    data = b.build()
    memory = Busy(data, b.base, live=True)
    memory.at = offset_of(data, _abi.SECTION_THREADS) + _abi.THREAD_SIZE
    memory.until = 8
    rows = Region(memory, b.base).threads()
    assert [(r.value.tid, r.torn) for r in rows] == [(1, False), (2, False)]


def test_a_row_that_never_stands_still_is_torn() -> None:
    b = threads()
    data = b.build()
    memory = Busy(data, b.base, live=True)
    memory.at = offset_of(data, _abi.SECTION_THREADS) + _abi.THREAD_SIZE
    memory.until = 1 << 30
    memory.step = 2
    rows = Region(memory, b.base).threads()
    assert [(r.value.tid, r.torn) for r in rows] == [(1, False), (2, True)]
    assert memory.reads < 20


def test_a_field_that_changes_under_an_even_sequence_is_torn() -> None:
    b = threads()
    data = b.build()
    memory = Busy(data, b.base, live=True)
    memory.at = offset_of(data, _abi.SECTION_THREADS) + 40
    memory.until = 1 << 30
    assert Region(memory, b.base).threads()[0].torn


@pytest.mark.parametrize("at", [4, *range(8, _abi.THREAD_SIZE, 5)])
def test_a_flipped_bit_anywhere_in_a_row_is_seen(at: int) -> None:
    memory = threads().memory()
    memory.data[offset_of(memory.data, _abi.SECTION_THREADS) + at] ^= 4
    first, _ = StubWalker(Region(memory, 0x200000)).threads()
    assert (first.torn, first.tid, first.name) == (True, 0, None)


def test_a_counter_that_disagrees_with_its_inverse_is_unknown() -> None:
    b = RegionBuilder()
    b.counter("x", 5)
    for at in range(_abi.COUNTER_SIZE - 4):
        memory = b.memory()
        memory.data[offset_of(memory.data, _abi.SECTION_COUNTERS) + at] ^= 1
        (counter,) = StubWalker(Region(memory, b.base)).counters()
        assert counter in (Counter("x", torn=True), Counter(None, torn=True))


def walker(b: RegionBuilder) -> StubWalker:
    return StubWalker(Region(b.memory(), b.base))


def test_a_thread_in_words() -> None:
    b = RegionBuilder(tsc_khz=1_000_000)  # a tick is a nanosecond
    b.live |= {"current_tid": 1, "beat_tsc": 9_000_000, "tick_tsc": 11_000_000}
    stack = {"stack_lo": 0x10000, "stack_hi": 0x20000}
    b.thread(
        tid=1,
        name=b"main",
        state=_abi.THREAD_STATE_RUNNING,
        cpu_ticks=500,
        on_cpu_since=10_000_000,
        started=1_500_000,
        stack_low_mark=0x1F000,
        saved_sp=0x1FF00,
        **stack,
    )
    b.thread(
        tid=2,
        name=b"worker",
        state=_abi.THREAD_STATE_BLOCKED,
        wait=_abi.WAIT_MUTEX,
        wait_obj=0x5000,
        wait_since=3_000_000,
        saved_sp=0x1FE00,
        stack_low_mark=0x1E000,
        **stack,
    )
    b.thread(
        tid=3,
        state=_abi.THREAD_STATE_BLOCKED,
        wait=_abi.WAIT_ACCEPT,
        wait_fd=4,
        flags=_abi.THREAD_FLAG_IDLE,
        saved_sp=5,
        **stack,
    )
    b.lock(va=0x5000, name=b"ledger", owner_tid=1, waiters=1, acquired=2_000_000, acquire_pc=0xAB)
    b.socket(id=0x77, fd=4, state=_abi.TCP_LISTEN, lport=80, backlog=1, backlog_max=4)
    main, worker, acceptor = walker(b).threads()
    assert (main.state, main.current, main.cpu_time_ns) == ("running", True, 500 + 1_000_000)
    assert (main.started_ns, main.stack_used, main.saved_sp) == (500_000, 0x1000, None)
    assert worker.wait is not None
    assert (worker.wait.kind, worker.wait.name, worker.wait.owner_tid) == ("mutex", "ledger", 1)
    assert (worker.wait.since_ns, worker.saved_sp, worker.stack_used) == (2_000_000, 0x1FE00, 0x2000)
    assert acceptor.wait is not None
    assert (acceptor.wait.name, acceptor.wait.fd) == ("0.0.0.0:80", 4)
    assert (acceptor.name, acceptor.idle, acceptor.saved_sp) == (None, True, None)


def test_garbage_in_a_thread_is_unknown() -> None:
    b = RegionBuilder()
    b.live |= {"beat_tsc": 5_000_000}
    b.thread(
        tid=9,
        state=200,
        wait=99,
        flags=0x8000,
        stack_lo=50,
        stack_hi=20,
        stack_low_mark=30,
        saved_sp=1,
        started=1 << 61,
        cpu_ticks=1 << 62,
        name=b"\xff\xfe",
    )
    (row,) = walker(b).threads()
    assert (row.state, row.wait, row.idle, row.stack_lo, row.stack_used) == (None, None, None, None, None)
    assert (row.saved_sp, row.started_ns, row.cpu_time_ns) == (None, None, None)
    assert row.name == "��"


def test_times_without_a_calibrated_clock_are_unknown() -> None:
    b = RegionBuilder(tsc_khz=0)
    b.thread(tid=1, cpu_ticks=50, started=1_500_000)
    b.lock(va=1, acquired=2_000_000)
    (row,), (lock,) = walker(b).threads(), walker(b).locks()
    assert (row.cpu_time_ns, row.started_ns, lock.acquired_ns) == (None, None, None)


def test_sockets_in_words() -> None:
    b = RegionBuilder()
    b.socket(id=1, state=_abi.TCP_LISTEN, lport=80, backlog=3, backlog_max=4, fd=3)
    b.socket(
        id=2,
        state=_abi.TCP_ESTABLISHED,
        laddr=bytes([10, 0, 2, 15]),
        raddr=bytes([10, 0, 2, 2]),
        lport=80,
        rport=51544,
        recvq=7,
    )
    b.socket(id=3, kind=_abi.FD_KIND_FILE, path=b"/data/x", fd=5, family=0)
    b.socket(id=4, kind=77, state=88, family=99)
    b.socket(id=5, kind=_abi.FD_KIND_UDP, family=10, state=_abi.TCP_CLOSE, laddr=bytes(15) + b"\1")
    b.socket(id=6, kind=_abi.FD_KIND_FREE)
    b.socket(id=7, laddr=bytes([10, 0, 2, 15, 0, 9]))
    listen, conn, file, odd, udp, strange = walker(b).sockets()
    assert (listen.state, listen.laddr, listen.lport, listen.backlog) == ("LISTEN", "0.0.0.0", 80, 3)
    assert (conn.state, conn.raddr, conn.rport, conn.fd) == ("ESTAB", "10.0.2.2", 51544, None)
    assert conn.backlog is None
    assert (file.kind, file.path, file.laddr, file.state) == ("file", "/data/x", None, None)
    assert (odd.kind, odd.state, odd.laddr, odd.lport) == (None, None, None, None)
    assert (udp.laddr, udp.state) == ("::1", "UNCONN")
    assert strange.laddr is None


def test_counters_heap_sites_and_interfaces() -> None:
    b = RegionBuilder()
    b.counter("http.requests", 5, unit=_abi.UNIT_EVENTS)
    b.counter("heap.used", 9, kind=_abi.COUNTER_KIND_GAUGE, unit=_abi.UNIT_BYTES)
    b.counter("odd", 9, kind=44)
    b.heap(total=100, used=60, peak=70, largest_free=30, allocs=9, frees=3, failures=1)
    b.site(pc=0xAA, live_bytes=10, live_count=1, total_bytes=20, total_count=2)
    b.site(pc=0xBB, live_bytes=30, live_count=1, total_bytes=20, total_count=2)
    mac = b"\x52\x54\0\x12\x34\x56"
    b.iface(index=1, name=b"eth0", mac=mac, mtu=1500, addr=bytes([10, 0, 2, 15]), prefix=24)
    w = walker(b)
    assert [(c.name, c.kind, c.unit, c.value) for c in w.counters()] == [
        ("http.requests", "counter", "events", 5),
        ("heap.used", "gauge", "bytes", 9),
    ]
    assert (w.heap().used, w.heap().peak, w.heap().torn) == (60, 70, False)
    assert [(s.pc, s.live_bytes, s.torn) for s in w.sites()] == [(0xAA, 10, False), (0xBB, None, True)]
    (iface,) = w.interfaces()
    assert (iface.name, iface.mac, iface.addr, iface.prefix) == ("eth0", "52:54:00:12:34:56", "10.0.2.15", 24)


def test_a_heap_whose_sums_cannot_be_is_torn() -> None:
    b = RegionBuilder()
    b.heap(total=100, used=160, peak=70)
    assert walker(b).heap().torn


def test_the_panic_record() -> None:
    b = RegionBuilder()
    fault = {"vector": 14, "error": 2, "rip": 0x1000, "tid": 3, "message": b"page fault"}
    b.set_panic(b"s" * 64, kind=1, stack_va=0x9000, **fault)
    panic = walker(b).panic()
    assert panic is not None
    assert panic.registers is not None
    assert (panic.kind, panic.vector, panic.tid, panic.message) == ("exception", 14, 3, "page fault")
    assert (panic.registers.get("rip"), panic.stack, panic.stack_va) == (0x1000, b"s" * 64, 0x9000)


def test_a_panic_record_that_cannot_be() -> None:
    b = RegionBuilder()
    b.panic = bytes(_abi.PANIC_SIZE)
    assert walker(b).panic() is None
    for kind in (0, 99):  # 0: it died while it recorded its death
        b.set_panic(b"s" * 64, kind=kind, rip=0x1000)
        garbled = walker(b).panic()
        assert garbled is not None
        assert (garbled.kind, garbled.registers) == ("unknown", None)
    b.set_panic(b"s" * 64, kind=1, rip=0x1000, stack_len=65, stack_va=5)
    cut = walker(b).panic()
    assert cut is not None
    assert (cut.stack, cut.stack_va) == (b"", None)
