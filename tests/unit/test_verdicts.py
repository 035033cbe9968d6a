"""The verdict rules, on guests made of rows."""

from typing import Any

import pytest

from support.fake_target import FakeTarget, stack
from uniobs.model.guest import AllocSite, Event, Heap, Lock, Panic, Registers, Status, Thread, Wait
from uniobs_probes.verdicts import crash, deadlock, hung, memory, spinning


def waits(tid: int, lock: int, *, until: int | None = None, kind: Any = "mutex") -> Thread:
    return Thread(
        tid, f"t{tid}", "blocked", Wait(kind, object=lock, since_ns=tid * 10**9, until_ns=until), started_ns=0
    )


def held(address: int, owner: int) -> Lock:
    return Lock(address, "mutex", f"m{address}", owner_tid=owner, acquire_pc=None)


def deadlocks(threads: list[Thread], locks: list[Lock]) -> list[tuple[int, ...]]:
    return [v.threads for v in deadlock.rule(FakeTarget({"threads": threads, "locks": locks}))]


def test_two_threads() -> None:
    target = FakeTarget({"threads": [waits(3, 2), waits(4, 1)], "locks": [held(1, 3), held(2, 4)]})
    target.stacks[3] = stack(
        3, ("schedule", "s.c", 1), ("kmutex_lock", "m.c", 2), ("transfer_a", "/src/bank.c", 64)
    )
    (verdict,) = deadlock.rule(target)
    assert verdict.threads == (3, 4)
    assert set(verdict.locks) == {1, 2}
    assert verdict.headline == "deadlock: t3 <-> t4"
    assert verdict.lines[0] == "t3   holds m1   waits for m2   at bank.c:64  transfer_a"
    assert verdict.lines[1] == "t4   holds m2   waits for m1   at an unknown line"
    assert "where t4 waits (nobody knows)" in verdict.unknown
    assert verdict.for_at_least_s is None  # its clock isn't known


def test_three_threads_in_a_ring_and_one_behind() -> None:
    threads = [waits(3, 2), waits(4, 5), waits(5, 1), waits(9, 1)]
    locks = [held(1, 3), held(2, 4), held(5, 5)]
    (verdict,) = deadlock.rule(FakeTarget({"threads": threads, "locks": locks}))
    assert verdict.threads == (3, 4, 5)
    assert verdict.headline == "deadlock: t3 -> t4 -> t5 -> t3"
    assert "t9 waits for m1, stuck behind them" in verdict.lines


def test_a_lock_taken_twice_by_its_holder() -> None:
    (verdict,) = deadlock.rule(FakeTarget({"threads": [waits(3, 1)], "locks": [held(1, 3)]}))
    assert verdict.title == "has a thread DEADLOCKED with itself"


def test_join_closes_a_cycle() -> None:
    assert deadlocks([waits(3, 4, kind="join"), waits(4, 1)], [held(1, 3)]) == [(3, 4)]


def test_two_cycles_are_two_findings() -> None:
    threads = [waits(1, 20), waits(2, 10), waits(3, 40), waits(4, 30)]
    locks = [held(10, 1), held(20, 2), held(30, 3), held(40, 4)]
    assert deadlocks(threads, locks) == [(1, 2), (3, 4)]


@pytest.mark.parametrize(
    ("threads", "locks"),
    [
        ([waits(3, 2), waits(4, 2)], [held(2, 5)]),  # a queue behind a holder that runs
        ([waits(3, 2)], [held(2, 0)]),  # nobody holds it any more
        ([waits(3, 2)], []),
        ([waits(3, 2, until=10**12), waits(4, 1)], [held(1, 3), held(2, 4)]),  # t3 gives up by itself
        ([Thread(3, torn=True), waits(4, 1)], [held(1, 3), held(2, 4)]),
        ([waits(3, 2), waits(4, 1)], [held(1, 3), Lock(2, torn=True)]),
        ([waits(3, 2, kind="cond"), waits(4, 1)], [held(1, 3), held(2, 4)]),
    ],
)
def test_no_deadlock(threads: list[Thread], locks: list[Lock]) -> None:
    assert deadlocks(threads, locks) == []


def fault(**registers: int) -> Panic:
    return Panic("exception", vector=14, error=2, tid=3, registers=Registers(registers, "panic record"))


@pytest.mark.parametrize(
    ("panic", "name", "cause"),
    [
        (fault(cr2=0, rip=1), "crash", "page fault, write to 0x0 (not mapped): a null pointer"),
        (fault(cr2=0x8000, rip=1), "crash", "page fault, write to 0x8000 (not mapped)"),
        (
            Panic("exception", vector=14, error=17, registers=Registers({"cr2": 0x10})),
            "crash",
            "page fault, execution of 0x10 (not allowed there)",
        ),
        (Panic("exception", vector=14, error=None), "crash", "page fault, access to an unknown address"),
        (Panic("exception", vector=0), "crash", "division by zero"),
        (Panic("exception", vector=13, error=0x18), "crash", "general protection fault, error code 0x18"),
        (Panic("exception", vector=77), "crash", "exception 77"),
        (Panic("assert", message="a == b, x.c:3"), "assertion", "failed assertion"),
        (Panic("stack_smash"), "stack-smash", "stack smashed"),
        (Panic("abort"), "abort", "abort"),
    ],
)
def test_causes(panic: Panic, name: str, cause: str) -> None:
    (verdict,) = crash.rule(FakeTarget({"panic": panic}))
    assert verdict.name == name
    assert f"cause     {cause}" in verdict.lines
    assert verdict.severity == 0


