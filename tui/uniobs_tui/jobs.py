"""Commands that run beside the screen: started, watched, stopped; nothing of them is left when it ends."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from uniobs.model.text import safe, size_text
from uniobs_tui.actions import runnable

LINES_MAX: Final = 40
LINE_MAX: Final = 2000
STOP_S: Final = 8.0  # after being asked to end


class Job:
    """One command; ``changed`` is called in the screen's thread whenever there is more to say of it."""

    def __init__(self, title: str, words: list[str], output: str, changed: Callable[["Job"], None]) -> None:
        self.title, self.words, self.output = title, words, output
        self.lines: list[str] = []  # what it said last
        self.code: int | None = None
        self.cancelled = False
        self._changed = changed
        self._process: asyncio.subprocess.Process | None = None
        self._begun = time.monotonic()
        self._ended: float | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    @property
    def runs(self) -> bool:
        return self._ended is None

    @property
    def seconds(self) -> float:
        return (self._ended if self._ended is not None else time.monotonic()) - self._begun

    @property
    def ok(self) -> bool:
        """Whether it did what it was for; a command that was told to end did."""
        done = self.code in (0, 1, 4) or (self.cancelled and self.code in (130, -signal.SIGINT))
        return done and (not self.output or os.path.exists(self.output))

    @property
    def progress(self) -> str:
        """12 s, 3.1 MiB so far."""
        parts = [f"{self.seconds:.0f} s"]
        with suppress(OSError, ValueError):
            path = self.output if os.path.exists(self.output) else f"{self.output}.part"
            if self.output:
                parts.append(size_text(os.stat(path).st_size))
        return ", ".join(parts)

    @property
    def result(self) -> str:
        """One line: what it said at its end, or why it failed."""
        said = [line for line in self.lines if line.strip()]
        if self.ok:
            plain = [line for line in said if not line.startswith(("Next:", " ", "uniobs: recording"))]
            return plain[-1] if plain else f"{self.title}: done"
        errors = [line for line in said if line.startswith("uniobs: ")]
        last = errors[-1] if errors else said[-1] if said else f"exit code {self.code}"
        return last.removeprefix("uniobs: ")

    async def _run(self) -> None:
        try:
            self._process = await asyncio.create_subprocess_exec(
                *runnable(self.words),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
                limit=1 << 16,
            )
        except (OSError, ValueError) as error:
            self.lines.append(f"it can't be started: {error}")
            self._end(127)
            return
        assert self._process.stdout is not None
        try:
            await self._listen(self._process.stdout)
            self._end(await self._process.wait())
        except asyncio.CancelledError:
            self._signal(signal.SIGKILL)
            self._end(-signal.SIGKILL)
            raise

    async def _listen(self, stream: asyncio.StreamReader) -> None:
        held = b""
        while chunk := await stream.read(1 << 14):
            *whole, held = (held + chunk).split(b"\n")
            held = held[-LINE_MAX:]
            self._say(whole)
        self._say([held] if held else [])

    def _say(self, lines: list[bytes]) -> None:
        if lines:
            self.lines += [safe(line[:LINE_MAX].decode("utf-8", "replace")) for line in lines[-LINES_MAX:]]
            del self.lines[:-LINES_MAX]
            self._changed(self)

    def _end(self, code: int) -> None:
        self.code, self._ended = code, time.monotonic()
        self._changed(self)

    def stop(self) -> None:
        """Ask it to end, as ^C does; it is made to when it doesn't."""
        if self.runs and not self.cancelled:
            self.cancelled = True
            self._signal(signal.SIGINT)
            asyncio.get_running_loop().call_later(STOP_S, self._signal, signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    async def ended(self, seconds: float) -> None:
        """Wait for its end, at most so long; then it is killed."""
        if self._task is not None:
            with suppress(asyncio.TimeoutError, asyncio.CancelledError):
                await asyncio.wait_for(self._task, seconds)


class Jobs:
    """Those that were started, oldest first."""

    def __init__(self) -> None:
        self.all: list[Job] = []

    def start(self, job: Job) -> Job:
        self.all = [*self.running, job]
        job.start()
        return job

    @property
    def running(self) -> list[Job]:
        return [job for job in self.all if job.runs]

    async def close(self) -> None:
        """End all: what they wrote until then is whole."""
        for job in self.running:
            job.stop()
        for job in self.running:
            await job.ended(3.0)
