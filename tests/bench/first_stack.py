"""From nothing to the first symbolised stack of a dead guest's 1 GiB core, beside gdb on it (fixed for it).

Python's own start is measured in the same run and taken off where the budget says so.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import boot
from tests.bench.measure import Figure, cost, paired

UNIOBS = str(Path(sys.executable).parent / "uniobs")
BARE = (sys.executable, "-c", "pass")
# What a script does: the thread that crashed, its frames by name and line.
SCRIPT = """
import sys
from uniobs.target import open_target
target = open_target(sys.argv[1], [sys.argv[2]])
crashed = target.walker("panic").panic().tid
thread = next(row for row in target.walker("threads").threads() if row.tid == crashed)
stack = target.stack(thread)
assert stack.frames[1].function == "deref" and stack.frames[-1].line, stack
"""


def main() -> int:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="uniobs-bench-") as folder:
        for figure in figures(Path(folder)):
            print(figure.line(), flush=True)
    return 0


def crashed_core(folder: Path) -> Path:
    core = folder / "kv.core"
    with boot.boot(boot.Machine(memory=1024, name="bench-kv")) as guest:
        boot.traffic(guest)
        guest.poke("/break/null")
        guest.wait_console("@dump end")
        guest.qmp("stop")
        guest.qmp("dump-guest-memory", paging=False, protocol=f"file:{core}")
    core.chmod(0o600)
    time.sleep(1)  # the host writes a GiB
    return core


def figures(folder: Path) -> Iterator[Figure]:
    core, image = crashed_core(folder), str(boot.ELF)
    (folder / "first.py").write_text(SCRIPT)
    script = (sys.executable, str(folder / "first.py"), str(core), image)
    one = (UNIOBS, "bt", "--image", image, str(core), "-t", crashed_tid(core, image))
    every = (UNIOBS, "bt", "--image", image, str(core))
    for command in (script, one, every):  # whatever is kept of an image is kept now
        cost(command, (0, 4))
    subprocess.run(
        (UNIOBS, "core", "fix", "--in-place", "--image", image, str(core)),
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    gdb = ("gdb", "-nx", "-q", "-batch", "-ex", "bt", image, str(core))
    for kind in ("wall", "cpu"):
        yield above("first stack of a 1 GiB core", script, kind, "budget 25 ms")
        yield above("the same by uniobs bt -t TID", one, kind)
    for what, command in (("first stack", script), ("uniobs bt -t TID", one), ("every stack", every)):
        yield paired(
            f"{what}, in all", "ms", wall(command), "gdb bt, fixed core", wall(gdb), 15, "faster than gdb"
        )


def crashed_tid(core: Path, image: str) -> str:
    from uniobs.target import open_target

    target = open_target(str(core), [image])
    try:
        panic = target.walker("panic").panic()
        assert panic is not None and panic.tid is not None
        return str(panic.tid)
    finally:
        target.close()


def above(what: str, command: tuple[str, ...], kind: str, budget: str = "") -> Figure:
    """Milliseconds, on the wall or of CPU, over those of a Python that does nothing, each pair in turn."""
    pairs = [(getattr(cost(command, (0, 4)), kind), getattr(cost(BARE), kind)) for _ in range(16)][1:]
    bare = statistics.median(theirs for _, theirs in pairs)
    over = statistics.median(ours - theirs for ours, theirs in pairs)
    return Figure(f"{what}, {kind}", over, "ms", f"above python3 -c pass, {bare:.3g} ms", budget=budget)


def wall(command: tuple[str, ...]) -> Callable[[], float]:
    return lambda: cost(command, (0, 4)).wall


if __name__ == "__main__":
    sys.exit(main())
