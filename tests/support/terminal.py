"""A command on a terminal of its own: keys go in, the screen's bytes come out."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Sequence
from types import TracebackType

_STEERING = re.compile(rb"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[=>78]|\([A-B])")


class Terminal:
    """``with Terminal([...]) as terminal: terminal.keys("x\\r"); terminal.wait("y")``."""

    def __init__(
        self, command: Sequence[str], environment: dict[str, str], rows: int = 40, cells: int = 120
    ) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cells, 0, 0))
        self.process = subprocess.Popen(
            list(command),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "xterm", **environment},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        self.seen = b""

    def keys(self, typed: str) -> None:
        os.write(self.master, typed.encode())

    def wait(self, text: str, seconds: float = 30) -> str:
        """What came until the text did, without what steers the terminal; it is then forgotten."""
        deadline = time.monotonic() + seconds
        while True:
            plain = _STEERING.sub(b"", self.seen)
            at = plain.find(text.encode())
            if at >= 0:
                self.seen = plain[at + len(text.encode()) :]
                return plain[: at + len(text.encode())].decode("utf-8", "replace")
            assert time.monotonic() < deadline, f"{text!r} never came: {plain.decode('utf-8', 'replace')}"
            self._read()

    def _read(self) -> None:
        if select.select([self.master], [], [], 0.2)[0]:
            try:
                data = os.read(self.master, 65536)
            except OSError:  # the other side is closed
                data = b""
            if b"\x1b[6n" in data:  # where is the cursor?
                os.write(self.master, b"\x1b[1;1R")
            self.seen += data
            if not data:
                time.sleep(0.05)

    def end(self, seconds: float = 20) -> int:
        """The exit code; what is still written is read away."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.seen.decode("utf-8", "replace")
            self._read()
        return self.process.returncode

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.master)
