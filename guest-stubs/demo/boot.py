#!/usr/bin/env python3
"""Boots the reference guest under QEMU, or runs the hosted one: python3 guest-stubs/demo/boot.py --help

Standard library only. The guest dies with the process that booted it.
"""

import argparse
import contextlib
import ctypes
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ELF = HERE / "build" / "demo.elf"
HOSTED = HERE.parent / "build" / "demo-hosted"
GUEST_ADDRESS = "10.0.2.15"
# Nested KVM may refuse the MSR behind arch-capabilities.
CPU = {"tcg": "max", "kvm": "host,-arch-capabilities"}
BREAKS = ("null", "smash", "overflow", "assert", "spin", "spin-irqoff", "deadlock", "leak", "exit")


class BootError(Exception):
    """The guest could not be started, or did not answer; one line."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What to boot, and how. ``memory`` is in MiB; ``shared`` names a file that backs the guest's RAM."""

    machine: str = "microvm"
    name: str = "guest"
    memory: int = 64
    append: str = ""
    shared: Path | None = None
    packets: Path | None = None  # QEMU's own capture (filter-dump)
    accel: str = "tcg"
    elf: Path = ELF
    qemu: str = "qemu-system-x86_64"
    extra: tuple[str, ...] = ()

    def command(self, directory: Path, port: int) -> list[str]:
        """QEMU's command line. Sockets and the console's log go to ``directory``."""
        bus = {"microvm": "device", "q35": "pci"}[self.machine]
        backed = f"memory-backend-file,id=m,share=on,mem-path={self.shared},size={self.memory}M"
        return [
            *(self.qemu, "-name", self.name, "-accel", self.accel, "-cpu", CPU[self.accel]),
            *("-M", self.machine + (",memory-backend=m" if self.shared else "")),
            *(("-object", backed) if self.shared else ()),
            *("-m", f"{self.memory}M", "-kernel", str(self.elf), "-append", self.append),
            *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
            *("-action", "shutdown=pause"),
            *("-serial", f"file:{directory}/console"),
            *(("-global", "virtio-mmio.force-legacy=false") if bus == "device" else ()),
            *("-netdev", f"user,id=n0,hostfwd=tcp:127.0.0.1:{port}-:80"),
            *("-device", f"virtio-net-{bus},netdev=n0"),
            *("-device", f"virtio-serial-{bus}", "-device", "virtconsole,chardev=u0"),
            *("-chardev", f"socket,id=u0,path={directory}/uniobs.sock,server=on,wait=off"),
            *("-qmp", f"unix:{directory}/qmp.sock,server=on,wait=off"),
            *(("-object", f"filter-dump,id=f0,netdev=n0,file={self.packets}") if self.packets else ()),
            *self.extra,
        ]


@dataclass(slots=True)
class Guest:
    """A guest that was booted. ``directory`` holds its sockets and console; close() ends all of it."""

    process: subprocess.Popen[bytes]
    port: int
    directory: Path
    name: str
    files: list[Path] = field(default_factory=list)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def channel(self) -> Path:
        return self.directory / "uniobs.sock"

    @property
    def qmp_socket(self) -> Path:
        return self.directory / "qmp.sock"

    @property
    def console(self) -> str:
        with contextlib.suppress(FileNotFoundError):
            return (self.directory / "console").read_text("utf-8", "replace")
        return ""

    def http(
        self, method: str, path: str, body: bytes | None = None, timeout: float = 20
    ) -> tuple[int, bytes]:
        """One request over a connection of its own: (status, body). Raises OSError when there is none."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except http.client.HTTPException as error:
            raise ConnectionError(f"{method} {path}: {error!r}") from error
        finally:
            connection.close()

    def poke(self, path: str) -> None:
        """A request whose answer doesn't matter, or may never come: /break, /park."""
        with contextlib.suppress(OSError):
            self.http("GET", path, timeout=2)

    def wait_ready(self, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while True:
            if self.process.poll() is not None:
                raise BootError(f"{self.name} ended at once: {self.said()}")
            with contextlib.suppress(OSError):
                if self.http("GET", "/", timeout=2)[0] == 200:
                    return
            if time.monotonic() > deadline:
                raise BootError(f"{self.name} did not answer within {seconds:.0f} s: {self.said()}")
            time.sleep(0.05)

    def said(self) -> str:
        errors = (self.directory / "stderr").read_text("utf-8", "replace")
        return (errors.strip() or self.console.strip() or "it said nothing").splitlines()[-1]

    def wait_console(self, text: str, seconds: float = 60) -> str:
        """The console once ``text`` is on it."""
        deadline = time.monotonic() + seconds
        while text not in (console := self.console):
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise BootError(f"{self.name} never printed {text!r}: {self.said()}")
            time.sleep(0.05)
        return console

    def qmp(self, command: str, **arguments: Any) -> Any:
        """One QMP command on a connection of its own; its "return". Raises BootError when it's refused."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(60)
            connection.connect(str(self.qmp_socket))
            with connection.makefile("rwb", buffering=0) as stream:
                stream.readline()
                answer: dict[str, Any] = {}
                for name, values in (("qmp_capabilities", {}), (command, arguments)):
                    stream.write(json.dumps({"execute": name, "arguments": values}).encode() + b"\n")
                    answer = {}
                    while "return" not in answer and "error" not in answer:
                        answer = json.loads(stream.readline())
                    if "error" in answer:
                        raise BootError(f"QMP {name}: {answer['error'].get('desc')}")
                return answer["return"]

    def kill(self) -> None:
        """The VMM (or the hosted program) is gone, at once."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)
        for path in self.files:
            path.unlink(missing_ok=True)

    def __enter__(self) -> "Guest":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _in_child() -> None:
    """It dies with us, and may be read by others of this user, which Ubuntu allows to ancestors only."""
    PR_SET_PDEATHSIG, PR_SET_PTRACER, PR_SET_PTRACER_ANY = 1, 0x59616D61, ctypes.c_ulong(-1)
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    libc.prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY)


