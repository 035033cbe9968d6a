"""A kernel whose structures follow Unikraft's documented shapes, booted: what the walker says of it."""

import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from support.cli import uniobs
from support.unikraft_shapes import Shaped, booted, built, needs_qemu
from uniobs.errors import ImageMismatch, NotOffered
from uniobs.model.findings import findings
from uniobs.target import open_target, qmp

pytestmark = [needs_qemu, pytest.mark.live, pytest.mark.timeout(120)]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def deadlocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shaped]:
    with booted("deadlock", tmp_path_factory.mktemp("deadlock")) as guest:
        yield guest


def named(target: Any) -> dict[str, Any]:
    return {thread.name: thread for thread in target.walker("threads").threads()}


def test_deadlock(deadlocked: Shaped) -> None:
    with closing(open_target(str(deadlocked.pid))) as target:
        threads = named(target)
        assert list(threads) == ["idle", "init", "worker-a", "worker-b", "ticker"]
        assert threads["idle"].idle and threads["idle"].current and threads["idle"].state == "running"
        assert (threads["ticker"].state, threads["ticker"].wait.kind) == ("sleeping", "sleep")
        assert (threads["init"].wait.kind, threads["init"].wait.name) == ("sem", "jobs")
        a, b = threads["worker-a"], threads["worker-b"]
        assert (a.wait.kind, a.wait.name, a.wait.owner_tid) == ("mutex", "shelf.locks[1]", b.tid)
        assert (b.wait.kind, b.wait.name, b.wait.owner_tid) == ("mutex", "lock_a", a.tid)
        assert a.stack_hi - a.stack_lo == 64 * 1024
        locks = {lock.name: lock for lock in target.walker("locks").locks()}
        assert {"lock_a", "shelf.locks[1]", "jobs"} <= set(locks)
        assert locks["lock_a"].owner_tid == a.tid and locks["lock_a"].waiters == 1
        assert locks["jobs"].value == 0 and locks["jobs"].waiters == 1
        assert locks["lock_a"].address == target.modules[0].symbol("lock_a")[0]
        (verdict,) = [v for v in findings(target)[0] if v.name == "deadlock"]
        assert verdict.headline == "deadlock: worker-a <-> worker-b"
        assert all("take_both" in line for line in verdict.lines[:2])


def test_stacks(deadlocked: Shaped) -> None:
    with closing(open_target(str(deadlocked.pid))) as target:
        for name in ("worker-a", "worker-b"):
            functions = [f.function for f in target.stack(named(target)[name]).frames]
            assert functions[-2:] == ["take_both", name.replace("-", "_")]
            assert "uk_mutex_lock" in functions
        assert target.stack(named(target)["idle"]).frames[0].function == "idle_thread_fn"


def test_network(deadlocked: Shaped) -> None:
    with closing(open_target(str(deadlocked.pid))) as target:
        sockets = {s.state: s for s in target.walker("sockets").sockets()}
        assert (sockets["LISTEN"].lport, sockets["LISTEN"].backlog) == (8080, 2)
        assert sockets["LISTEN"].backlog_max == 8
        tcp = sockets["ESTAB"]
        assert (tcp.laddr, tcp.lport) == ("10.0.2.15", 8080)
        assert (tcp.raddr, tcp.rport, tcp.sendq) == ("10.0.2.2", 40000, 36)
        assert sockets["UNCONN"].kind == "udp" and sockets["UNCONN"].lport == 53
        links = {link.name: link for link in target.walker("interfaces").interfaces()}
        assert (links["en1"].addr, links["en1"].prefix) == ("10.0.2.15", 24)
        assert links["en1"].mac == "52:54:00:12:34:56"
        assert links["lo0"].prefix == 8


def test_the_command(deadlocked: Shaped) -> None:
    ran = uniobs("why", deadlocked.pid, expect=1)
    assert "worker-a   holds lock_a" in ran.out and "waits for shelf.locks[1]" in ran.out, ran.describe()
    assert "unikraft on qemu microvm" in ran.out
    (row,) = [row for row in uniobs("ls", "--json").rows if row["pid"] == deadlocked.pid]
    assert (row["sees"], row["unikernel"]) == ("walker", "unikraft")


def test_its_core(deadlocked: Shaped) -> None:
    """A core names no image: one that was named once is found again by its text."""
    core = deadlocked.core()
    line = uniobs("ps", core, expect=5).one_line()
    assert "no image of it is known" in line and "--image" in line
    uniobs("ps", "--image", deadlocked.image, core)
    ran = uniobs("why", core, expect=1)
    assert "waits for shelf.locks[1]" in ran.out and "as of this snapshot" in ran.out, ran.describe()


def test_without_a_monitor(tmp_path: Path) -> None:
    """No registers: the page tables by their symbol; only who is on the CPU has no stack."""
    with (
        booted("deadlock", tmp_path, control=False) as guest,
        closing(open_target(str(guest.pid))) as target,
    ):
        threads = named(target)
        assert threads["worker-a"].wait.name == "shelf.locks[1]"
        assert target.stack(threads["worker-a"]).frames[-1].function == "worker_a"
        assert "no QMP socket" in (target.stack(threads["idle"]).error or "")


