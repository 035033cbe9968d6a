"""What looking costs the host: finding the region in 1 GiB, `uniobs ps`."""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import boot
from tests.bench.measure import Cost, Figure, cost, paired, single
from uniobs.region._abi import MAGIC
from uniobs.target import open_target, scan

UNIOBS = str(Path(sys.executable).parent / "uniobs")
BARE = (sys.executable, "-c", "pass")


def main() -> int:
    """Print the table."""
    for figure in figures():
        print(figure.line(), flush=True)
    return 0


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="uniobs-bench-") as directory:
        core = Path(directory) / "kv.core"
        with boot.boot(boot.Machine(memory=1024, name="bench-kv")) as guest:
            boot.traffic(guest)
            yield find_in_process(guest.pid)
            yield from ps(guest)
            guest.qmp("stop")
            guest.qmp("dump-guest-memory", paging=False, protocol=f"file:{core}")
        yield find_in_file(core)


def seek(spec: str) -> Callable[[], float]:
    """Milliseconds to find the region, the target being open."""

    def once() -> float:
        target = open_target(spec)
        try:
            start = time.perf_counter()
            found = scan.find_region(target.memory)
            spent = time.perf_counter() - start
        finally:
            target.close()
        if found is None:
            raise RuntimeError(f"{spec}: no region")
        return spent * 1e3

    return once


def find_in_process(pid: int) -> Figure:
    return single("find the region, running 1 GiB guest", "ms", seek(str(pid)), budget="budget 50 ms")


def find_in_file(core: Path) -> Figure:
    """The peer looks for the same bytes, but for the line feed that ends them."""
    grep = ("env", "LC_ALL=C", "grep", "-c", "-a", "-F", os.fsdecode(MAGIC[:-1]), str(core))
    return paired(
        "find the region, 1 GiB core",
        "ms",
        seek(str(core)),
        "grep -F",
        lambda: cost(grep).wall,
        rounds=5,
        budget="budget 50 ms",
    )


def ps(guest: boot.Guest) -> Iterator[Figure]:
    ours = (UNIOBS, "ps", str(guest.pid))
    for what, pick in (("wall", wall), ("CPU", cpu)):
        yield paired(f"uniobs ps, {what}", "ms", pick(ours), "python3 -c pass", pick(BARE))
    yield paired("uniobs ps, wall", "ms", wall(ours), "ps -efL (procps)", wall(("ps", "-efL")))


def wall(command: tuple[str, ...], right: tuple[int, ...] = (0,)) -> Callable[[], float]:
    return lambda: measured(command, right).wall


def cpu(command: tuple[str, ...], right: tuple[int, ...] = (0,)) -> Callable[[], float]:
    return lambda: measured(command, right).cpu


def measured(command: tuple[str, ...], right: tuple[int, ...]) -> Cost:
    return cost(command, right)
