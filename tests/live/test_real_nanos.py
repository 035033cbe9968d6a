"""Unmodified Nanos, booted: what is said of it is what its console and QEMU's monitor say, live and from its
core, with the program's ELF and without. Skipped without $UNIOBS_GUESTS."""

import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.cli import Ran, uniobs
from support.nanos import booted, image, needs_nanos
from support.real_guests import WAYS, Real, Scenes, found, scenes_of, wait_until, words_of
from uniobs.image.module import Module

pytestmark = [needs_nanos, pytest.mark.live, pytest.mark.timeout(180)]

ENDED = ("crash", "assert", "exit")
LOADED = re.compile(r"kernel load offset ([0-9a-f]{16})")
MASK = (1 << 64) - 1


def kernel() -> tuple[object, ...]:
    return words_of([image("kernel.elf")])


def both() -> tuple[object, ...]:
    return words_of([image("kernel.elf"), image("obsprog")])


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is remembered from test to test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenes]:
    with scenes_of(booted, settle, tmp_path_factory) as get:
        yield get


def settle(guest: Real) -> None:
    """Until the guest is where its scenario leads."""
    if guest.scenario in ENDED:
        wait_until(lambda: guest.qmp("query-status")["status"] == "shutdown", "it didn't end")
    elif guest.scenario == "run":
        wait_until(lambda: re.search(r"run ticks=\d+ a=[1-9]", guest.ask()) is not None, "it doesn't work")
    else:
        wanted = {"deadlock": {"lock-waits"}, "spin": {"spinning"}}[guest.scenario]
        wait_until(lambda: found(uniobs("why", guest.pid, *kernel(), "--json", expect=None)) >= wanted,
                   "no verdict")  # fmt: skip


def bias_in(guest: Real) -> int:
    """Where the kernel's own variable says it was moved, read by QEMU through the guest's page tables."""
    gate = int(re.search(r"IDT=\s+([0-9a-f]+)", monitor(guest, "info registers"))[1], 16)
    words = [
        int(word, 16) for word in re.findall(r"0x([0-9a-f]{16})", monitor(guest, f"x /2gx {gate + 224:#x}"))
    ]
    handler = words[0] & 0xFFFF | (words[0] >> 48) << 16 | (words[1] & 0xFFFFFFFF) << 32
    module = Module.load(image("kernel.elf"))
    moved = handler - module.symbol("interrupt14")[0]
    at = (module.symbol("kas_kern_offset")[0] + moved) & MASK
    return int(monitor(guest, f"x /1gx {at:#x}").split(":")[1], 16)


def monitor(guest: Real, line: str) -> str:
    text = guest.qmp("human-monitor-command", **{"command-line": line})
    assert isinstance(text, str)
    return text


def bias_of(target: Path | int, *, held: Path | None = None) -> int:
    from uniobs.target import open_target

    guest = open_target(str(target), images=[str(image("kernel.elf"))])
    try:
        return guest.modules[0].bias & MASK
    finally:
        guest.close()


