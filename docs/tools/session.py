"""The documentation's examples and pictures, from a real session: `make pictures`.

Boots the reference guest, makes it deadlock, crashes another, and keeps what each command printed in
docs/examples/ and docs/pictures/. It runs in a PID namespace of its own where it may, so that no other guest
of this host is in what is shown.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "guest-stubs" / "demo")]

import boot  # noqa: E402 - where it lies is said above
from docs.tools import pictures  # noqa: E402
from docs.tools.examples import FOLDER  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

INSIDE = "UNIOBS_DOCS_ALONE"
ALONE = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child")
SHOWN = 48  # lines of an example


class Stage:
    """A folder in which commands run as a person types them, with uniobs on PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        cache = folder / ".cache"
        self.environment = {**os.environ, "PATH": path, "TZ": "UTC", "XDG_CACHE_HOME": str(cache)}
        self.environment.pop("NO_COLOR", None)

    def run(self, command: str) -> str:
        """What it prints, less this machine's paths. Raises RuntimeError when it isn't the answer to show."""
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        if done.returncode not in (0, 1, 4) or "this is a bug" in done.stdout:
            raise RuntimeError(f"{command}: exit code {done.returncode}: {done.stdout}")
        return done.stdout.replace(f"{ROOT}/", "")

    def keep(self, name: str, *commands: str, lines: int = SHOWN) -> None:
        """docs/examples/NAME.txt"""
        told = []
        for command in commands:
            out = self.run(command).rstrip("\n").split("\n")
            told += [f"$ {command}", *out[:lines], *(["..."] if len(out) > lines else []), ""]
        self.text(name, "\n".join(line.rstrip() for line in told))

    def text(self, name: str, text: str) -> None:
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / f"{name}.txt").write_text(text.rstrip("\n") + "\n", "utf-8")

    def picture(self, name: str, command: str, *, lines: int = SHOWN) -> None:
        """docs/pictures/NAME.svg of a command's output, as a terminal has it."""
        shown = self.run(f"{command} --color always").rstrip("\n").split("\n")
        cut = [*shown[:lines], *(["..."] if len(shown) > lines else [])]
        pictures.write(name, pictures.of_output(command, "\n".join(cut)))


@contextmanager
def clients(guest: boot.Guest) -> "Iterator[None]":
    """Somebody asks for keys meanwhile."""
    stop = threading.Event()

    def ask() -> None:
        while not stop.wait(0.15):
            with suppress(OSError):
                boot.traffic(guest, 2)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def live(stage: Stage, kv: boot.Guest) -> None:
    with clients(kv):
        stage.keep("ls", "uniobs ls")
        stage.keep("ps", "uniobs ps -ef kv")
        stage.keep("top", "uniobs top -b -n 1 kv")
        with socket.create_connection(("127.0.0.1", kv.port)):
            stage.keep("netstat", "uniobs netstat -tan kv")
            stage.keep("ss", "uniobs ss -tanpi kv")
        stage.keep("strace", "uniobs strace -f -T -n 8 kv")
        stage.keep("tcpdump", "uniobs tcpdump -n -c 6 kv tcp port 80")
        stage.keep("vmstat", "uniobs vmstat kv 1 3")
        stage.keep("counters", "uniobs counters kv")
    stage.keep("strace-summary", "uniobs strace -c --last kv")
    stage.keep("dmesg", "uniobs dmesg kv | tail -n 6")
    stage.keep("doctor", "uniobs doctor kv")
    stage.keep("completion", "uniobs completion --guests")
    with clients(kv):
        pictures.of_tui("overview", "kv", pictures.pane("overview", looks=25))
        stage.text("keys-guest", pictures.of_tui("threads", "kv", pictures.pane("threads", *["down"] * 4)))
        pictures.of_tui("trace", "kv", pictures.pane("trace"))
        pictures.of_tui("packets", "kv", pictures.pane("packets", "p", *["up"] * 7, "enter"))


