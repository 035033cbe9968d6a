"""Paired measurements: ours and the peer's, turn by turn in one run, so that a busy machine hits both."""

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One printed line. ``ratio`` is ours / peer, the median of the pairs; below 1 we're cheaper."""

    what: str
    ours: float
    unit: str
    peer: str = ""
    theirs: float | None = None
    ratio: float | None = None
    budget: str = ""

    def line(self) -> str:
        ours = f"{self.ours:,.4g} {self.unit}"
        if self.theirs is None or self.ratio is None:
            beside = self.peer
        else:
            beside = f"{self.peer} {self.theirs:,.4g} {self.unit}, ratio {self.ratio:.3g}"
        return f"{self.what:<46} {ours:>14}   {beside:<52} {self.budget}".rstrip()


def paired(
    what: str,
    unit: str,
    ours: Callable[[], float],
    peer: str,
    theirs: Callable[[], float],
    rounds: int = 9,
    budget: str = "",
) -> Figure:
    """Medians of ``rounds`` pairs, after one of each to warm up."""
    ours()
    theirs()
    pairs = [(ours(), theirs()) for _ in range(rounds)]
    ratio = statistics.median(a / b for a, b in pairs if b)
    return Figure(
        what,
        statistics.median(a for a, _ in pairs),
        unit,
        peer,
        statistics.median(b for _, b in pairs),
        ratio,
        budget,
    )


def single(what: str, unit: str, ours: Callable[[], float], rounds: int = 9, budget: str = "") -> Figure:
    ours()
    return Figure(what, statistics.median(ours() for _ in range(rounds)), unit, budget=budget)


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one process: wall time and CPU, in milliseconds."""

    wall: float
    cpu: float


def cost(command: Sequence[str], right: Sequence[int] = (0,)) -> Cost:
    """Run it, its output thrown away. Raises RuntimeError when it ends with another code."""
    start = time.perf_counter()
    # Not /dev/null: grep sees that nobody reads and stops at its first hit.
    with open("/dev/zero", "wb") as sink:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in right:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return Cost(wall * 1e3, (usage.ru_utime + usage.ru_stime) * 1e3)
