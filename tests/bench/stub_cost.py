"""What the guest library costs: instructions an event (exact), nanoseconds beside the clock's floor, bytes.

Run from the repository's root: ``python -m tests.bench.stub_cost``.
"""

from __future__ import annotations

import shutil
import subprocess
import sys

from tests.guest.build import make
from tests.guest.measure import code_and_rodata, instructions

MODES = {
    "clock": "rdtsc alone (the floor)",
    "emit2": "event of two words",
    "emit8": "event of eight words",
    "disabled": "disabled event",
    "gated": "disabled event behind uniobs_on",
    "count": "counter",
    "log40": "log line of 40 bytes",
}
TIMES = 1_000_000
RUNS = 15


def nanoseconds() -> dict[str, float]:
    """Time of a turn by mode, the best of some runs, in which the modes take turns."""
    program = str(make("cost"))
    best = dict.fromkeys(("empty", *MODES), float("inf"))
    for _ in range(RUNS):
        for mode in best:
            run = subprocess.run([program, mode, str(TIMES)], capture_output=True, text=True, check=True)
            best[mode] = min(best[mode], float(run.stdout))
    return {mode: max(best[mode] - best["empty"], 0.0) for mode in MODES}


def main() -> int:
    """Print the table."""
    times = nanoseconds()
    counted = shutil.which("valgrind") is not None
    out = [f"{'':34}{'instructions':>13}{'ns':>9}{'x floor':>9}"]
    for mode, title in MODES.items():
        count = f"{instructions(mode):.0f}" if counted else "-"
        out.append(f"{title:34}{count:>13}{times[mode]:>9.2f}{times[mode] / times['clock']:>9.2f}")
    if not counted:
        out.append("instructions: valgrind is not installed")
    minimal, everything = code_and_rodata(["-DUNIOBS_MINIMAL=1"]), code_and_rodata([])
    out.append("code and constants, gcc -Os, of a budget of 4096 and 16384 bytes:")
    out.append(f"minimal configuration {minimal}, everything {everything}")
    sys.stdout.write("\n".join(out) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
