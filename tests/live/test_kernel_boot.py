"""The reference guest's kernel, without network: it boots, it breaks as asked, its region is what it says."""

import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import boot
from tests.support.bare_guest import needs_qemu
from tests.support.qemu import MACHINES, RawRegion, booted, build_id, demo_elf, dumped
from uniobs.region import _abi

pytestmark = [pytest.mark.live, pytest.mark.timeout(120), needs_qemu]
BANNER = "demo unikernel: "


def until(holds: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(0.05)


def settled(guest: boot.Guest, holds: Callable[[RawRegion], bool], what: str) -> RawRegion:
    """The region at a stop of the guest where it says so; the guest stays stopped."""
    guest.wait_console(BANNER)
    found: list[RawRegion] = []

    def look() -> bool:
        guest.qmp("stop")
        found[:] = [RawRegion(guest)]
        if holds(found[0]):
            return True
        guest.qmp("cont")
        return False

    until(look, what)
    return found[0]


@pytest.mark.parametrize("memory", [64, 1024])
@pytest.mark.parametrize("machine", MACHINES)
def test_it_boots(machine: str, memory: int) -> None:
    with booted(machine, "word=1 other", memory, network=False) as guest:
        assert "cmdline: word=1 other" in guest.wait_console("cmdline")
        first = settled(guest, lambda r: r.live.tick_count > 5, "five ticks")
        assert first.live.state == _abi.STATE_RUNNING
        assert first.header.image_id == build_id(demo_elf())
        assert first.header.tsc_khz > 100_000
        assert abs(first.header.anchor_wall_ns / 1e9 - time.time()) < 60
        assert first.heap().total > (memory - 16) << 20
        assert first.threads()["idle"].flags & _abi.THREAD_FLAG_IDLE
        guest.qmp("cont")
        later = settled(guest, lambda r: r.live.beat_count > first.live.beat_count, "another heart beat")
        assert later.header == first.header


def test_without_a_clock_time_is_unknown() -> None:
    with booted("microvm", network=False, extra=("-M", "pit=off,rtc=off")) as guest:
        region = settled(guest, lambda r: r.live.tick_count > 2, "a tick")
        assert (region.header.tsc_khz, region.header.anchor_wall_ns) == (0, 0)


DEATHS = {
    "null": (_abi.PANIC_EXCEPTION, "page fault: write to 0 (not mapped)"),
    "smash": (_abi.PANIC_STACK_SMASH, "stack smashed in breaker"),
    "overflow": (_abi.PANIC_STACK_OVERFLOW, "stack overflow in breaker: "),
    "assert": (_abi.PANIC_ASSERT, "assertion failed: now >= 0, kernel/breakage.c:"),
    "leak": (_abi.PANIC_OOM, "out of memory: "),
}


@pytest.mark.parametrize("kind", DEATHS)
@pytest.mark.parametrize("machine", MACHINES)
def test_it_dies(machine: str, kind: str) -> None:
    code, message = DEATHS[kind]
    with booted(machine, f"break={kind}", network=False) as guest:
        console = guest.wait_console("@dump end")
        assert f"panic: {message}" in console
        guest.qmp("stop")
        region = RawRegion(guest)
        assert region.live.state == _abi.STATE_PANICKED
        record, stack = region.panic()
        assert record.kind == code
        assert record.message.decode().startswith(message)
        assert f"rip {record.rip:016x} rsp {record.rsp:016x}" in console
        assert f"cr2 {record.cr2:016x} cr3 {record.cr3:016x}" in console
        thread = next(row for row in region.threads().values() if row.tid == record.tid)
        assert stack and record.stack_va + len(stack) <= thread.stack_hi
        assert record.stack_va >= max(record.rsp, thread.stack_lo)
        # It stays as it died: the loop that serves the channel changes nothing in the region.
        guest.qmp("cont")
        time.sleep(0.2)
        guest.qmp("stop")
        assert RawRegion(guest).data == region.data
        if kind == "overflow":
            assert thread.stack_lo - 4096 <= record.cr2 < thread.stack_lo
        if kind == "leak":
            top = max(region.sites().values(), key=lambda site: site.live_bytes)
            assert top.live_bytes > region.heap().total * 0.9 and top.live_count == top.total_count


@pytest.mark.parametrize("machine", MACHINES)
def test_it_exits(machine: str) -> None:
    with booted(machine, "break=exit", network=False) as guest:
        guest.wait_console("exit, code 0")
        until(lambda: guest.qmp("query-status")["status"] == "shutdown", "power off")
        live = RawRegion(guest).live
        assert (live.state, live.exit_code) == (_abi.STATE_EXITED, 0)


@pytest.mark.parametrize("machine", MACHINES)
def test_a_spinning_thread_leaves_the_others_alive(machine: str) -> None:
    with booted(machine, "break=spin", network=False) as guest:
        spins = settled(
            guest,
            lambda r: "spinner" in r.threads() and r.threads()["spinner"].ticks_sampled > 20,
            "spinning",
        )
        assert spins.live.current_tid == spins.threads()["spinner"].tid
        guest.qmp("cont")
        settled(guest, lambda r: r.live.beat_count > spins.live.beat_count, "a beat while it spins")


@pytest.mark.parametrize("machine", MACHINES)
def test_spinning_with_interrupts_off_stops_the_heart(machine: str) -> None:
    with booted(machine, "break=spin-irqoff", network=False) as guest:
        guest.wait_console("break: spin-irqoff")
        hung = settled(
            guest,
            lambda r: "spinner" in r.threads() and r.live.current_tid == r.threads()["spinner"].tid,
            "spinning",
        )
        guest.qmp("cont")
        time.sleep(0.3)
        guest.qmp("stop")
        assert RawRegion(guest).data == hung.data


@pytest.mark.parametrize("machine", MACHINES)
def test_a_deadlock_shows_both_sides(machine: str) -> None:
    with booted(machine, "break=deadlock", network=False) as guest:
        mutexes = (_abi.WAIT_MUTEX, _abi.WAIT_MUTEX)

        def both_wait(region: RawRegion) -> bool:
            rows = region.threads()
            return tuple(rows[name].wait for name in ("transfer-a", "transfer-b") if name in rows) == mutexes

        region = settled(guest, both_wait, "the deadlock")
        rows, locks = region.threads(), region.locks()
        for name, holds, wants in (
            ("transfer-a", "accounts", "ledger"),
            ("transfer-b", "ledger", "accounts"),
        ):
            assert locks[holds].owner_tid == rows[name].tid
            assert rows[name].wait_obj == locks[wants].va
            assert locks[wants].waiters == 1 and locks[wants].contended == 1


def names(prefix: str) -> dict[int, str]:
    return {
        value: name.removeprefix(prefix).lower()
        for name, value in vars(_abi).items()
        if name.startswith(prefix) and isinstance(value, int)
    }


WAITS, STATES = names("WAIT_"), names("THREAD_STATE_")


@pytest.mark.parametrize("machine", MACHINES)
def test_a_parked_guest_says_what_its_region_says(machine: str) -> None:
    words = "break=deadlock park=100000 park_after_ms=300"
    with booted(machine, words, network=False) as guest:
        tables = dumped(guest.wait_console("@dump end"))
        guest.qmp("stop")
        region = RawRegion(guest)
        threads = {
            (str(row.tid), name, STATES[row.state], WAITS[row.wait], hex(row.wait_obj), str(row.wait_fd),
             str(row.wait_until), hex(row.entry), hex(row.stack_lo), hex(row.stack_hi), str(row.switches))
            for name, row in region.threads().items()
        }  # fmt: skip
        keys = (
            "tid",
            "name",
            "state",
            "wait",
            "obj",
            "fd",
            "until",
            "entry",
            "stack_lo",
            "stack_hi",
            "switches",
        )
        assert {tuple(row[key] for key in keys) for row in tables["threads"]} == threads
        own = {row["name"]: row for row in tables["threads"]}
        for name, row in region.threads().items():
            if row.state != _abi.THREAD_STATE_RUNNING and row.switches:
                assert own[name]["saved_sp"] == hex(row.saved_sp)
        (sched,), (heap,) = tables["sched"], tables["heap"]
        live = region.live
        assert sched == {key: str(getattr(live, key)) for key in sched}
        assert heap == {key: str(getattr(region.heap(), key)) for key in heap}
        locks = {
            (hex(row.va), str(row.owner_tid), str(row.waiters), hex(row.acquire_pc))
            for row in region.locks().values()
            if row.kind == _abi.LOCK_KIND_MUTEX
        }
        assert {
            (row["va"], row["owner"], row["waiters"], row["acquire_pc"])
            for row in tables["locks"]
            if row["kind"] == "mutex"
        } == locks
        sites = {hex(row.pc): str(row.live_bytes) for row in region.sites().values()}
        assert {row["pc"]: row["live_bytes"] for row in tables.get("sites", [])} == sites


def test_a_byte_on_the_console_ends_the_parking(tmp_path: Path) -> None:
    pipe = tmp_path / "serial"
    serial = ("-serial", f"unix:{pipe},server=on,wait=off")
    words = "park=100000 park_after_ms=100"
    with (
        booted("microvm", words, network=False, serial=serial) as guest,
        socket.socket(socket.AF_UNIX) as line,
    ):
        until(pipe.exists, "the serial line")
        line.connect(str(pipe))
        line.settimeout(60)
        heard = b""
        while b"@dump end" not in heard:
            heard += line.recv(4096)
        guest.qmp("stop")
        parked = RawRegion(guest)
        guest.qmp("cont")
        line.sendall(b"\n")
        until(lambda: RawRegion(guest).live.beat_count > parked.live.beat_count, "going on")


@pytest.mark.parametrize("machine", MACHINES)
def test_an_nmi_makes_a_hung_guest_tell(machine: str) -> None:
    with booted(machine, "break=spin-irqoff", network=False) as guest:
        guest.wait_console("break: spin-irqoff")
        settled(
            guest, lambda r: "spinner" in r.threads() and r.live.current_tid == r.threads()["spinner"].tid, ""
        )
        guest.qmp("cont")
        guest.qmp("inject-nmi")
        guest.wait_console("@dump end")
        record, _ = RawRegion(guest).panic()
        assert (record.kind, record.vector) == (_abi.PANIC_EXCEPTION, 2)
        assert not record.rflags & 0x200


def test_threads_locks_and_heap_under_load() -> None:
    with booted("microvm", "selftest=2000", network=False) as guest:
        console = guest.wait_console("selftest: ")
        assert "selftest: ok" in guest.wait_console("\n", 1) and "panic" not in console
