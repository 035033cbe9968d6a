"""uniobs without arguments: the terminal UI on a terminal, else the guests and what can be asked."""

import os
import sys

from uniobs.cli.commands import ls, tui
from uniobs.errors import EXIT_OK, NotOffered


def run() -> int:
    if sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        try:
            return tui.run([])
        except NotOffered:
            pass  # it isn't installed: what can be said without it
    from uniobs.cli.main import help_text

    ls.run([])
    sys.stdout.write("\n" + help_text())
    return EXIT_OK
