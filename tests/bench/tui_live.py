"""The terminal UI as it is started: until its first paint, its memory, and 200 guests at once."""

import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import boot
from tests.bench.measure import Figure

UNIOBS: Final = str(Path(sys.executable).parent / "uniobs")
ROOT: Final = Path(__file__).resolve().parents[2]
SIZE: Final = (24, 80)
GUESTS: Final = 200
SETTLE_S: Final = 15.0
WATCH_S: Final = 20.0
ROUNDS: Final = 5


class Screen:
    """The program on a terminal of its own, which answers what terminals are asked."""

    def __init__(self, *words: str) -> None:
        self.begun = time.perf_counter()
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
        self.process = subprocess.Popen(
            [UNIOBS, *words],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
            start_new_session=True,
        )
        os.close(slave)
        self.seen = b""

    def read(self, seconds: float) -> bool:
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        part = os.read(self.master, 1 << 16)
        self.seen = (self.seen + part)[-(1 << 18) :]
        if b"\x1b[c" in part:
            os.write(self.master, b"\x1b]11;rgb:0000/0000/0000\x1b\\\x1b[?1;2c")
        return True

    def until(self, wanted: bytes, seconds: float = 60) -> float:
        """Seconds from its start until this was drawn."""
        limit = time.monotonic() + seconds
        while wanted not in self.seen:
            if time.monotonic() > limit:
                raise RuntimeError(f"{wanted!r} was never drawn")
            self.read(0.2)
        return time.perf_counter() - self.begun

    def rest(self, seconds: float) -> None:
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            self.read(0.2)

    def cpu(self) -> float:
        """Seconds of a processor that it had."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """Resident, MiB."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024

    def close(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.master)

    def __enter__(self) -> "Screen":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def main() -> int:
    print("Terminal UI: a program on a terminal of 80x24")

    def first(words: tuple[str, ...], wanted: bytes) -> Callable[[], float]:
        def run() -> float:
            with Screen(*words) as screen:
                return screen.until(wanted) * 1e3

        return run

    with boot.boot(boot.Machine(name="bench-kv")) as guest:
        for what, words in (("home", ("tui",)), ("a guest", ("tui", str(guest.pid)))):
            run = first(words, b"Help")
            run()
            times = [run() for _ in range(ROUNDS)]
            median = statistics.median(times)
            print(Figure(f"start to first paint, {what}", median, "ms", budget="<= 600").line())
        filled = first(("tui", str(guest.pid)), b"worker-1")
        print(Figure("  until the guest's threads are on it", filled(), "ms").line())
        with Screen("tui", str(guest.pid)) as screen:
            screen.until(b"worker-1")
            screen.rest(SETTLE_S)
            before = screen.cpu()
            screen.rest(WATCH_S)
            share = (screen.cpu() - before) / WATCH_S * 100
            print(Figure("memory, one guest and its past", screen.memory(), "MiB", budget="<= 150").line())
            print(Figure("one guest watched at 1 Hz", share, "% CPU").line())
    _many()
    return 0


def _many() -> None:
    """Hosted guests: processes of this host with a region each, as the engine finds and reads any other."""
    subprocess.run(["make", "-s", "-C", str(ROOT / "guest-stubs"), "build/demo-hosted"], check=True)
    with ExitStack() as stack:
        for number in range(GUESTS):
            stack.enter_context(boot.boot_hosted(f"g{number:03d}"))
        with Screen("tui") as screen:
            screen.until(b"g000")
            screen.rest(SETTLE_S)
            before = screen.cpu()
            screen.rest(WATCH_S)
            share = (screen.cpu() - before) / WATCH_S * 100
            what = f"home with {GUESTS} hosted guests at 1 Hz"
            print(Figure(what, share, "% CPU", budget="<= 10").line())
            print(Figure("  memory", screen.memory(), "MiB", budget="<= 150").line())


if __name__ == "__main__":
    sys.exit(main())
