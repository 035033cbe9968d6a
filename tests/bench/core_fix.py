"""Making a 1 GiB core readable for gdb: in place, as a copy, and what gdb then takes for all stacks."""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import boot
from tests.bench.measure import Figure, cost, paired, single
from uniobs.export import gdbcore_file
from uniobs.target import open_target

UNIOBS = str(Path(sys.executable).parent / "uniobs")
DRGN = Path(sys.executable).parent / "drgn"


def main() -> int:
    """Print the table."""
    for figure in figures():
        print(figure.line(), flush=True)
    return 0


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="uniobs-bench-") as directory:
        core, copy = Path(directory) / "pay.core", Path(directory) / "pay.gdb.core"
        with boot.boot(boot.Machine(memory=1024, name="bench-pay")) as guest:
            boot.traffic(guest)
            guest.qmp("stop")
            guest.qmp("dump-guest-memory", paging=False, protocol=f"file:{core}")
        yield single("core fix --in-place, 1 GiB, two fsyncs", "ms", append(core, 1), budget="budget 5 ms")
        yield single("  without what the disk takes", "ms", append(core, 0))
        image = ("--image", str(boot.ELF))
        fix = (UNIOBS, "core", "fix", str(core), "-f", "-o", str(copy), *image)
        yield paired(
            "uniobs core fix -o, 1 GiB", "ms", lambda: cost(fix).wall, "cp",
            lambda: cost(("cp", str(core), f"{copy}.cp")).wall, rounds=3,
        )  # fmt: skip
        bt = (UNIOBS, "bt", str(core), *image)
        gdb = ("gdb", "-nx", "-q", "-batch", "-ex", "thread apply all bt", str(boot.ELF), str(copy))
        yield paired(
            "uniobs bt, every stack of a 1 GiB core", "ms", lambda: cost(bt, (0, 4)).wall,
            "gdb, on the fixed core", lambda: cost(gdb).wall,
        )  # fmt: skip
        if DRGN.exists():
            script = Path(directory) / "stacks.py"
            script.write_text("for thread in prog.threads():\n    print(prog.stack_trace(thread.tid))\n")
            drgn = (str(DRGN), "-q", "-c", str(copy), str(script))
            theirs = "drgn, on the fixed core"
            yield paired("the same", "ms", lambda: cost(bt, (0, 4)).wall, theirs, lambda: cost(drgn).wall)


def append(core: Path, disk: int) -> Callable[[], float]:
    """Milliseconds from the opened target, its images known, to the core that is fixed."""
    real = os.fdatasync
    waited = 0.0

    def fsync(fd: int) -> None:
        nonlocal waited
        start = time.perf_counter()
        real(fd)
        waited += time.perf_counter() - start

    def once() -> float:
        nonlocal waited
        os.fdatasync = fsync
        target = open_target(str(core), images=[str(boot.ELF)])
        try:
            assert target.modules
            waited = 0.0
            start = time.perf_counter()
            done = gdbcore_file.fix_in_place(target)
            spent = time.perf_counter() - start - (0 if disk else waited)
        finally:
            os.fdatasync = real
            target.close()
        if done is None:
            raise RuntimeError(f"{core}: fixed already")
        gdbcore_file.undo(str(core))
        return spent * 1e3

    return once