def deadlocked(stage: Stage, kv: boot.Guest) -> None:
    """Recorded while it happens."""
    words = ["uniobs", "record", "kv", "-o", "kv.uniobs", "--for", "8s"]
    recording = subprocess.Popen(
        words,
        cwd=stage.folder,
        env=stage.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        with clients(kv):
            threading.Event().wait(3)
        kv.poke("/break/deadlock")
        said, _ = recording.communicate(timeout=60)
    finally:
        recording.kill()
        recording.wait()
    stage.text("record", f"$ {' '.join(words)}\n{said}")
    stage.keep("diff", "uniobs diff kv.uniobs")
    stage.keep("at", "uniobs why kv.uniobs --at +1s | sed -n 1,3p", "uniobs dmesg kv.uniobs | tail -n 2")
    stage.keep("why", "uniobs why kv")
    stage.keep("core-take", "uniobs core take kv -o kv.core")
    stage.picture("why", "uniobs why kv")
    pictures.of_tui("verdict", "kv", pictures.pane("verdict"))


def crashed(stage: Stage, pay: boot.Guest) -> None:
    boot.traffic(pay)
    pay.poke("/break/null")
    pay.wait_console("@dump end")
    stage.run("uniobs core take pay -o pay.core")
    shutil.copy(pay.directory / "console", stage.folder / "console.log")
    stage.keep("bt", "uniobs bt pay.core", lines=24)
    stage.keep("core", "uniobs core pay.core | sed -n 1,15p")
    stage.keep("dead", "uniobs why pay.core", "uniobs strace -T pay.core 2>&1 | tail -n 5")
    stage.keep("core-show", "uniobs core show pay.core", lines=60)
    stage.keep("core-fix", "uniobs core fix pay.core")
    stage.keep("gdb", "uniobs gdb pay.core -- -batch -ex bt 2>&1 | tail -n 6")
    stage.keep("shell", "uniobs shell -c '::status; ::stack 7' pay.core")
    stage.keep("symbolise", "uniobs symbolise --image demo.elf --only console.log | sed -n 1,2p")
    stage.picture("core-show", "uniobs core show pay.core", lines=60)


def hung(stage: Stage, edge: boot.Guest) -> None:
    boot.traffic(edge)
    edge.poke("/break/spin-irqoff")
    stage.keep("hung", "uniobs why edge", "uniobs ps edge -o tid,name,stat,wchan,pcpu")
    stage.keep("hung-core", "uniobs core take edge -o edge.core", "uniobs why edge.core | sed -n 1,8p")


@contextmanager
def folder() -> "Iterator[Path]":
    """One with a name that can be shown, gone afterwards."""
    name = Path(tempfile.gettempdir(), "unikernels")
    name.mkdir()
    try:
        yield name
    finally:
        shutil.rmtree(name)


def session() -> None:
    with folder() as name:
        stage = Stage(name)
        os.environ["XDG_CACHE_HOME"] = stage.environment["XDG_CACHE_HOME"]
        elf = stage.folder / "demo.elf"
        shutil.copy(boot.ELF, elf)
        with boot.boot(boot.Machine(name="kv", elf=elf)) as kv:
            live(stage, kv)
            deadlocked(stage, kv)
            with boot.boot(boot.Machine(name="pay", elf=elf)) as pay:
                crashed(stage, pay)
                shop = boot.Machine(name="shop", machine="q35", elf=elf)
                with boot.boot(boot.Machine(name="edge", elf=elf)) as edge, boot.boot(shop) as busy:
                    hung(stage, edge)
                    with clients(busy):
                        stage.text("keys-home", pictures.of_tui("home", None, pictures.home(), (112, 15)))


def _may_be_alone() -> bool:
    if shutil.which(ALONE[0]) is None:
        return False
    return subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode == 0


def main() -> int:
    if INSIDE not in os.environ and _may_be_alone():
        again = [*ALONE, sys.executable, *sys.argv]
        return subprocess.run(again, env={**os.environ, INSIDE: "1"}, check=False).returncode
    session()
    return 0


if __name__ == "__main__":
    sys.exit(main())
