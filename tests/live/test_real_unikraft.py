"""Unmodified Unikraft, booted: what is said of it is what its console and QEMU's monitor say, live and from
its core. Skipped without $UNIOBS_GUESTS."""

import re
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import permutations
from pathlib import Path

import pytest

from support.cli import uniobs
from support.flatspace import FlatSpace
from support.real_guests import WAYS, Real, Scene, Scenes, found, scenes_of, wait_until
from support.unikraft import booted, images, needs_images
from uniobs.errors import ImageMismatch
from uniobs.image.module import Module

pytestmark = [needs_images, pytest.mark.live, pytest.mark.timeout(180)]

ENDED = ("crash", "assert", "exit")


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Images are remembered in a place of this module's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenes]:
    def boot(scenario: str, directory: Path) -> AbstractContextManager[Real]:
        return booted(images()["base"], scenario, directory)

    def remember(scene: Scene) -> None:
        """What lies beside the boot file is found by itself from its name; a core knows no name."""
        uniobs("ps", "--image", scene.guest.image, scene.core)

    with scenes_of(boot, settle, tmp_path_factory, remember) as get:
        yield get


def settle(guest: Real) -> None:
    """Until the guest is where its scenario leads."""
    if guest.scenario in ENDED:
        wait_until(lambda: guest.qmp("query-status")["status"] == "shutdown", "it didn't end")
    elif guest.scenario == "run":
        assert "appobs run" in guest.ask()
        time.sleep(1)  # until the connection's end is dealt with
    else:
        wanted = {"deadlock": {"deadlock"}, "spin": {"spinning"}}[guest.scenario]
        wait_until(lambda: found(uniobs("why", guest.pid, "--json", expect=None)) >= wanted, "no verdict")


@pytest.mark.parametrize("way", WAYS)
def test_deadlock(scenes: Scenes, way: str) -> None:
    scene = scenes("deadlock")
    target, symbols = scene.target(way), scene.guest.symbols
    ran = uniobs("why", target, expect=1)
    assert "has DEADLOCKED threads" in ran.out, ran.describe()
    assert re.search(r"worker-a +holds lock_a +waits for lock_b +at main\.c:\d+ +take_both", ran.out), ran.out
    assert re.search(r"worker-b +holds lock_b +waits for lock_a +at main\.c:\d+ +take_both", ran.out), ran.out
    (row,) = [row for row in uniobs("why", target, "--json", expect=1).rows if row["name"] == "deadlock"]
    assert set(row["locks"]) == {symbols["lock_a"], symbols["lock_b"]}
    threads = {row["name"]: row for row in uniobs("ps", target, "--json").rows}
    for name, lock, other in (("worker-a", "lock_b", "worker-b"), ("worker-b", "lock_a", "worker-a")):
        wait = threads[name]["wait"]
        assert (wait["kind"], wait["name"], wait["object"]) == ("mutex", lock, symbols[lock])
        assert wait["owner_tid"] == threads[other]["tid"]
    assert (threads["init"]["wait"]["kind"], threads["init"]["wchan"]) == ("accept", "accept 0.0.0.0:8080")
    assert threads["ticker"]["state"] in ("sleeping", "running", "ready")
    assert [row["idle"] for row in threads.values()].count(True) == 1


@pytest.mark.parametrize("way", WAYS)
def test_stacks(scenes: Scenes, way: str) -> None:
    scene = scenes("deadlock")
    stacks = {row["name"]: row for row in uniobs("bt", scene.target(way), "--json", expect=(0, 4)).rows}
    for name in ("worker-a", "worker-b"):
        functions = [frame["function"] for frame in stacks[name]["frames"]]
        assert functions[-2:] == ["take_both", name.replace("-", "_")], functions
        assert "uk_mutex_lock" in functions
    assert [frame["function"] for frame in stacks["init"]["frames"]][-6:-3] == ["serve", "main", "do_main"]
    assert all(not frame["unproven"] for row in stacks.values() for frame in row["frames"])


@pytest.mark.parametrize("way", WAYS)
def test_running(scenes: Scenes, way: str) -> None:
    scene = scenes("run")
    ran = uniobs("why", scene.target(way), expect=(0, 4))
    if ran.code == 4:  # a core of a busy moment doesn't show progress
        assert way == "core" and "busy when it was taken" in ran.out, ran.describe()
    else:
        assert "is fine: live" in ran.out and "unikraft" in ran.out, ran.describe()
    threads = {row["name"]: row for row in uniobs("ps", scene.target(way), "--json").rows}
    assert {"idle", "init", "lwip", "worker-a", "worker-b", "ticker"} <= set(threads)
    assert len({row["tid"] for row in threads.values()}) == len(threads)
    assert not any(row["wait"] and row["wait"]["kind"] == "mutex" for row in threads.values())
    for name in ("worker-a", "worker-b", "ticker"):
        assert threads[name]["stack_size"] == 65536


