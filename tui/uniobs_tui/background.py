"""Whether the terminal is dark: asked while the imports run. No Textual here."""

import os
import re
import select
import sys
from collections.abc import Mapping
from typing import Any, Final

LIMIT_S: Final = 0.15
SIMPLE: Final = ("", "linux", "dumb", "cons25", "ansi")


class BackgroundQuery:
    """Asks when it is made; answer() takes what came, and must be called."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._old: list[Any] | None = None
        term = environ.get("TERM", "")
        if term in SIMPLE or term.startswith("vt") or "NO_COLOR" in environ:
            return
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            return
        import termios

        try:
            self._old = termios.tcgetattr(0)
            quiet = termios.tcgetattr(0)
            quiet[3] &= ~(termios.ECHO | termios.ICANON)
            termios.tcsetattr(0, termios.TCSANOW, quiet)
            os.write(1, b"\x1b]11;?\x1b\\\x1b[c")  # every terminal answers the second
        except (termios.error, OSError):
            self._old = None

    def answer(self) -> bool | None:
        """True when the background is dark; None when it isn't told."""
        if self._old is None:
            return None
        import termios

        data = b""
        try:
            while len(data) < 4096 and not re.search(rb"\x1b\[\?[0-9;]*c", data):
                if not select.select([0], [], [], LIMIT_S)[0]:
                    break
                data += os.read(0, 1024)
        finally:
            termios.tcsetattr(0, termios.TCSANOW, self._old)
        return is_dark(data)


def is_dark(answer: bytes) -> bool | None:
    """What ``ESC ]11;rgb:RRRR/GGGG/BBBB`` says; None without one."""
    found = re.search(rb"\]11;rgba?:([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})", answer)
    if found is None:
        return None
    red, green, blue = (int(part, 16) / (16 ** len(part) - 1) for part in found.groups())
    return bool(0.299 * red + 0.587 * green + 0.114 * blue < 0.5)