@contextmanager
def taken(guest: Real) -> Iterator[None]:
    """Somebody else talks to QEMU."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(guest.directory / "qmp"))
        connection.recv(4096)
        yield


@pytest.mark.parametrize("way", WAYS)
def test_slide(scenes: Scenes, way: str) -> None:
    scene = scenes("crash")
    said = LOADED.search(scene.guest.console)
    assert said is not None
    assert bias_of(scene.target(way)) == int(said[1], 16) == bias_in(scene.guest)


def test_slide_without_registers(scenes: Scenes) -> None:
    guest = scenes("deadlock").guest
    moved = bias_in(guest)
    assert moved
    assert bias_of(guest.pid) == moved
    with taken(guest):
        assert bias_of(guest.pid) == moved
        check_deadlock(uniobs("why", guest.pid, *both(), expect=1))


def test_raw_memory(scenes: Scenes, tmp_path: Path) -> None:
    """Nothing but bytes of RAM: the kernel and its page tables are found by its text."""
    guest = scenes("deadlock").guest
    raw = tmp_path / "ram"
    guest.qmp("stop")  # else its lists are of several moments: QEMU copies while vCPUs run
    guest.qmp("pmemsave", val=0, size=256 << 20, filename=str(raw))
    guest.qmp("cont")
    assert bias_of(raw) == bias_in(guest)
    check_deadlock(uniobs("why", raw, *both(), expect=1))


def check_deadlock(ran: Ran) -> None:
    assert "has DEADLOCKED threads" in ran.out, ran.describe()
    assert re.search(r"worker-a +holds lock_a +waits for lock_b +at obsprog\.c:\d+ +take_both", ran.out), (
        ran.out
    )
    assert re.search(r"worker-b +holds lock_b +waits for lock_a +at obsprog\.c:\d+ +take_both", ran.out), (
        ran.out
    )


@pytest.mark.parametrize("way", WAYS)
def test_deadlock(scenes: Scenes, way: str) -> None:
    scene = scenes("deadlock")
    target, symbols = scene.target(way), scene.guest.symbols
    check_deadlock(uniobs("why", target, *both(), expect=1))
    rows = uniobs("why", target, *both(), "--json", expect=1).rows
    (row,) = [row for row in rows if row["name"] == "deadlock"]
    assert set(row["locks"]) == {symbols["lock_a"], symbols["lock_b"]}
    threads = {row["name"]: row for row in uniobs("ps", target, *both(), "--json").rows}
    assert set(threads) == {"server", "worker-a", "worker-b", "ticker"}
    for name, lock, other in (("worker-a", "lock_b", "worker-b"), ("worker-b", "lock_a", "worker-a")):
        wait = threads[name]["wait"]
        assert (wait["kind"], wait["name"], wait["object"]) == ("mutex", lock, symbols[lock])
        assert wait["owner_tid"] == threads[other]["tid"]
    assert (threads["server"]["wait"]["kind"], threads["server"]["wait"]["fd"]) == ("accept", 3)
    assert threads["server"]["wchan"] == "accept 0.0.0.0:8080"


@pytest.mark.parametrize("way", WAYS)
def test_deadlock_without_the_program(scenes: Scenes, way: str) -> None:
    """Both threads, both locks; who holds them is unknown, and nobody says otherwise."""
    scene = scenes("deadlock")
    target, symbols = scene.target(way), scene.guest.symbols
    ran = uniobs("why", target, *kernel(), expect=1)
    assert "may be DEADLOCKED" in ran.out and "holds" not in ran.out.partition("Not known")[0], ran.describe()
    for name, lock in (("worker-a", "lock_b"), ("worker-b", "lock_a")):
        assert re.search(rf"{name} +waits for the lock {symbols[lock]:#x},", ran.out), ran.out
    assert "Not known: who holds these locks" in ran.out
    for row in uniobs("ps", target, *kernel(), "--json").rows:
        assert row["wait"] is None or row["wait"]["owner_tid"] is None


@pytest.mark.parametrize("way", WAYS)
def test_stacks(scenes: Scenes, way: str) -> None:
    scene = scenes("deadlock")
    stacks = {row["name"]: row for row in uniobs("bt", scene.target(way), *both(), "--json").rows}
    for name in ("worker-a", "worker-b"):
        functions = [frame["function"] for frame in stacks[name]["frames"]]
        assert functions[2:5] == ["take_both", name.replace("-", "_"), "start_thread"], functions
        assert "mutex_lock" in functions[1] and "lock_wait" in functions[0], functions
    functions = [frame["function"] for frame in stacks["server"]["frames"]]
    assert functions[1:3] == ["serve", "main"] and functions[-1] == "_start", functions
    trusts = {frame["trust"] for row in stacks.values() for frame in row["frames"]}
    assert trusts == {"registers", "cfi"}


@pytest.mark.parametrize("disk", ["deadlock-pie", "deadlock-stripped"])
def test_other_programs(scenes: Scenes, disk: str) -> None:
    """One that is loaded anywhere; one that was stripped on the disk and whose ELF is beside."""
    core = scenes(disk).core
    program = "obsprog-pie" if disk.endswith("pie") else "obsprog"
    check_deadlock(uniobs("why", core, *kernel(), "--image", image(program), expect=1))


@pytest.mark.parametrize("way", WAYS)
def test_running(scenes: Scenes, way: str) -> None:
    target = scenes("run").target(way)
    ran = uniobs("why", target, *both(), expect=(0, 4))
    if ran.code == 4:  # a core of a busy moment doesn't show progress
        assert way == "core" and "busy when it was taken" in ran.out, ran.describe()
    else:
        assert "is fine: live" in ran.out and "nanos" in ran.out, ran.describe()
    threads = {row["name"]: row for row in uniobs("ps", target, *both(), "--json").rows}
    assert set(threads) == {"server", "worker-a", "worker-b", "ticker"}
    assert threads["ticker"]["cpu_time_ns"] > 0
    assert not found(uniobs("why", target, *kernel(), "--json", expect=(0, 4)))


@pytest.mark.parametrize("way", WAYS)
def test_network(scenes: Scenes, way: str) -> None:
    target = scenes("run").target(way)
    rows = uniobs("netstat", "-an", target, *kernel(), "--json").rows
    (server,) = [row for row in rows if row["state"] == "LISTEN"]
    assert (server["kind"], server["local"], server["lport"], server["fd"]) == (
        "tcp",
        "0.0.0.0:8080",
        8080,
        3,
    )
    links = {row["name"]: row for row in uniobs("netstat", "-i", target, *kernel(), "--json").rows}
    assert (links["en1"]["addr"], links["en1"]["prefix"]) == ("10.0.2.15", 24)
    assert links["en1"]["mac"] == "52:54:00:12:34:56"  # QEMU's own


def test_an_open_connection(scenes: Scenes) -> None:
    guest = scenes("run").guest
    with socket.create_connection(("127.0.0.1", guest.port), 10) as connection:
        connection.settimeout(10)
        connection.sendall(b"hi\n")
        connection.recv(200)
        rows = uniobs("netstat", "-n", guest.pid, *kernel(), "--json").rows
        (row,) = [row for row in rows if row["state"] == "ESTAB" and row["kind"] == "tcp"]
        assert (row["laddr"], row["lport"], row["raddr"]) == ("10.0.2.15", 8080, "10.0.2.2")
        (server,) = [r for r in uniobs("ps", guest.pid, *kernel(), "--json").rows if r["name"] == "server"]
        assert (server["wait"]["kind"], server["wait"]["fd"]) == ("recv", row["fd"])
        assert server["wchan"] == f"recv 10.0.2.2:{row['rport']}"


@pytest.mark.parametrize("way", WAYS)
def test_crash(scenes: Scenes, way: str) -> None:
    scene = scenes("crash")
    said = re.search(r"\n +rip: ([0-9a-f]{16})", scene.guest.console)
    tid = re.search(r"signal 11 received by tid (\d+)", scene.guest.console)
    assert said is not None and tid is not None
    ran = uniobs("why", scene.target(way), *both(), expect=1)
    assert "is DEAD: page fault in deref (obsprog.c:" in ran.out, ran.describe()
    assert "write to 0x0 (not mapped): a null pointer" in ran.out
    first = uniobs("bt", scene.target(way), *both(), "--json").rows[0]
    assert first["crashed"] and (first["name"], first["tid"]) == ("worker-a", int(tid[1]))
    assert first["frames"][0]["pc"] == int(said[1], 16)
    names = [frame["function"] for frame in first["frames"]]
    assert names[:4] == ["deref", "crash_here", "worker_a", "start_thread"]
    alone = uniobs("why", scene.target(way), *kernel(), expect=1)
    assert f"page fault in {int(said[1], 16):#x}" in alone.out and "worker-a" in alone.out, alone.describe()


@pytest.mark.parametrize("way", WAYS)
def test_abort(scenes: Scenes, way: str) -> None:
    scene = scenes("assert")
    ran = uniobs("why", scene.target(way), *both(), expect=1)
    assert "is DEAD: abort in assert_here (obsprog.c:" in ran.out, ran.describe()
    assert "SIGABRT" in ran.out and "assertion answer == want failed" in ran.out
    assert "SIGABRT" in uniobs("why", scene.target(way), *kernel(), expect=1).out


@pytest.mark.parametrize("way", WAYS)
def test_exit(scenes: Scenes, way: str) -> None:
    ran = uniobs("why", scenes("exit").target(way), *kernel(), expect=1)
    assert "has EXITED with 7" in ran.out, ran.describe()


def test_spinning(scenes: Scenes) -> None:
    scene = scenes("spin")
    ran = uniobs("why", scene.guest.pid, *both(), expect=1)
    assert "has a SPINNING thread" in ran.out and re.search(r"at +obsprog\.c:\d+ +spin_here", ran.out), (
        ran.out
    )
    assert "SPINNING" in uniobs("why", scene.guest.pid, *kernel(), expect=1).out
    rows = {row["name"]: row for row in uniobs("bt", scene.core, *both(), "--json").rows}
    assert [frame["function"] for frame in rows["worker-a"]["frames"]][:2] == ["spin_here", "worker_a"]


@pytest.mark.parametrize("scenario", ["run", "crash", "exit"])
def test_log(scenes: Scenes, scenario: str) -> None:
    """dmesg is what the console got."""
    scene = scenes(scenario)
    lines = [row["text"] for row in uniobs("dmesg", scene.core, *kernel(), "--json").lines]
    said = [re.sub(r"^\[\d+\.\d{6}\] ", "", line) for line in scene.guest.console.split("\n")]
    assert lines == said[: len(lines)] and len(lines) >= len([line for line in said if line]) - 1


def test_heap(scenes: Scenes) -> None:
    from uniobs.target import open_target

    guest = open_target(str(scenes("run").core), images=[str(image("kernel.elf"))])
    try:
        heap = guest.walker("heap").heap()
    finally:
        guest.close()
    assert heap.total is not None and heap.used is not None
    assert 200 << 20 < heap.total <= 256 << 20 and 0 < heap.used < heap.total


def test_the_guest_is_not_stopped(scenes: Scenes) -> None:
    """Its tick counter moves on under a stream of commands; QEMU never paused it."""
    guest = scenes("run").guest

    def ticks() -> int:
        answer = re.search(r"ticks=(\d+)", guest.ask())
        assert answer is not None
        return int(answer[1])

    for words in (("ps",), ("netstat", "-an"), ("bt",), ("why",)):
        before = ticks()
        uniobs(*words, guest.pid, *both(), expect=(0, 4))
        wait_until(lambda before=before: ticks() > before, f"{words}: its counter stands still", 20)
        assert guest.qmp("query-status")["status"] == "running"


def test_remembered(scenes: Scenes) -> None:
    """Both images, found again by what is in memory, in guests that lie elsewhere."""
    uniobs("ps", scenes("run").core, *both())
    check_deadlock(uniobs("why", scenes("deadlock").core, expect=1))
    guest = scenes("deadlock").guest
    (row,) = [row for row in uniobs("ls", "--json").rows if row["pid"] == guest.pid]
    assert (row["unikernel"], row["verdicts"]) == ("nanos", ["deadlock"])


@pytest.mark.parametrize("program", ["obsprog-near-const", "obsprog-near-fn", "obsprog-fp", "obsprog-pie"])
@pytest.mark.parametrize("way", WAYS)
def test_the_wrong_program_is_refused(scenes: Scenes, program: str, way: str) -> None:
    wrong = image(program)
    ran = uniobs("ps", scenes("run").target(way), *kernel(), "--image", wrong, expect=7)
    assert f"{wrong} is not the image in memory" in ran.one_line()


@pytest.mark.parametrize("function", ["runloop_internal", "futex", "interrupt14", "_start"])
def test_the_wrong_kernel_is_refused(scenes: Scenes, function: str, tmp_path: Path) -> None:
    """One byte of one function differs."""
    module = Module.load(image("kernel.elf"))
    place = module.symbol(function)
    if place is None:
        pytest.skip(f"this kernel has no {function}")
    segment = next(s for s in module.elf.segments if s.type == 1 and s.vaddr <= place[0] < s.vaddr + s.filesz)
    wrong = tmp_path / "kernel.elf"
    shutil.copy(image("kernel.elf"), wrong)
    with wrong.open("r+b") as file:
        file.seek(segment.offset + place[0] - segment.vaddr + 1)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))
    core = scenes("run").core
    line = uniobs("ps", core, "--image", wrong, "--image", image("obsprog"), expect=7).one_line()
    assert f"{wrong} is not the image in memory" in line


def test_the_program_alone(scenes: Scenes) -> None:
    """Without the kernel's ELF its threads can't be told; the program is proven all the same."""
    ran = uniobs("ps", scenes("run").core, "--image", image("obsprog"), expect=5)
    assert "obsprog isn't a kernel" in ran.err, ran.describe()
