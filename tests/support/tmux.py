"""A real terminal to drive a program in: tmux's, with a shell in it."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LIMIT_S = 30.0


class Terminal:
    """``keys`` are tmux's names of them (Enter, Escape, F8) or text."""

    def __init__(self, socket: Path) -> None:
        self._tmux = ["tmux", "-S", str(socket), "-f", "/dev/null"]

    def _run(self, *words: str) -> str:
        done = subprocess.run([*self._tmux, *words], capture_output=True, text=True, check=False, timeout=20)
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout

    def start(self, width: int, height: int, environment: dict[str, str]) -> None:
        words = [f"{name}={value}" for name, value in environment.items()]
        shell = ["env", *words, "PS1=ready> ", "bash", "--norc", "--noprofile"]
        self._run("new-session", "-d", "-x", str(width), "-y", str(height), *shell)
        self.until("ready>")

    def keys(self, *keys: str) -> None:
        self._run("send-keys", *keys)

    def type(self, text: str) -> None:
        self._run("send-keys", "-l", text)

    def text(self) -> str:
        return self._run("capture-pane", "-p")

    def until(self, wanted: str | Callable[[str], bool], seconds: float = LIMIT_S) -> str:
        """The screen once it shows ``wanted``."""
        limit = time.monotonic() + seconds
        while True:
            shown = self.text()
            if wanted(shown) if callable(wanted) else wanted in shown:
                return shown
            assert time.monotonic() < limit, f"{wanted!r} never came:\n{shown}"
            time.sleep(0.05)

    def flag(self, name: str) -> str:
        """What tmux knows of the pane: alternate_on, cursor_flag, mouse_any_flag, pane_pid."""
        return self._run("display-message", "-p", f"#{{{name}}}").strip()

    def resize(self, width: int, height: int) -> None:
        self._run("resize-window", "-x", str(width), "-y", str(height))

    def close(self) -> None:
        subprocess.run([*self._tmux, "kill-server"], capture_output=True, check=False, timeout=20)

    def check_sane(self) -> None:
        """After a program: lines are edited and echoed again, and nothing of its screen is left on."""
        assert self.flag("alternate_on") == "0"
        assert self.flag("cursor_flag") == "1"
        assert self.flag("mouse_any_flag") == "0"
        self.keys("C-l", "")
        self.type("stty -a | tr ' ;' '\\n\\n' | grep -xE 'echo|icanon'; echo su''m $((20 + 3))")
        self.keys("Enter")
        shown = self.until("sum 23").splitlines()
        assert {"echo", "icanon"} <= {line.strip() for line in shown}, shown


@contextmanager
def terminal(width: int = 80, height: int = 24, **environment: str) -> Iterator[Terminal]:
    """One that dies with the block; programs in it see the test's own directories and UTC."""
    assert shutil.which("tmux"), "tmux isn't installed"
    directory = Path(tempfile.mkdtemp(prefix="uniobs-tmux-"))
    known = {name: value for name, value in os.environ.items() if name.startswith("XDG_")}
    fixed = {"TZ": "UTC", "LC_ALL": "C.UTF-8", "COLORTERM": "truecolor", **known, **environment}
    opened = Terminal(directory / "socket")
    try:
        opened.start(width, height, fixed)
        yield opened
    finally:
        opened.close()
        shutil.rmtree(directory, ignore_errors=True)
