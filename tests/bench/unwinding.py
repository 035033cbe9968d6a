"""Frames a second on a stack of tens of thousands, beside gdb's fastest walk of the same core."""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.measure import Figure, paired
from tests.support.linuxcore import LinuxCore
from uniobs.image.module import Module
from uniobs.image.unwind import unwind

SOURCE = Path(__file__).parents[1] / "guest" / "image" / "deep.c"
DEPTH = 6000
DUMP = ("set confirm off", "set debuginfod enabled off", f"run {DEPTH} >/dev/null", "gcore core", "kill")
# gdb's own loop over frames without printing: bt itself takes 50 times as long.
WALK = """
import gdb, json, sys, time
gdb.execute("set debuginfod enabled off"); gdb.execute("set backtrace past-main on")
gdb.execute("set backtrace limit unlimited")
for line in iter(sys.stdin.readline, ""):
    gdb.execute("maintenance flush register-cache", to_string=True)
    start, frame, count = time.perf_counter(), gdb.newest_frame(), 0
    while frame is not None:
        count, frame = count + 1, frame.older()
    print("walked", json.dumps([time.perf_counter() - start, count]), flush=True)
"""


class Gdb:
    """gdb on a core, which walks the stack each time that it is asked to."""

    def __init__(self, folder: Path) -> None:
        (folder / "walk.py").write_text(WALK)
        command = ["gdb", "-q", "-nx", "-batch", "-x", "walk.py", "deep", "core"]
        self._process = subprocess.Popen(
            command, cwd=folder, text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def walk(self) -> tuple[float, int]:
        """(seconds, frames)."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write("\n")
        for line in self._process.stdout:
            if line.startswith("walked "):
                seconds, count = json.loads(line.removeprefix("walked "))
                return seconds, count
        raise RuntimeError("gdb ended")

    def close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()
        self._process.wait()


def figures(folder: Path) -> list[Figure]:
    subprocess.run(["gcc", "-O2", "-g", "-o", "deep", str(SOURCE)], cwd=folder, check=True)
    orders = [word for line in DUMP for word in ("-ex", line)]
    quiet = subprocess.DEVNULL
    subprocess.run(
        ["gdb", "-q", "-nx", "-batch", *orders, "deep"], cwd=folder, check=True, stdout=quiet, stderr=quiet
    )
    core = LinuxCore(folder / "core")
    files = [(Path(path), start) for path, start in core.images().items() if Path(path).is_file()]
    modules = [Module.load(path, start) for path, start in files if path.read_bytes()[:4] == b"\x7fELF"]
    (registers,) = core.threads.values()
    gdb = Gdb(folder)
    walked = gdb.walk()[1]

    def ours(limit: int) -> float:
        start = time.perf_counter()
        frames, _ = unwind(modules, core, registers, limit=limit)
        spent = time.perf_counter() - start
        if frames[-1].level + 1 != walked:
            raise RuntimeError(f"{frames[-1].level + 1} frames, gdb has {walked}")
        return spent / walked * 1e9

    def theirs() -> float:
        return gdb.walk()[0] / walked * 1e9

    try:
        return [
            paired(what, "ns", lambda limit=limit: ours(limit), "gdb, frame.older()", theirs, budget=budget)
            for what, limit, budget in (
                (f"unwinding, a frame of {walked}", 128, "budget 0.1 x gdb"),
                ("the same with every frame's name and line", 1 << 20, ""),
            )
        ]
    finally:
        gdb.close()


def main() -> int:
    """Print the table."""
    if not shutil.which("gdb") or not shutil.which("gcc"):
        print("unwinding: gdb or gcc is not installed")
        return 0
    with tempfile.TemporaryDirectory(prefix="uniobs-bench-") as folder:
        for figure in figures(Path(folder)):
            print(figure.line(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
