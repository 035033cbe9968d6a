"""Fixed cores of real unikernels: stock gdb's frames are uniobs' frames; drgn opens them with every thread.

Needs the folder $UNIOBS_GUESTS: cores/KERNEL-SCENARIO.core, and images/ as the other tests of real guests.
"""

import os
from pathlib import Path

import pytest

from tests.support import build
from tests.support.gdbcore import compare

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
