#!/usr/bin/env python3
"""`make demo`: boots the reference guest and shows it live, deadlocked and dead, by the same commands.

On a terminal it pauses between scenes and ends at a prompt with a guest running. Without one it runs
through, and fails unless every command ends with the exit code that's expected of it.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import boot

ROOT = boot.HERE.parent.parent
TERMINAL = sys.stdin.isatty() and sys.stdout.isatty()
COLOR = TERMINAL and not os.environ.get("NO_COLOR")
FINDING = 1


@dataclass(frozen=True, slots=True)
class Step:
    """A command as one would type it, and the exit codes that are right for it.

    ``seconds``: press Ctrl-C after so long (for what follows a guest until then). ``clients``: with
    requests coming in meanwhile.
    """

    command: str
    expect: tuple[int, ...] = (0,)
    seconds: float | None = None
    clients: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    title: str
    before: Callable[[boot.Guest], None]
    steps: tuple[Step, ...]


class Failed(Exception):
    pass


@dataclass(slots=True)
class Stage:
    """Where commands run: a scratch directory, with uniobs on PATH."""

    directory: Path
    guest: boot.Guest
    environment: dict[str, str] = field(default_factory=dict)

    def play(self, step: Step) -> None:
        print(f"\n{paint('1', '$ ' + step.command)}", flush=True)
        stop = threading.Event()
        clients = threading.Thread(target=keep_asking, args=(self.guest, stop))
        if step.clients:
            clients.start()
        try:
            code = self.run(step)
        finally:
            stop.set()
            if step.clients:
                clients.join()
        if code not in step.expect:
            wanted = " or ".join(map(str, step.expect))
            raise Failed(f"`{step.command}` ended with exit code {code}, not {wanted}")

    def run(self, step: Step) -> int:
        # In a pipe, the last command's exit code counts, but a failure of uniobs must not hide behind head.
        process = subprocess.Popen(
            step.command if "|" in step.command else shlex.split(step.command),
            shell="|" in step.command,
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
        )
        try:
            return process.wait(timeout=step.seconds or 60)
        except subprocess.TimeoutExpired:
            if step.seconds is None:
                raise Failed(f"`{step.command}` did not end") from None
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                return process.wait(timeout=10)
            raise Failed(f"`{step.command}` did not end on Ctrl-C") from None
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def shell(self) -> None:
        print("\nA guest named kv is running. Try: uniobs top -b -n1 kv      exit ends it all.")
        stop = threading.Event()
        clients = threading.Thread(target=keep_asking, args=(self.guest, stop))
        clients.start()
        try:
            subprocess.run([os.environ.get("SHELL", "/bin/sh")], cwd=self.directory, env=self.environment)
        finally:
            stop.set()
            clients.join()


def paint(code: str, text: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if COLOR else text


def keep_asking(guest: boot.Guest, stop: threading.Event) -> None:
    while not stop.wait(0.2):
        with suppress(OSError):
            boot.traffic(guest, 2)


def requests(guest: boot.Guest) -> None:
    boot.traffic(guest)


def deadlock(guest: boot.Guest) -> None:
    guest.poke("/break/deadlock")


def crash(guest: boot.Guest) -> None:
    guest.poke("/break/null")
    guest.wait_console("@dump end")


def vanish(guest: boot.Guest) -> None:
    guest.kill()


SCENES = (
    Scene(
        "It lives: a unikernel has no shell to log in to. Ask from outside.",
        requests,
        (
            Step("uniobs ls"),
            Step("uniobs ps -ef kv"),
            Step("uniobs netstat -tan kv"),
            Step("uniobs strace -f -T kv", seconds=1.5, clients=True),
            Step("uniobs tcpdump -n -c 8 kv", clients=True),
            Step("uniobs why kv"),
        ),
    ),
    Scene(
        "It hangs: two threads take two locks in opposite order.",
        deadlock,
        (Step("uniobs ps -ef kv"), Step("uniobs why kv", (FINDING,))),
    ),
    Scene(
        "It dies: a null pointer. Take the core, then ask the core.",
        crash,
        (Step("uniobs why kv", (FINDING,)), Step("uniobs core take kv kv.core")),
    ),
    Scene(
        "It's gone: the machine is off. The same commands answer from the file.",
        vanish,
        (
            Step("uniobs ps -ef kv.core"),
            Step("uniobs netstat -tan kv.core"),
            Step("uniobs bt kv.core", (0, 4)),
            Step("uniobs strace -T kv.core | tail -n 5"),
            Step("uniobs dmesg kv.core | tail -n 5"),
            Step("uniobs why kv.core", (FINDING,)),
        ),
    ),
)


def pause() -> None:
    if TERMINAL:
        input(paint("2", "\n[Enter] "))


def start_guest() -> boot.Guest:
    if shutil.which("qemu-system-x86_64"):
        return boot.boot(boot.Machine())
    print("No QEMU here: the guest is an ordinary process that carries the same stub.")
    return boot.boot_hosted("kv")


def main() -> int:
    binaries = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}"}
    try:
        with ExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="uniobs-demo-")))
            guest = stack.enter_context(start_guest())
            stage = Stage(directory, guest, environment)
            for number, scene in enumerate(SCENES, 1):
                print(f"\n{paint('1;36', f'== {number}. {scene.title}')}", flush=True)
                scene.before(guest)
                for step in scene.steps:
                    stage.play(step)
                pause()
            if TERMINAL:
                stage.guest = stack.enter_context(start_guest())
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