def test_a_crash_names_the_line_and_passes_over_the_machinery() -> None:
    target = FakeTarget(
        {"panic": Panic("assert", tid=3, message="no"), "threads": [Thread(3, "breaker", "running")]}
    )
    frames = [("panic", "p.c", 1), ("assert_failed", "p.c", 2), ("check", "/a/kv.c", 88)]
    target.stacks[3] = stack(3, *frames, *[("descend", "kv.c", 9)] * 50)
    (verdict,) = crash.rule(target)
    assert verdict.headline == "failed assertion in check (kv.c:88)"
    assert verdict.lines[0] == "thread    breaker (tid 3)"
    assert "from      kv.c:9  descend  (50 times)" in verdict.lines
    assert verdict.threads == (3,)


def test_out_of_memory_names_who_asked_and_who_holds() -> None:
    sites = [AllocSite(1, 10, 1, 10, 1), AllocSite(0x77, 5 << 20, 500, 6 << 20, 600), AllocSite(3, torn=True)]
    heap = Heap(6 << 20, 5 << 20, 5 << 20, 100, failures=1)
    panic = Panic("oom", tid=3)
    target = FakeTarget({"panic": panic, "threads": [Thread(3)], "sites": sites, "heap": heap})
    target.stacks[3] = stack(3, ("panic", "p.c", 1), ("kmalloc_must", "h.c", 2), ("leak", "kv.c", 93))
    (verdict,) = crash.rule(target)
    assert verdict.headline == "out of memory in leak (kv.c:93)"
    assert "holds     5M in 500 pieces   0x77" in verdict.lines
    assert memory.rule(target) == []  # said already


def test_no_panic_is_no_verdict() -> None:
    assert crash.rule(FakeTarget({"panic": None})) == []
    assert crash.rule(FakeTarget({})) == []


@pytest.mark.parametrize(
    ("heap", "name"),
    [
        (Heap(1000, 899, 950, failures=0), None),
        (Heap(1000, 901, 950, failures=0), "heap-full"),
        (Heap(1000, 10, 950, failures=3), "alloc-failures"),
        (Heap(torn=True), None),
        (Heap(0, 0, 0), None),
    ],
)
def test_heap(heap: Heap, name: str | None) -> None:
    found = memory.rule(FakeTarget({"heap": heap}))
    assert [verdict.name for verdict in found] == ([name] if name else [])


class Trace:
    """A cursor whose second poll gives the events."""

    def __init__(self, *later: Event) -> None:
        self.polls = [[], list(later)]

    def poll(self) -> list[Event]:
        return self.polls.pop(0)


def busy(tid: int, cpu_ms: int, **more: Any) -> Thread:
    return Thread(tid, f"t{tid}", "running", cpu_time_ns=cpu_ms * 10**6, started_ns=0, **more)


def test_a_thread_that_had_the_whole_cpu_spins() -> None:
    target = FakeTarget({"threads": [busy(3, 0)]}, {"threads": [busy(3, 10_000)]})
    target.stacks[3] = stack(3, ("spin_forever", "b.c", 47), ("spinner", "b.c", 55))
    (verdict,) = spinning.rule(target)
    assert verdict.headline == "spinning: t3 in spin_forever (b.c:47)"
    assert "from      b.c:55  spinner" in verdict.lines


def test_a_thread_that_makes_calls_works() -> None:
    call = Event(0, 1, 1, 1, 3, "recv", "enter", "syscall", 16, ())
    rounds = [
        {"threads": [busy(3, 0)], "trace": Trace(call)},
        {"threads": [busy(3, 10_000)], "trace": Trace(call)},
    ]
    assert spinning.rule(FakeTarget(*rounds)) == []


@pytest.mark.parametrize(
    "rounds",
    [
        ([busy(3, 0)], [busy(3, 1)]),  # it shares the CPU
        ([busy(3, 0, idle=True)], [busy(3, 10_000, idle=True)]),
        ([busy(3, 0)], [Thread(3, torn=True)]),
        ([busy(3, 10_000)], [busy(3, 0)]),  # another thread of that id
        ([busy(4, 0)], [busy(3, 10_000)]),
    ],
)
def test_not_spinning(rounds: tuple[list[Thread], list[Thread]]) -> None:
    assert spinning.rule(FakeTarget({"threads": rounds[0]}, {"threads": rounds[1]})) == []


def test_what_stands_still_does_not_spin() -> None:
    assert spinning.rule(FakeTarget({"threads": [busy(3, 0)]}, live=False)) == []


def test_hung_names_the_thread_that_holds_the_cpu() -> None:
    threads = [busy(3, 0, current=True), Thread(4, "t4", "ready"), Thread(5, "idle", "ready", idle=True)]
    target = FakeTarget({"threads": threads}, status=Status("hung", "no progress", 3.0))
    target.stacks[3] = stack(3, ("spin", "b.c", 47))
    (verdict,) = hung.rule(target)
    assert verdict.headline == "hung: t3 in spin (b.c:47)"
    assert verdict.for_at_least_s == 3.0
    assert "ready and not let run: t4" in verdict.lines
    assert hung.rule(FakeTarget({"threads": threads})) == []
