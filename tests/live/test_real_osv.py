"""Unmodified OSv, booted: what is said of it is what its console and its program say, live and from its core,
with the program's ELF and without. Skipped without $UNIOBS_GUESTS.

images/osv/ there holds loader.elf (with debug information), loader-stripped.elf (what boots), usr.img and
obsprog, the program on it; it does what its first argument says after so many milliseconds.
"""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support import real_guests
from support.cli import uniobs
from support.real_guests import WAYS, Real, Scenes, found, scenes_of, started, wait_until, words_of
from uniobs.image.demangle import bare

ENDS = {"crash": "[backtrace]", "assert": "[backtrace]", "exit": "main returns 7"}
OF_THE_PROGRAM = {"server", "worker-a", "worker-b", "ticker"}


pytestmark = [
    pytest.mark.live,
    pytest.mark.timeout(180),
    real_guests.needs("osv", "loader.elf"),
]


def image(name: str) -> Path:
    return real_guests.image("osv", name)


def kernel() -> tuple[object, ...]:
    return words_of([image("loader.elf")])


def both() -> tuple[object, ...]:
    return words_of([image("loader.elf"), image("obsprog")])


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is remembered from test to test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@contextmanager
def booted(scenario: str, directory: Path) -> Iterator[Real]:
    """Until its program listens."""
    words = (
        *("-kernel", image("loader-stripped.elf"), "-append", f"--rootfs=rofs /obsprog {scenario} 500"),
        *("-device", "virtio-blk-pci,id=blk0,drive=hd0,scsi=off"),
        *("-drive", f"file={image('usr.img')},if=none,id=hd0,snapshot=on", "-device", "virtio-rng-pci"),
    )
    kernel_file = image("loader.elf")
    with started(scenario, directory, *words, name=f"osv-{scenario}", image=kernel_file) as guest:
        wait_until(lambda: "listening on port" in guest.console, "it didn't come up")
        yield guest


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenes]:
    with scenes_of(booted, settle, tmp_path_factory) as get:
        yield get


def settle(guest: Real) -> None:
    if guest.scenario in ENDS:
        wait_until(lambda: ENDS[guest.scenario] in guest.console, "it didn't end")
    elif guest.scenario == "run":
        wait_until(lambda: re.search(r"run ticks=\d+ a=[1-9]", guest.ask()) is not None, "it doesn't work")
        # our question was a connection, which its server is still about to end
        wait_until(lambda: (threads(guest.pid, *kernel())["server"]["wait"] or {}).get("kind") == "accept",
                   "its server doesn't wait for the next connection")  # fmt: skip
    else:
        wanted = {"deadlock": "deadlock", "spin": "spinning"}[guest.scenario]
        wait_until(lambda: wanted in found(uniobs("why", guest.pid, *both(), "--json", expect=None)),
                   "no verdict")  # fmt: skip


def threads(target: Path | int, *images: object) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in uniobs("ps", target, *images, "--json").rows}


def functions(target: Path | int, name: str) -> list[str | None]:
    """Without their namespaces."""
    rows = uniobs("bt", target, *both(), "--json", expect=None).rows
    (row,) = [row for row in rows if row["name"] == name]
    return [bare(frame["function"]) if frame["function"] else None for frame in row["frames"]]


@pytest.mark.parametrize("way", WAYS)
def test_deadlock(scenes: Scenes, way: str) -> None:
    target = scenes("deadlock").target(way)
    ran = uniobs("why", target, *both(), expect=1)
    assert "has DEADLOCKED threads" in ran.out, ran.describe()
    for name, holds, waits in (("worker-a", "lock_a", "lock_b"), ("worker-b", "lock_b", "lock_a")):
        line = rf"{name} +holds {holds} +waits for {waits} +at obsprog\.c:\d+ +take_both"
        assert re.search(line, ran.out), ran.out
    rows = threads(target, *both())
    for name, lock, other in (("worker-a", "lock_b", "worker-b"), ("worker-b", "lock_a", "worker-a")):
        wait = rows[name]["wait"]
        assert (wait["kind"], wait["name"], wait["owner_tid"]) == ("mutex", lock, rows[other]["tid"])
    assert functions(target, "worker-a")[:1] == ["switch_to"]
    assert {"pthread_mutex_lock", "take_both", "worker_a"} <= set(functions(target, "worker-a"))


@pytest.mark.parametrize("way", WAYS)
def test_deadlock_without_the_program(scenes: Scenes, way: str) -> None:
    """OSv's own mutexes say who holds them; they have no names then."""
    target = scenes("deadlock").target(way)
    (row,) = [
        row for row in uniobs("why", target, *kernel(), "--json", expect=1).rows if row["name"] == "deadlock"
    ]
    rows = threads(target, *kernel())
    assert set(row["threads"]) == {rows["worker-a"]["tid"], rows["worker-b"]["tid"]}
    assert len(set(row["locks"])) == 2
    assert {rows[name]["wait"]["object"] for name in ("worker-a", "worker-b")} == set(row["locks"])


def test_the_locks_are_those_that_the_program_has(scenes: Scenes) -> None:
    """A pthread mutex's first word leads to OSv's; QEMU reads it where the console says that it lies."""
    guest = scenes("deadlock").guest
    rows = threads(guest.pid, *both())
    for name, lock in (("worker-a", "lock_b"), ("worker-b", "lock_a")):
        text = guest.qmp("human-monitor-command", **{"command-line": f"x /1gx {guest.symbols[lock]:#x}"})
        assert rows[name]["wait"]["object"] == int(text.split(":")[1], 16)


