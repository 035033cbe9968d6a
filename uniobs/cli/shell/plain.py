"""Lines from -c, a file or a pipe: no prompt, each command's output, and an exit code."""

from collections.abc import Iterable

from uniobs.cli.shell.state import Quit, Shell
from uniobs.errors import EXIT_INTERRUPTED


def run(shell: Shell, lines: Iterable[str]) -> int:
    """The exit code of the last command that failed, or 0."""
    try:
        for text in lines:
            if shell.run(text.rstrip("\n")) == EXIT_INTERRUPTED:
                return EXIT_INTERRUPTED
    except Quit:
        pass
    return shell.code
