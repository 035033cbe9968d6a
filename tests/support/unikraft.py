"""Real Unikraft images that somebody built, from the folder $UNIOBS_GUESTS: images/unikraft-*/, each with a
boot file and its .dbg. The application in them prints where its locks are, and does what its first
argument says: run, crash, assert, spin, deadlock or exit.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

VARIABLE = "UNIOBS_GUESTS"
QEMU = "qemu-system-x86_64"
ADDRESS = re.compile(r"(ticks|lock_a|lock_b)@(0x[0-9a-f]+)")


def images() -> dict[str, Path]:
    """Boot file of each variant ("base", "trace"...); empty when there is no such folder."""
    folder = os.environ.get(VARIABLE)
    found = {}
    for path in sorted(Path(folder).glob("images/unikraft-*/*.dbg")) if folder else ():
        found[path.parent.name.removeprefix("unikraft-")] = path.with_suffix("")
    return found


needs_images = pytest.mark.skipif(
    not images() or not shutil.which(QEMU), reason=f"needs QEMU, and real images in the folder ${VARIABLE}"
)


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
            connection.connect(str(self.directory / "qmp"))
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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def booted(image: Path, scenario: str, directory: Path, *, memory: int = 64) -> Iterator[Real]:
    """Boot it with the scenario due after half a second; until it listens, or has ended."""
    port = free_port()
    process = subprocess.Popen(
        [QEMU, "-accel", "tcg", "-cpu", "max", "-m", str(memory), "-display", "none", "-vga", "none",
         "-no-reboot", "-no-shutdown", "-kernel", image, "-name", f"uk-{scenario}",
         "-append", f"app netdev.ip=10.0.2.15/24:10.0.2.2 -- {scenario} 500",
         "-serial", f"file:{directory / 'console'}", "-qmp", f"unix:{directory / 'qmp'},server=on,wait=off",
         "-netdev", f"user,id=n0,hostfwd=tcp:127.0.0.1:{port}-:8080", "-device", "virtio-net-pci,netdev=n0"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0,
    )  # fmt: skip
    guest = Real(process.pid, image, directory, port, scenario)
    try:
        wait_until(lambda: "Powered by Unikraft" in guest.console, "it didn't come up")
        with suppress(AssertionError):  # some C libraries keep what it says to themselves
            wait_until(lambda: "listening on port" in guest.console, "it says nothing", 5)
        yield guest
    finally:
        process.kill()
        process.wait()


def wait_until(done: Any, what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(OSError, ValueError):
            if done():
                return
        time.sleep(0.1)
    raise AssertionError(what)
