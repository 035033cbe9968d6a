"""``::threads ! grep worker``: the text of a command goes to one of this host."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO

from uniobs.cli.output import Output


@contextmanager
def piped(command: str, out: Output) -> Iterator[None]:
    """What is written meanwhile is collected, then given to the command; its output goes where ours does."""
    collected = StringIO()
    before, color = out.stdout, out.color
    out.stdout, out.color = collected, False
    try:
        with redirect_stdout(collected):
            yield
    finally:
        out.stdout, out.color = before, color
        out.flush()
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            input=collected.getvalue().encode(errors="backslashreplace"),
            stdout=subprocess.PIPE,
            check=False,
        )
        for row in done.stdout.decode("utf-8", "backslashreplace").splitlines():
            out.line(row)