def start(
    command: Sequence[str], name: str, port: int, directory: Path, environment: dict[str, str] | None = None
) -> Guest:
    """Run a guest's command in a session of its own, its output in ``directory``."""
    with (directory / "stderr").open("wb") as errors:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                env=environment,
                start_new_session=True,
                preexec_fn=_in_child,
            )
        except OSError as error:
            raise BootError(f"{command[0]}: {error.strerror}") from error
    return Guest(process, port, directory, name)


def boot(machine: Machine, ready: bool = True) -> Guest:
    """Boot; wait until it serves when ``ready``. Raises BootError."""
    if not machine.elf.exists():
        raise BootError(f"{machine.elf} is not built: make guest")
    directory = Path(tempfile.mkdtemp(prefix="uniobs-"))
    port = free_port()
    guest = start(machine.command(directory, port), machine.name, port, directory)
    guest.files += [machine.shared] if machine.shared else []
    try:
        if ready:
            guest.wait_ready()
    except BaseException:
        guest.close()
        raise
    return guest


def boot_hosted(name: str = "kv", region: Path | None = None, program: Path = HOSTED) -> Guest:
    """Run the hosted guest: the same server as an ordinary process, which is called ``name``.

    ``region`` names a file that holds its region, and that is still there when it's gone.
    """
    if not program.exists():
        raise BootError(f"{program} is not built: make guest")
    directory = Path(tempfile.mkdtemp(prefix="uniobs-"))
    values = directory / "values"
    values.mkdir()
    (directory / name).symlink_to(program)
    port = free_port()
    environment = {**os.environ, "UNIOBS_REGION_FILE": str(region)} if region else None
    guest = start([str(directory / name), str(port), str(values)], name, port, directory, environment)
    try:
        guest.wait_ready()
    except BaseException:
        guest.close()
        raise
    return guest


def traffic(guest: Guest, requests: int = 12) -> int:
    """Put, get, miss and delete keys; the number of bytes that came back."""
    received = 0
    for i in range(requests):
        key = f"/kv/user:{i % 5}"
        last = "DELETE" if i % 3 == 2 else "GET"
        for method, body in (("PUT", b"value %d" % i), ("GET", None), (last, None)):
            received += len(guest.http(method, key, body)[1])
    return received


def main() -> int:
    parser = argparse.ArgumentParser(description="Boot the reference guest and keep it until Ctrl-C.")
    parser.add_argument("--machine", choices=("microvm", "q35", "hosted"), default="microvm")
    parser.add_argument("--name", default="kv")
    parser.add_argument("--break", dest="break_", choices=BREAKS, help="break it on purpose")
    parser.add_argument("--after", type=int, default=500, metavar="MS", help="when to break it (500)")
    parser.add_argument("--accel", choices=tuple(CPU), default="tcg", help="tcg (default) or kvm")
    arguments = parser.parse_args()
    append = f"break={arguments.break_} break_after_ms={arguments.after}" if arguments.break_ else ""
    machine = Machine(arguments.machine, arguments.name, append=append, accel=arguments.accel)
    hosted = arguments.machine == "hosted"
    if hosted and arguments.break_:
        parser.error("a hosted guest breaks on request only: GET /break/...")
    try:
        with boot_hosted(arguments.name) if hosted else boot(machine, ready=not arguments.break_) as guest:
            channel = "" if hosted else f", serial://{guest.channel}"
            print(f"{guest.name}: pid {guest.pid}, http://127.0.0.1:{guest.port}{channel}")
            print(f"Try: uniobs ps {guest.name}    Ctrl-C ends it.", flush=True)
            guest.process.wait()
    except BootError as error:
        print(f"boot: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