def test_crash(tmp_path: Path) -> None:
    with booted("crash", tmp_path) as guest:
        for spec in (str(guest.pid), str(guest.core())):
            with closing(open_target(spec, images=[str(guest.image)])) as target:
                assert target.status().state == "dead"
                panic = target.walker("panic").panic()
                assert (panic.kind, panic.vector, panic.error) == ("exception", 14, 2)
                assert panic.registers.get("cr2") == 0 and panic.registers.get("rsi") == 42
                assert panic.registers.get("rip") == target.modules[0].symbol("deref")[0]
                functions = [f.function for f in target.stack(named(target)["worker-a"]).frames]
                assert functions == ["deref", "crash_here", "worker_a"]


def test_assertion(tmp_path: Path) -> None:
    with booted("assert", tmp_path) as guest:
        ran = uniobs("why", guest.pid, expect=1)
        assert "failed assertion in assert_here (kernel.c:" in ran.out, ran.describe()
        assert "said      answer == want" in ran.out


def test_exit(tmp_path: Path) -> None:
    with booted("exit", tmp_path) as guest:
        assert "has EXITED" in uniobs("why", guest.pid).out


def test_spinning(tmp_path: Path) -> None:
    with booted("spin", tmp_path) as guest:
        ran = uniobs("why", guest.pid, expect=1)
        assert "SPINS" in ran.out and "spin_here" in ran.out and "worker-a" in ran.out, ran.describe()


def test_idle(tmp_path: Path) -> None:
    with booted("run", tmp_path) as guest:
        ran = uniobs("why", guest.pid)
        assert "is fine: live, idle" in ran.out, ran.describe()


def test_another_build(deadlocked: Shaped, tmp_path: Path) -> None:
    """Another scenario's: refused, and the right one is named; forced: every answer is unproven."""
    other = built("run")
    wrong = other.with_name(other.name + ".dbg")
    uniobs("ps", "--image", deadlocked.image, deadlocked.pid)
    line = uniobs("ps", "--image", wrong, deadlocked.pid, expect=7).one_line()
    assert "is not the image in memory" in line and f"{deadlocked.image}" in line
    ran = uniobs("bt", "--image", wrong, "--force", deadlocked.pid, expect=None)
    assert "UNPROVEN" in ran.err, ran.describe()
    with (
        closing(open_target(str(deadlocked.pid), images=[str(wrong)])) as target,
        pytest.raises(ImageMismatch),
    ):
        target.modules  # noqa: B018


@pytest.mark.parametrize(
    ("symbol", "offset", "value"),
    [
        ("uk_sched_head", 0, 0xDEAD0000BEEF),  # out of RAM
        ("coop", 16, 0x1000),  # the thread list: a page that holds nothing of the kind
        ("lock_a", 8, 0x4141414141414141),  # the owner
        ("lock_a", 16, 0xFFFFFFFFFFFFFFF8),  # its first waiter
        ("init_thread", 0x88, 0x1),  # somewhere in a thread
    ],
)
def test_overwritten(deadlocked: Shaped, tmp_path: Path, symbol: str, offset: int, value: int) -> None:
    """Words of a core overwritten: bounded, no crash, no exit code but the listed ones."""
    core = tmp_path / "bad.core"
    data = bytearray(deadlocked.core().read_bytes())
    with closing(open_target(str(deadlocked.pid))) as target:
        address = target.modules[0].symbol(symbol)[0] + offset
        mine = target.memory.read(address - 64, 128)
    at = data.find(mine)
    assert at >= 0
    struct.pack_into("<Q", data, at + 64, value)
    core.write_bytes(data)
    for words in (("ps",), ("why",), ("bt",), ("netstat", "-an"), ("core",)):
        uniobs(*words, "--image", deadlocked.image, core, expect=(0, 1, 3, 4, 5))


def test_its_monitor_is_free_again(deadlocked: Shaped) -> None:
    uniobs("bt", deadlocked.pid, expect=(0, 4))
    with qmp.opened(str(deadlocked.qmp)) as monitor:
        assert monitor.status() == "running"


def test_questions_that_it_cannot_answer(deadlocked: Shaped) -> None:
    with closing(open_target(str(deadlocked.pid))) as target:
        for question in ("log", "packets", "sites", "heap", "trace"):
            with pytest.raises(NotOffered):
                target.walker(question)


def test_a_hundred_thousand_threads(tmp_path: Path) -> None:
    """Bounded, and said."""
    many = built("run", "MANY=100000")
    with booted("run", tmp_path, image=many, memory=64) as guest:
        ran = uniobs("ps", guest.pid, expect=4)
        assert "threads may be missing" in ran.err and "is longer than" in ran.err, ran.describe()
        assert ran.out.count("one of many") > 1000
