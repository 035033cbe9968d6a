"""The OSv walker on structures of our own making in a core, whole and damaged."""

import random
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support import build, gdbtypes
from tests.support.linuxcore import LinuxCore
from uniobs.errors import NotOffered, UniobsError, UnknownMemory
from uniobs.image.module import Module
from uniobs.model.guest import Registers
from uniobs_probes.kernels import osv, osv_log
from uniobs_probes.kernels.osv_names import plain
from uniobs_probes.kernels.osv_waits import kind_of, place_of
from uniobs_probes.verdicts import deadlock

SOURCE = Path(__file__).parents[1] / "guest" / "osv" / "shapes.cc"


class Changed:
    """A core with some bytes changed, or gone."""

    def __init__(self, core: LinuxCore) -> None:
        self.core = core
        self.bytes: dict[int, int] = {}
        self.gone: list[tuple[int, int]] = []

    def read(self, address: int, size: int) -> bytes:
        if any(address < high and low < address + size for low, high in self.gone):
            raise UnknownMemory(address, size)
        data = self.core.read(address, size)
        if not self.bytes:
            return data
        return bytes(self.bytes.get(address + i, byte) for i, byte in enumerate(data))

    def translate(self, address: int) -> int:
        return address

    def put(self, address: int, value: int, size: int = 8) -> None:
        for i, byte in enumerate((value % (1 << 8 * size)).to_bytes(size, "little")):
            self.bytes[address + i] = byte


class Target:
    """As much of a guest as the walker asks for."""

    live = False
    region = None

    def __init__(self, core: LinuxCore, module: Module) -> None:
        self.space = Changed(core)
        self.modules = (module,)
        self.notices: list[str] = []
        self.cpus: Sequence[Registers] = ()

    def registers(self) -> Sequence[Registers]:
        if not self.cpus:
            raise NotOffered("no registers")
        return self.cpus

    def walker(self, question: str) -> Any:
        found = osv.probe(self)
        assert found is not None and question in found.answers
        return found

    def stack(self, thread: Any) -> Any:
        from uniobs.model.guest import Stack

        return Stack(thread.tid, error="not asked for")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[LinuxCore, Module]:
    build.need("gdb")
    folder = tmp_path_factory.mktemp("osv")
    program = build.compile_c(folder, "shapes", [SOURCE], "-g", "-O1", "-no-pie", compiler="g++")
    path, _ = gdbtypes.values(program, folder, [])
    return LinuxCore(path), Module.load(program)


@pytest.fixture
def target(built: tuple[LinuxCore, Module]) -> Target:
    return Target(*built)


def variable(target: Target, name: str) -> Any:
    return target.modules[0].types.variable(name, target.space)


def threads(target: Target) -> dict[str | None, Any]:
    return {t.name: t for t in target.walker("threads").threads()}


def test_threads(target: Target) -> None:
    rows = threads(target)
    assert {name: (t.tid, t.state, t.switches) for name, t in rows.items()} == {
        "first": (1, "blocked", 1),
        "second": (2, "blocked", 2),
        "third": (3, "blocked", 3),
        "fourth": (4, "running", 4),
    }
    assert rows["fourth"].cpu == 0 and rows["fourth"].current and rows["fourth"].saved_sp is None
    assert rows["third"].idle and not rows["first"].idle
    assert rows["first"].cpu_time_ns == 1000
    assert rows["first"].stack_lo < rows["first"].saved_sp < rows["first"].stack_hi
    assert target.walker("threads").vitals().now_ns == 5000
    assert target.notices == []


def test_waits(target: Target) -> None:
    rows = threads(target)
    for name, lock, owner in (("first", "lock_b", 2), ("second", "lock_a", 1)):
        wait = rows[name].wait
        assert (wait.kind, wait.object, wait.name) == ("mutex", variable(target, lock).address, lock)
        assert wait.owner_tid == owner
    assert (rows["third"].wait.kind, rows["third"].wait.name) == ("cond", "ready")
    locks = {lock.name: lock for lock in target.walker("locks").locks()}
    assert {name: (lock.owner_tid, lock.waiters) for name, lock in locks.items()} == {
        "lock_a": (1, 1), "lock_b": (2, 1), "ready": (None, 1),
    }  # fmt: skip
    (verdict,) = deadlock.rule(target)
    assert verdict.threads == (1, 2)
    assert set(verdict.locks) == {variable(target, name).address for name in ("lock_a", "lock_b")}


def test_the_processor_tells_who_runs(target: Target) -> None:
    """A status may lag behind: fs leads to the control block of the thread that runs."""
    tcb = next(t for t in target.walker("threads")._look().threads if t.name == "second").tcb
    target.cpus = (Registers({"fs_base": tcb, "rip": 1}, "a test", 0),)
    rows = threads(target)
    assert rows["second"].current and not rows["fourth"].current
    walker = target.walker("threads")
    assert walker.is_on(rows["second"], target.cpus[0]) is True
    assert walker.is_on(rows["first"], target.cpus[0]) is False
    assert walker.is_on(rows["first"], Registers({}, "a test", 0)) is None


@pytest.mark.parametrize(
    ("member", "value", "size"),
    [("owner", 0x1234, 8), ("count", -5, 4), ("waitqueue.pushlist", 0x10, 8), ("waitqueue.pushlist", 0, 8)],
)
def test_a_garbled_mutex_holds_nobody(target: Target, member: str, value: int, size: int) -> None:
    lock = variable(target, "lock_b")
    target.space.put(lock.address + lock.type.offset(member), value, size)
    assert threads(target)["first"].wait.object is None
    assert deadlock.rule(target) == []