@pytest.mark.parametrize("way", WAYS)
def test_threads(scenes: Scenes, way: str) -> None:
    rows = threads(scenes("run").target(way), *kernel())
    assert set(rows) >= OF_THE_PROGRAM | {"idle0", "dhcp", "netisr", "callout"}
    assert rows["server"]["wait"]["kind"] == "accept"
    assert rows["ticker"]["wait"] is None or rows["ticker"]["wait"]["kind"] == "sleep"
    joins = [row["wait"] for row in rows.values() if row["wait"] and row["wait"]["kind"] == "join"]
    assert [wait["object"] for wait in joins] == [rows["server"]["tid"]]  # the program's main thread, renamed
    assert "is fine: live" in uniobs("why", scenes("run").target(way), *kernel()).out


def test_cpu_time_is_the_host_s(scenes: Scenes) -> None:
    """What one CPU's threads had between two reads is what passed on the host, about."""
    from uniobs.target import open_target

    guest = open_target(str(scenes("run").guest.pid), images=[str(image("loader.elf"))])
    try:

        def total() -> int:
            return sum(t.cpu_time_ns or 0 for t in guest.walker("threads").threads())

        first, begun = total(), time.monotonic_ns()
        time.sleep(1)
        guest.refresh()
        had, passed = total() - first, time.monotonic_ns() - begun
    finally:
        guest.close()
    assert 0.5 * passed < had < 1.5 * passed


@pytest.mark.parametrize("way", WAYS)
def test_crash(scenes: Scenes, way: str) -> None:
    target = scenes("crash").target(way)
    out = uniobs("why", target, *both(), expect=1).out
    assert "is DEAD: page fault in deref (obsprog.c:" in out
    assert re.search(r"thread +worker-a", out)
    assert "page fault, write to 0x0 (not mapped): a null pointer" in out
    assert functions(target, "worker-a")[:3] == ["deref", "crash_here", "worker_a"]


@pytest.mark.parametrize("way", WAYS)
def test_abort(scenes: Scenes, way: str) -> None:
    target = scenes("assert").target(way)
    out = uniobs("why", target, *both(), expect=1).out
    assert "is DEAD: abort in assert_here (obsprog.c:" in out
    assert re.search(r"thread +worker-a", out)


@pytest.mark.parametrize("way", WAYS)
def test_spin(scenes: Scenes, way: str) -> None:
    target = scenes("spin").target(way)
    ran = uniobs("why", target, *both(), expect=1)
    assert "SPINNING" in ran.out and re.search(r"at +obsprog\.c:\d+ +spin_here", ran.out), ran.describe()
    assert functions(target, "worker-a")[:2] == ["spin_here", "worker_a"]


@pytest.mark.parametrize("way", WAYS)
def test_log(scenes: Scenes, way: str) -> None:
    """Its own log, which isn't what the program prints; that its main returned is in it."""
    out = uniobs("dmesg", scenes("exit").target(way), *kernel()).out
    assert "1 CPUs detected" in out
    assert "program /obsprog returned 7" in out
    assert "obsprog: listening" not in out


def test_sockets(scenes: Scenes) -> None:
    """A connection of this host is there at both ends; its core has the socket that listens."""
    scene = scenes("run")
    with socket.create_connection(("127.0.0.1", scene.guest.port), 10) as connection:
        connection.settimeout(10)
        connection.sendall(b"hi\n")
        assert b"obsprog run" in connection.recv(200)
        rows = uniobs("netstat", "-an", scene.guest.pid, *kernel(), "--json").rows
    ends = {
        (row["laddr"], row["lport"], row["raddr"]): row["netstat_state"]
        for row in rows
        if row["kind"] == "tcp"
    }
    assert ends["0.0.0.0", 8080, "0.0.0.0"] == "LISTEN"
    assert ends["10.0.2.15", 8080, "10.0.2.2"] == "ESTABLISHED"
    rows = uniobs("netstat", "-an", scene.core, *kernel(), "--json").rows
    assert (8080, "LISTEN") in {(row["lport"], row["netstat_state"]) for row in rows}


def test_what_is_not_offered_is_said(scenes: Scenes) -> None:
    for command in ("strace", "counters"):
        ran = uniobs(command, scenes("run").core, *kernel(), expect=5)
        assert len(ran.err.splitlines()) == 1 and "doesn't offer" in ran.err, ran.describe()


def test_the_guest_runs_on(scenes: Scenes) -> None:
    """Its program's ticks go on while it is looked at."""
    guest = scenes("run").guest

    def ticks() -> int:
        return int(re.search(r"ticks=(\d+)", guest.ask())[1])

    before = ticks()
    uniobs("ps", guest.pid, *kernel())
    assert guest.qmp("query-status")["status"] == "running"
    wait_until(lambda: ticks() > before, "it stands still")


def test_another_loader_is_refused(scenes: Scenes, tmp_path: Path) -> None:
    """One byte of its text differs."""
    module = image("loader.elf").read_bytes()
    from uniobs.image.module import Module

    loaded = Module.load(image("loader.elf"))
    at, _ = loaded.symbol("pthread_mutex_lock")
    part = loaded.text(at, 32)
    where = module.find(part)
    assert where > 0
    other = tmp_path / "other.elf"
    other.write_bytes(module[: where + 9] + bytes([module[where + 9] ^ 0xFF]) + module[where + 10 :])
    ran = uniobs("ps", scenes("run").core, "--image", other, expect=7)
    assert "not the image in memory" in ran.err or "differ" in ran.err, ran.describe()
