"""Guests that somebody built, from the folder $UNIOBS_GUESTS, booted on QEMU: what the tests of all share.

The program in them prints where its locks are, listens on port 8080, and does what its scenario says: run,
crash, assert, spin, deadlock or exit.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.cli import Ran

VARIABLE = "UNIOBS_GUESTS"
QEMU = "qemu-system-x86_64"
WAYS = ("live", "core")
ADDRESS = re.compile(r"(ticks|lock_a|lock_b)@(0x[0-9a-f]+)")


def folder(kernel: str, file: str) -> Path | None:
    """images/KERNEL, or None when that doesn't hold ``file``."""
    base = os.environ.get(VARIABLE)
    found = Path(base) / "images" / kernel if base else None
    return found if found is not None and (found / file).is_file() else None


def needs(kernel: str, file: str) -> pytest.MarkDecorator:
    missing = folder(kernel, file) is None or not shutil.which(QEMU)
    return pytest.mark.skipif(
        missing, reason=f"needs QEMU, and images/{kernel} in the folder ${VARIABLE}"
    )


def image(kernel: str, file: str) -> Path:
    """A file of images/KERNEL; skips without it."""
    found = folder(kernel, file)
    if found is None:
        pytest.skip(f"${VARIABLE} has no images/{kernel}/{file}")
    return found / file


def _connect(connection: socket.socket, path: str) -> None:
    """As soon as the monitor has room: somebody else may be talking to it."""
    for _ in range(200):
        try:
            return connection.connect(path)
        except BlockingIOError:
            time.sleep(0.05)
    return connection.connect(path)


@dataclass(frozen=True)
class Real:
    pid: int
    image: Path
    directory: Path
    port: int
    scenario: str

    @property
    def console(self) -> str:
        return (self.directory / "console").read_text("utf-8", "replace")

    @property
    def symbols(self) -> dict[str, int]:
        """What the guest itself printed of its addresses."""
        return {name: int(text, 16) for name, text in ADDRESS.findall(self.console)}

    def qmp(self, command: str, **arguments: Any) -> Any:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            _connect(connection, str(self.directory / "qmp"))
            with connection.makefile("rw") as file:
                file.readline()
                asked = {"execute": command, "arguments": arguments}
                for request in ({"execute": "qmp_capabilities"}, asked):
                    file.write(json.dumps(request) + "\n")
                    file.flush()
                    while "return" not in (answer := json.loads(file.readline())):
                        assert "error" not in answer, answer
        return answer["return"]

    def word(self, address: int) -> int:
        """8 bytes of its memory, by QEMU itself."""
        text = self.qmp("human-monitor-command", **{"command-line": f"xp /1gx {address:#x}"})
        return int(text.split(":")[1], 16)

    def ask(self, line: bytes = b"hi\n") -> str:
        """What its server answers."""
        with socket.create_connection(("127.0.0.1", self.port), 10) as connection:
            connection.settimeout(10)
            connection.sendall(line)
            return connection.recv(200).decode()


@contextmanager
def started(
    scenario: str, directory: Path, *words: object, name: str, image: Path, memory: int = 256
) -> Iterator[Real]:
    """A guest on QEMU, killed at the end: with a console, a monitor and a network card. ``words``: QEMU's, of
    how it boots."""
    port = free_port()
    process = subprocess.Popen(
        [QEMU, "-accel", "tcg", "-cpu", "max", "-m", str(memory), "-display", "none", "-vga", "none",
         "-no-reboot", "-no-shutdown", "-name", name, *map(str, words),
         "-serial", f"file:{directory / 'console'}", "-qmp", f"unix:{directory / 'qmp'},server=on,wait=off",
         "-netdev", f"user,id=n0,hostfwd=tcp:127.0.0.1:{port}-:8080", "-device", "virtio-net-pci,netdev=n0"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0,
    )  # fmt: skip
    try:
        yield Real(process.pid, image, directory, port, scenario)
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(done: Callable[[], object], what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(OSError, ValueError):
            if done():
                return
        time.sleep(0.1)
    raise AssertionError(what)


@dataclass(frozen=True)
class Scene:
    """A guest that is where its scenario led, and QEMU's core of it."""

    guest: Real
    core: Path

    def target(self, way: str) -> Path | int:
        return self.guest.pid if way == "live" else self.core


Scenes = Callable[[str], Scene]


@contextmanager
def scenes_of(
    boot: Callable[[str, Path], AbstractContextManager[Real]],
    settle: Callable[[Real], None],
    factory: pytest.TempPathFactory,
    then: Callable[[Scene], object] = lambda scene: None,
) -> Iterator[Scenes]:
    """Each scenario is booted once, brought to where it leads by ``settle``, and a core of it is taken."""
    made: dict[str, Scene] = {}
    with ExitStack() as stack:

        def get(scenario: str) -> Scene:
            if scenario not in made:
                directory = factory.mktemp(scenario)
                guest = stack.enter_context(boot(scenario, directory))
                settle(guest)
                core = directory / f"{scenario}.core"
                guest.qmp("dump-guest-memory", paging=False, protocol=f"file:{core}")
                made[scenario] = Scene(guest, core)
                then(made[scenario])
            return made[scenario]

        yield get


def found(ran: Ran) -> set[str]:
    """The names of verdicts."""
    return {row["name"] for row in ran.rows}


def words_of(images: Sequence[Path]) -> tuple[object, ...]:
    """As a command takes them."""
    return tuple(word for one in images for word in ("--image", one))
