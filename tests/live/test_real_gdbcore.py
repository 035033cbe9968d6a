"""Fixed cores of real unikernels: stock gdb's frames are uniobs' frames; drgn opens them with every thread.

Needs the folder $UNIOBS_GUESTS: cores/KERNEL-SCENARIO.core, and images/ as the other tests of real guests.
"""

import os
from pathlib import Path

import pytest

from tests.support import build
from tests.support.cli import uniobs
from tests.support.drgncore import drgn
from tests.support.gdbcore import compare, gdb, plain
from uniobs.cli import debuggers
from uniobs.target import open_target

FOLDER = Path(os.environ.get("UNIOBS_GUESTS", "/nonexistent"))
pytestmark = [
    pytest.mark.live,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not (FOLDER / "cores").is_dir(), reason="needs cores in the folder $UNIOBS_GUESTS"),
]

# cores -> images, and how many stacks there are at least
KERNELS = {
    "unikraft-base": (["unikraft-base/*.dbg"], 40),
    "unikraft-vmem": (["unikraft-vmem/*.dbg"], 20),
    "unikraft-trace": (["unikraft-trace/*.dbg"], 20),
    "unikraft-v016": (["unikraft-v016/*.dbg"], 7),
    "nanos": (["nanos/kernel.elf", "nanos/obsprog"], 24),
    "osv": (["osv/loader.elf", "osv/obsprog"], 160),
}


def cores(kernel: str) -> list[Path]:
    found = (FOLDER / "cores").glob(f"{kernel}-*.core")
    return sorted(one for one in found if not one.stem.endswith(("-pie", "-stripped")))


def images(kernel: str) -> list[Path]:
    return [one for pattern in KERNELS[kernel][0] for one in sorted((FOLDER / "images").glob(pattern))]


@pytest.mark.parametrize("kernel", KERNELS)
def test_frames_are_gdbs(kernel: str, tmp_path: Path) -> None:
    build.need("gdb", "llvm-symbolizer", "readelf")
    if not cores(kernel):
        pytest.skip(f"no cores of {kernel}")
    stacks, wrong = 0, []
    for core in cores(kernel):
        compared = compare(core, images(kernel), tmp_path / "fixed.core")
        stacks += compared.stacks
        wrong += compared.wrong
    assert not wrong, "\n".join(wrong[:20])
    assert stacks >= KERNELS[kernel][1]


VALUES = {
    "unikraft-vmem": ("int(prog['ticks'])", "ticks"),
    "nanos": ("int(prog['ticks'])", "ticks"),
    "osv": ("prog['sched::thread_map'].type_.kind.name", None),
}


@pytest.mark.parametrize("kernel", VALUES)
def test_drgn_and_gdb_open_it_with_every_thread(kernel: str, tmp_path: Path) -> None:
    """By the command lines that are offered: a kernel that was slid, a program on it, page tables."""
    build.need("gdb")
    pytest.importorskip("drgn")
    core, copy = FOLDER / "cores" / f"{kernel}-crash.core", tmp_path / "fixed.core"
    if not core.is_file():
        pytest.skip(f"no {core.name}")
    named = [word for image in images(kernel) for word in ("--image", image)]
    row = uniobs("core", "fix", core, "-o", copy, "--json", *named).rows[0]
    ids = {thread["id"] for thread in row["threads"]}
    target = open_target(str(core), images=[str(image) for image in images(kernel)])
    try:
        assert ids == {row.tid for row in target.walker("threads").threads() if row.state != "exited"}
        words = debuggers.gdb(str(copy), target.modules)
        expression, variable = VALUES[kernel]
        held = None
        if variable is not None:
            address = next(found[0] for m in target.modules if (found := m.symbol(variable)))
            held = int.from_bytes(target.space.read(address, 8), "little")
    finally:
        target.close()
    told = gdb(words, printing=[variable] if variable else [])
    assert {thread["id"] for thread in told["threads"]} == ids
    other = drgn(copy, tmp_path, [expression])
    assert {thread["id"] for thread in other["threads"]} == ids
    if held is not None:
        assert int(told["printed"][variable].split()[0]) == other["values"][expression] == held
    frames = {thread["id"]: thread["frames"] for thread in told["threads"]}
    named_frames = 0
    for thread in other["threads"]:
        assert thread["frames"][0]["pc"] == frames[thread["id"]][0]["pc"]
        named_frames += sum(plain(frame["function"]) is not None for frame in thread["frames"])
    assert named_frames >= 2 * len(ids)
    assert plain(other["threads"][0]["frames"][0]["function"]) is not None