@pytest.mark.parametrize("way", WAYS)
def test_network(scenes: Scenes, way: str) -> None:
    scene = scenes("run")
    rows = uniobs("netstat", "-an", scene.target(way), "--json").rows
    (server,) = [row for row in rows if row["state"] == "LISTEN"]
    assert (server["kind"], server["local"], server["lport"]) == ("tcp", "0.0.0.0:8080", 8080)
    links = {row["name"]: row for row in uniobs("netstat", "-i", scene.target(way), "--json").rows}
    card = links["en1"]
    assert (card["addr"], card["prefix"], card["mtu"]) == ("10.0.2.15", 24, 1500)
    assert card["mac"] == "52:54:00:12:34:56"  # QEMU's own


def test_an_open_connection(scenes: Scenes) -> None:
    import socket

    guest = scenes("run").guest
    with socket.create_connection(("127.0.0.1", guest.port), 10) as connection:
        connection.settimeout(10)
        connection.sendall(b"hi\n")
        connection.recv(200)
        rows = uniobs("netstat", "-n", guest.pid, "--json").rows
        (row,) = [row for row in rows if row["state"] == "ESTAB"]
        assert (row["laddr"], row["lport"], row["raddr"]) == ("10.0.2.15", 8080, "10.0.2.2")
        assert (row["recvq"], row["sendq"]) == (0, 0)
        threads = {row["name"]: row for row in uniobs("ps", guest.pid, "--json").rows}
        assert threads["init"]["wchan"] == f"recv 10.0.2.2:{row['rport']}"


@pytest.mark.parametrize("way", WAYS)
def test_crash(scenes: Scenes, way: str) -> None:
    scene = scenes("crash")
    said = re.search(r"RIP: ([0-9a-f]{16})", scene.guest.console)
    assert said is not None
    ran = uniobs("why", scene.target(way), expect=1)
    assert "is DEAD: page fault in deref (main.c:" in ran.out, ran.describe()
    assert "write to 0x0 (not mapped): a null pointer" in ran.out
    first = uniobs("bt", scene.target(way), "--json", expect=(0, 4)).rows[0]
    assert first["crashed"] and first["name"] == "worker-a"
    assert first["frames"][0]["pc"] == int(said[1], 16)
    assert [frame["function"] for frame in first["frames"]] == ["deref", "crash_here", "worker_a"]


@pytest.mark.parametrize("way", WAYS)
def test_assertion(scenes: Scenes, way: str) -> None:
    scene = scenes("assert")
    said = re.search(r"<(\S+) @\s*(\d+)> Assertion failure: (.+)", scene.guest.console)
    assert said is not None
    ran = uniobs("why", scene.target(way), expect=1)
    assert f"is DEAD: failed assertion in assert_here ({said[1]}:{said[2]})" in ran.out, ran.describe()
    assert re.search(rf"^  said +{re.escape(said[3])}$", ran.out, re.MULTILINE), ran.out


@pytest.mark.parametrize("way", WAYS)
def test_exit(scenes: Scenes, way: str) -> None:
    ran = uniobs("why", scenes("exit").target(way))
    assert "has EXITED" in ran.out and "exit code" in ran.out, ran.describe()


def test_spinning(scenes: Scenes) -> None:
    scene = scenes("spin")
    ran = uniobs("why", scene.guest.pid, expect=1)
    assert "worker-a" in ran.out and "SPINS" in ran.out and "spin_here" in ran.out, ran.describe()
    ran = uniobs("why", scene.core, expect=1)
    assert "worker-a stands in a loop of spin_here that nothing leaves" in ran.out, ran.describe()
    first = uniobs("bt", scene.core, "--json", expect=(0, 4)).rows
    (row,) = [row for row in first if row["name"] == "worker-a"]
    assert [frame["function"] for frame in row["frames"]] == ["spin_here", "worker_a"]


def test_the_guest_is_not_stopped(scenes: Scenes) -> None:
    """Its tick counter, read by QEMU, moves on under a stream of commands; QEMU never paused it."""
    guest = scenes("run").guest
    ticks = guest.symbols["ticks"]
    for words in (("ps",), ("netstat", "-an"), ("bt",), ("why",)):
        before = guest.word(ticks)
        for _ in range(2):
            uniobs(*words, guest.pid, expect=(0, 4))
        wait_until(lambda before=before: guest.word(ticks) > before, f"{words}: its counter stands still", 20)
        assert guest.qmp("query-status")["status"] == "running"
    assert "appobs run" in guest.ask()


