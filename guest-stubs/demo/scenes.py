#!/usr/bin/env python3
"""`make demo`: boots the reference guest and shows it live, deadlocked and dead, by the same commands.

On a terminal it pauses between scenes and ends at a prompt with a guest running. Without one it runs
through, and fails unless every command ends with the exit code that's expected of it.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boot

ROOT = boot.HERE.parent.parent
TERMINAL = sys.stdin.isatty() and sys.stdout.isatty()
COLOR = TERMINAL and not os.environ.get("NO_COLOR")
FINDING = 1
LISTED = (0, 4)  # 4: there are guests of other users, which we may not read


@dataclass(frozen=True, slots=True)
class Step:
    """A command as one would type it, and the exit codes that are right for it.

    ``clients``: with requests coming in meanwhile.
    """

    command: str
    expect: tuple[int, ...] = (0,)
    clients: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    title: str
    before: Callable[[boot.Guest], None]
    steps: tuple[Step, ...]
    fresh: bool = False  # on a guest that was booted for it


class Failed(Exception):
    pass


@dataclass(slots=True)
class Stage:
    """Where commands run: a scratch directory, with uniobs on PATH."""

    directory: Path
    guest: boot.Guest
    environment: dict[str, str] = field(default_factory=dict)

    def play(self, step: Step) -> None:
        command = step.command.replace("{kv}", self.guest.name)
        print(f"\n{paint('1', '$ ' + command)}", flush=True)
        stop = threading.Event()
        clients = threading.Thread(target=keep_asking, args=(self.guest, stop))
        if step.clients:
            clients.start()
        try:
            code = self.run(command)
        finally:
            stop.set()
            if step.clients:
                clients.join()
        if code not in step.expect:
            wanted = " or ".join(map(str, step.expect))
            raise Failed(f"`{command}` ended with exit code {code}, not {wanted}")

    def run(self, command: str) -> int:
        process = subprocess.Popen(
            ["bash", "-o", "pipefail", "-c", command] if "|" in command else shlex.split(command),
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
        )
        try:
            return process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            raise Failed(f"`{command}` did not end") from None
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def shell(self) -> None:
        name = self.guest.name
        print(f"\nA guest named {name} is running. Try: uniobs top {name}      exit ends it all.")
        stop = threading.Event()
        clients = threading.Thread(target=keep_asking, args=(self.guest, stop))
        clients.start()
        try:
            subprocess.run([os.environ.get("SHELL", "/bin/sh")], cwd=self.directory, env=self.environment)
        finally:
            stop.set()
            clients.join()


def rows_of(*words: str) -> list[dict[str, Any]]:
    """The rows that a command answers with."""
    uniobs = Path(sys.executable).parent / "uniobs"
    done = subprocess.run([uniobs, *words, "--json"], capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1, 4):
        raise Failed(f"uniobs {' '.join(words)}: {done.stderr.strip()}")
    rows = json.loads(done.stdout)["rows"]
    assert isinstance(rows, list)
    return rows


def paint(code: str, text: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if COLOR else text


def keep_asking(guest: boot.Guest, stop: threading.Event) -> None:
    while not stop.wait(0.2):
        with suppress(OSError):
            boot.traffic(guest, 2)


def requests(guest: boot.Guest) -> None:
    boot.traffic(guest)


def deadlock(guest: boot.Guest) -> None:
    boot.traffic(guest)
    guest.poke("/break/deadlock")
    deadline = time.monotonic() + 30
    while not any(row["name"] == "deadlock" for row in rows_of("why", str(guest.pid))):
        if time.monotonic() > deadline:
            raise Failed("the guest never deadlocked")


def crash(guest: boot.Guest) -> None:
    boot.traffic(guest)
    guest.poke("/break/null")
    guest.wait_console("@dump end")


def crash_hosted(guest: boot.Guest) -> None:
    boot.traffic(guest)
    guest.poke("/break/null")
    guest.process.wait(timeout=30)


def vanish(guest: boot.Guest) -> None:
    guest.kill()


SCENES = (
    Scene(
        "It lives: a unikernel has no shell to log in to. Ask from outside.",
        requests,
        (
            Step("uniobs ls", LISTED),
            Step("uniobs ps -ef {kv}"),
            Step("uniobs netstat -tan {kv}"),
            Step("uniobs strace -f -T -n 16 {kv}", clients=True),
            Step("uniobs tcpdump -n -c 8 {kv}", clients=True),
            Step("uniobs why {kv}"),
        ),
    ),
    Scene(
        "It hangs: two threads take two locks in opposite order.",
        deadlock,
        (Step("uniobs ps -ef {kv}"), Step("uniobs why {kv}", (FINDING,))),
    ),
    Scene(
        "It dies: a null pointer, in another guest. Ask why, and take a core.",
        crash,
        (Step("uniobs why {kv}", (FINDING,)), Step("uniobs core take {kv} -o {kv}.core")),
        fresh=True,
    ),
    Scene(
        "It's gone: the machine is off. The same commands answer from the file.",
        vanish,
        (
            Step("uniobs ps -ef {kv}.core"),
            Step("uniobs netstat -tan {kv}.core"),
            Step("uniobs bt {kv}.core", (0, 4)),
            Step("uniobs strace -T {kv}.core 2>&1 | tail -n 7"),
            Step("uniobs dmesg {kv}.core | tail -n 5"),
            Step("uniobs why {kv}.core", (FINDING,)),
        ),
    ),
)


HOSTED_SCENES = (
    Scene(
        "It lives: ask from outside.",
        requests,
        (
            Step("uniobs ls", LISTED),
            Step("uniobs ps -ef {kv}"),
            Step("uniobs netstat -tan {kv}"),
            Step("uniobs strace -f -T -n 16 {kv}", clients=True),
            Step("uniobs why {kv}"),
        ),
    ),
    Scene(
        "It hangs: two threads take two locks in opposite order.",
        deadlock,
        (Step("uniobs ps -ef {kv}"), Step("uniobs why {kv}", (FINDING,))),
    ),
    Scene(
        "It dies: a null pointer. Its process is gone; the file that held the region isn't.",
        crash_hosted,
        (
            Step("uniobs ps -ef {kv}.region"),
            Step("uniobs netstat -tan {kv}.region"),
            Step("uniobs strace -T {kv}.region 2>&1 | tail -n 7"),
            Step("uniobs dmesg {kv}.region | tail -n 5"),
            Step("uniobs why {kv}.region", (FINDING,)),
        ),
        fresh=True,
    ),
)


def pause() -> None:
    if TERMINAL:
        input(paint("2", "\n[Enter] "))


def start_guest(directory: Path, hosted: bool) -> boot.Guest:
    name = free_name()
    if not hosted:
        return boot.boot(boot.Machine(name=name))
    return boot.boot_hosted(name, directory / f"{name}.region")


def free_name() -> str:
    """kv, or kv2, kv3... when this host has guests of that name already."""
    taken = {row["name"] for row in rows_of("ls")}
    return next(name for name in ("kv", *(f"kv{n}" for n in range(2, 1000))) if name not in taken)


def main() -> int:
    binaries = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}"}
    try:
        with ExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="uniobs-demo-")))
            hosted = shutil.which("qemu-system-x86_64") is None
            if hosted:
                print("No QEMU here: the guest is an ordinary process that carries the same stub.")
            stage = Stage(directory, stack.enter_context(start_guest(directory, hosted)), environment)
            for number, scene in enumerate(HOSTED_SCENES if hosted else SCENES, 1):
                print(f"\n{paint('1;36', f'== {number}. {scene.title}')}", flush=True)
                if scene.fresh:
                    stage.guest.close()
                    stage.guest = stack.enter_context(start_guest(directory, hosted))
                scene.before(stage.guest)
                for step in scene.steps:
                    stage.play(step)
                pause()
            if TERMINAL:
                stage.guest = stack.enter_context(start_guest(directory, hosted))
                stage.shell()
    except (boot.BootError, Failed) as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, EOFError):
        return 130
    print("\nThat was it: one set of commands; live, hung and dead.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
