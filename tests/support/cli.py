"""Runs the uniobs command as a user does: a process of its own, its output and exit code checked."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

UNIOBS = str(Path(sys.executable).parent / "uniobs")


@dataclass(frozen=True, slots=True)
class Ran:
    command: str
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object that --json prints."""
        answer = json.loads(self.out)
        assert isinstance(answer, dict), self.out
        return answer

    @property
    def rows(self) -> list[dict[str, Any]]:
        rows = self.json["rows"]
        assert isinstance(rows, list), self.out
        return rows

    @property
    def lines(self) -> list[dict[str, Any]]:
        """JSON lines, of commands that stream."""
        return [json.loads(line) for line in self.out.splitlines()]

    def one_line(self) -> str:
        """The error, which is one line and no traceback."""
        assert "Traceback" not in self.err and "bug in uniobs" not in self.err, self.describe()
        lines = self.err.splitlines()
        assert len(lines) == 1 and lines[0].startswith("uniobs: "), self.describe()
        return lines[0]

    def describe(self) -> str:
        return f"$ {self.command}\n{self.out[-4000:]}\n{self.err[-4000:]}\nexit code {self.code}"


def uniobs(
    *words: object,
    expect: int | Sequence[int] | None = 0,
    timeout: float = 60,
    interrupt_after: float | None = None,
    prefix: Sequence[str] = (),
    stdout: Any = subprocess.PIPE,
) -> Ran:
    """Run `uniobs WORDS`. ``expect``: the right exit codes (None: any).

    ``interrupt_after``: seconds to Ctrl-C. ``prefix`` is put before the command (setpriv...).
    """
    command = [*prefix, UNIOBS, *map(str, words)]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        errors="backslashreplace",
        env={**os.environ, "COLUMNS": "200"},
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=interrupt_after or timeout)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT if interrupt_after else signal.SIGKILL)
        out, err = process.communicate(timeout=20)
        assert interrupt_after, f"{' '.join(command)} did not end in {timeout} s:\n{out}\n{err}"
    ran = Ran(" ".join(["uniobs", *map(str, words)]), process.returncode, out or "", err)
    assert "Traceback" not in ran.err and "bug in uniobs" not in ran.err, ran.describe()
    if expect is not None:
        right = (expect,) if isinstance(expect, int) else tuple(expect)
        assert ran.code in right, f"not {right}: {ran.describe()}"
    return ran