def test_listed(scenes: Scenes) -> None:
    guest = scenes("deadlock").guest
    (row,) = [row for row in uniobs("ls", "--json").rows if row["pid"] == guest.pid]
    assert (row["unikernel"], row["sees"], row["verdicts"]) == ("unikraft", "walker", ["deadlock"])


def test_what_it_does_not_offer(scenes: Scenes) -> None:
    core = scenes("run").core
    assert "log" in uniobs("dmesg", core, expect=5).one_line()
    assert "packets" in uniobs("tcpdump", core, expect=5).one_line()


@pytest.mark.parametrize("variant", [name for name in images() if name != "base"] or ["none"])
def test_another_build_is_refused(scenes: Scenes, variant: str) -> None:
    """Exit 7, saying what differs and which known image it is; with --force each answer is marked."""
    core = scenes("run").core
    wrong = images()[variant].with_suffix(".dbg")
    line = uniobs("ps", "--image", wrong, core, expect=7).one_line()
    assert "differs at 0x" in line and f"; {images()['base']}.dbg is" in line
    ran = uniobs("bt", "--image", wrong, "--force", core, expect=None)
    assert "UNPROVEN" in ran.err, ran.describe()
    ran = uniobs("ps", "--image", wrong, "--force", "--json", core, expect=None)
    if ran.out:
        assert "is not the image in memory" in ran.json["unproven"]


@pytest.mark.parametrize(("mine", "other"), [*permutations(images(), 2)] or [("none", "none")])
def test_every_pair(mine: str, other: str) -> None:
    """The text of each build in memory is taken for no other build."""
    held = Module.load(images()[mine].with_suffix(".dbg"))
    space = FlatSpace({0: bytes(2 << 20)})
    for address, text in held.elf.text:
        space.areas[0][address : address + len(text)] = text
    assert held.prove(space).proven
    with pytest.raises(ImageMismatch):
        Module.load(images()[other].with_suffix(".dbg")).prove(space)


@pytest.mark.parametrize("variant", [name for name in images() if not name.startswith("near")] or ["none"])
def test_every_build(variant: str, tmp_path: Path) -> None:
    """Other versions and options: threads, and the deadlock with both names, live."""
    with booted(images()[variant], "deadlock", tmp_path) as guest:
        settle(guest)
        ran = uniobs("why", guest.pid, expect=1)
        assert re.search(r"worker-a +holds lock_a +waits for lock_b +at main\.c:\d+", ran.out), ran.describe()
        assert re.search(r"worker-b +holds lock_b +waits for lock_a +at main\.c:\d+", ran.out), ran.describe()


def test_heap(scenes: Scenes) -> None:
    """Of 64 MiB; what a connection takes is given back."""
    guest = scenes("run").guest
    report = uniobs("core", guest.pid, "--json", expect=(0, 1, 4)).json
    heap = report["sections"]["memory"]["data"]["heap"]
    assert 32 << 20 < heap["total"] < 64 << 20
    assert 0 < heap["used"] < heap["total"] and 0 < heap["largest_free"] <= heap["total"] - heap["used"]


@pytest.mark.skipif("trace" not in images(), reason="needs an image with trace points")
def test_trace_points(tmp_path: Path) -> None:
    """Its server's calls, in order, with what they were given."""
    with booted(images()["trace"], "run", tmp_path) as guest:
        guest.ask()
        ran = uniobs("strace", "--last", guest.pid)
        names = re.findall(r"^ *\d+\.\d+ (\w+)\(", ran.out, re.MULTILINE)
        wanted = [
            "posix_socket_bind",
            "posix_socket_listen",
            "posix_socket_accept",
            "posix_socket_accept_ret",
        ]
        assert [name for name in names if name in wanted][:4] == wanted, ran.describe()
        assert "posix_socket_listen(3 8)" in ran.out
        times = [float(text) for text in re.findall(r"^ *(\d+\.\d+) ", ran.out, re.MULTILINE)]
        assert times == sorted(times)


@pytest.mark.parametrize(
    "variant", [name for name in images() if name in ("vmem", "nofp", "v016")] or ["none"]
)
def test_crash_of_every_build(variant: str, tmp_path: Path) -> None:
    with booted(images()[variant], "crash", tmp_path) as guest:
        settle(guest)
        said = re.search(r"RIP: ([0-9a-f]{16})", guest.console)
        assert said is not None
        first = uniobs("bt", guest.pid, "--json", expect=(0, 4)).rows[0]
        assert first["crashed"] and first["frames"][0]["pc"] == int(said[1], 16)
        assert [frame["function"] for frame in first["frames"]] == ["deref", "crash_here", "worker_a"]
        assert "page fault in deref" in uniobs("why", guest.pid, expect=1).out