def test_a_mutex_between_owners_names_none(target: Target) -> None:
    lock = variable(target, "lock_b")
    target.space.put(lock.address + lock.type.offset("owner"), 0)
    wait = threads(target)["first"].wait
    assert (wait.name, wait.owner_tid) == ("lock_b", None)
    assert deadlock.rule(target) == []


def test_a_queue_that_goes_round_is_none(target: Target) -> None:
    lock = variable(target, "lock_b")
    head = int.from_bytes(lock.member("waitqueue.pushlist").raw(), "little")
    record = target.modules[0].types.type("wait_record")
    target.space.put(head + record.offset("next"), head)
    assert threads(target)["first"].wait.object is None


def test_a_table_that_goes_round_is_cut_and_said(target: Target) -> None:
    first = int(variable(target, "sched::thread_map").member("_M_h._M_before_begin._M_nxt"))
    target.space.put(first, first)
    assert len(threads(target)) == 1
    assert any("leads back" in note for note in target.notices), target.notices


def test_a_thread_that_is_gone_is_said(target: Target) -> None:
    address = next(t for t in target.walker("threads")._look().threads if t.name == "third").address
    target.space.gone.append((address, address + 64))
    assert set(threads(target)) == {"first", "second", "fourth"}
    assert any("threads may be missing" in note for note in target.notices)


def test_random_damage(target: Target) -> None:
    """Nothing but this project's own errors, and no endless walk."""
    rng = random.Random(3)
    clean = target.space
    spots = []
    for t in target.walker("threads")._look().threads:
        spots.append((t.address, 160))
        spots.append((t.rsp, 512))
    for name in ("sched::thread_map", "sched::cpus", "lock_a", "lock_b", "ready"):
        value = variable(target, name)
        spots.append((value.address, value.size))
    for _ in range(120):
        target.space = Changed(clean.core)
        for _ in range(rng.randrange(1, 6)):
            base, size = rng.choice(spots)
            good = rng.choice(spots)[0] + 8 * rng.randrange(8)
            target.space.put(
                base + 8 * rng.randrange(size // 8), rng.choice([0, 1, -1, good, rng.getrandbits(64)])
            )
        with suppress(UniobsError):
            threads(target)
        with suppress(UniobsError):
            target.walker("locks").locks()
        with suppress(UniobsError):
            target.walker("panic").panic()


def test_heap(target: Target) -> None:
    heap = target.walker("heap").heap()
    assert (heap.total, heap.used) == (1000, 600)


# --- the log ------------------------------------------------------------------------------------------


def write(target: Target, text: bytes) -> None:
    """As core/debug.cc's fill_debug_buffer does."""
    buffer, index = variable(target, "debug_buffer"), variable(target, "debug_buffer_idx")
    at = int(index)
    for byte in text:
        target.space.put(buffer.address + at, byte, 1)
        at += 1
        if at == buffer.size:
            at = 0
            target.space.put(variable(target, "debug_buffer_full").address, 1, 1)
    target.space.put(index.address, at, 4)


def lines(target: Target, log: osv_log.DebugLog, text: bytes = b"") -> list[str]:
    if text:
        write(target, text)
    return [line.text for line in log.poll()]


def test_log(target: Target) -> None:
    log = target.walker("log").log()
    assert lines(target, log) == ["one", "two"]
    assert lines(target, log) == []
    assert lines(target, log, b"ee\nfour\nfi") == ["three", "four"]
    assert lines(target, log, b"ve\n" + b"x" * 40 + b"\n") == ["five", "x" * 40]  # it went round
    assert log.loss.lost == 0
    assert lines(target, log, b"tail") == []
    assert [line.text for line in log.flush()] == ["tail"]


def test_a_log_that_lapped_its_reader_says_so(target: Target) -> None:
    log = target.walker("log").log()
    lines(target, log)
    write(target, b"".join(b"line %03d\n" % i for i in range(14)))
    found = log.poll()
    assert found[-1].text == "line 013" and found[0].truncated
    assert log.loss.lost > 0


def test_a_garbled_log_is_not_offered(target: Target) -> None:
    target.space.put(variable(target, "debug_buffer_idx").address, 65, 4)
    with pytest.raises(NotOffered, match="garbled"):
        target.walker("log").log().poll()


# --- names --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("main", "main"),
        ("_ZN5sched6thread9switch_toEv", "sched::thread::switch_to"),
        ("_ZL15_callout_threadv", "_callout_thread"),
        ("_Z5abortPKcz", "abort"),
        ("_ZNK7workman3runEv", "workman::run"),
        ("_ZNSt17_Function_handlerIFvvEZN9pagecacheL25pagecache_start_writebackEvEUlvE_E9_M_invokeERKSt9_Any_data",
         "pagecache::pagecache_start_writeback::<lambda>"),
        ("_ZN3osv7xmitterIN6virtio3net3txqELj4096EE10poll_untilEv", None),
        ("_ZN999xE", None),
        ("_Z", None),
        ("_ZN5sche", None),
    ],
)  # fmt: skip
def test_plain_names(name: str, shown: str | None) -> None:
    assert plain(name) == shown


def test_kinds() -> None:
    scheduler = ["_ZN5sched6thread9switch_toEv", "_ZN5sched6thread4waitEv"]
    assert kind_of([*scheduler, "_ZN8lockfree5mutex4lockEv", "accept"]) == "mutex"
    assert kind_of([*scheduler, "kern_accept", "accept"]) == "accept"
    assert kind_of([*scheduler, "_ZN7workman12call_of_dutyEv"]) is None
    assert place_of([*scheduler, "_ZN7workman12call_of_dutyEv"]) == "workman::call_of_duty"
