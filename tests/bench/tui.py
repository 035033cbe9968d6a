"""The terminal UI's table beside Textual's DataTable: each on a terminal of 200x60 of its own."""

import fcntl
import json
import os
import signal
import statistics
import struct
import sys
import tempfile
import termios
from typing import Final

from tests.bench.measure import Figure

ROUNDS: Final = 3
MANY: Final = 10_000_000
FEW: Final = 10_000  # what DataTable takes seconds to be filled with
SIZE: Final = (60, 200)


def child(kind: str, rows: int) -> dict[str, float]:
    """What tui_child tells of itself. Raises RuntimeError."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "told")
        pid, terminal = os.forkpty()
        if pid == 0:
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
            os.execv(sys.executable, [sys.executable, "-m", "tests.bench.tui_child", kind, str(rows), path])
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
        try:
            while os.read(terminal, 1 << 16):
                pass
        except OSError:  # the child closed its end
            pass
        except BaseException:
            os.kill(pid, signal.SIGKILL)
            raise
        finally:
            os.close(terminal)
            _, status = os.waitpid(pid, 0)
        if status:
            raise RuntimeError(f"tui_child {kind} ended with {status}")
        with open(path, encoding="utf-8") as file:
            told: dict[str, float] = json.load(file)
    return told


def main() -> int:
    print("Terminal UI: tables")
    ours = [child("line", MANY) for _ in range(ROUNDS)]
    theirs = [child("data", FEW) for _ in range(ROUNDS)]

    def median(runs: list[dict[str, float]], key: str) -> float:
        return statistics.median(run[key] for run in runs)

    frame, peer = median(ours, "frame_ms"), median(theirs, "frame_ms")
    few = f"DataTable, {FEW:,} rows"
    print(Figure("a frame, 10 M rows, CPU", frame, "ms", few, peer, frame / peer, "<= 12").line())
    filled, peer = median(ours, "filled_s") * 1e3, median(theirs, "filled_s") * 1e3
    print(Figure("  shown for the first time", filled, "ms", few, peer, filled / peer).line())
    resident, peer = median(ours, "rss_mib"), median(theirs, "rss_mib")
    print(Figure("  memory", resident, "MiB", few, peer, resident / peer, "<= 150").line())
    resident = median(ours, "rss_sorted_mib")
    print(Figure("  memory, once it was sorted", resident, "MiB", budget="<= 150").line())
    print(Figure("  sorted by a column of numbers, in", median(ours, "sort_s"), "s").line())
    for what, key in (("sorting", "sort_block_ms"), ("filtering", "filter_block_ms")):
        stood = median(ours, key)
        print(Figure(f"  the screen is kept while {what}, at most", stood, "ms CPU", budget="<= 100").line())
    return 0
