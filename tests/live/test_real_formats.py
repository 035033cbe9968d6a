"""Real unikernels' cores in other formats: memory that isn't mapped one to one, a kernel that was moved. The
answers are those from QEMU's core. Skipped without $UNIOBS_GUESTS.
"""

import os
from contextlib import closing
from pathlib import Path

import pytest

from support.cli import uniobs
from support.corewriters import elf, snapshot, xen
from support.real_guests import VARIABLE
from tests.live.test_core_formats import FORMATS
from uniobs.cores import open_core

BASE = Path(os.environ.get(VARIABLE, "/nonexistent"))
GUESTS = {
    "unikraft-vmem-deadlock": ("unikraft-vmem/appobs_qemu-x86_64.dbg",),
    "unikraft-base-crash": ("unikraft-base/appobs_qemu-x86_64.dbg",),
    "nanos-deadlock": ("nanos/kernel.elf", "nanos/obsprog"),
    "osv-deadlock": ("osv/loader.elf",),
}
WRITERS = {
    "VirtualBox": elf.write_virtualbox,
    "Cloud Hypervisor": elf.write_cloud_hypervisor,
    "Xen HVM": xen.write,
    "Xen PV": FORMATS["Xen PV"][1],
}
pytestmark = [
    pytest.mark.skipif(not (BASE / "cores").is_dir(), reason=f"${VARIABLE} has no cores"),
    pytest.mark.live,
    pytest.mark.timeout(240),
]


PAIRS = [(format, name) for format in WRITERS for name in GUESTS if format != "Xen PV" or "vmem" in name]


@pytest.mark.parametrize(("format", "name"), PAIRS)
def test_stacks_and_verdict(format: str, name: str, tmp_path: Path) -> None:
    real = BASE / "cores" / f"{name}.core"
    images = [word for image in GUESTS[name] for word in ("--image", BASE / "images" / image)]
    if not real.is_file():
        pytest.skip(f"no {real.name}")
    core = open_core(str(real))
    with closing(core.memory):
        taken = snapshot(core)
    path = WRITERS[format](tmp_path / "core", taken)
    for question in ("ps", "bt", "why"):
        answers = [uniobs(question, "--json", *images, file, expect=(0, 1, 4)).rows for file in (real, path)]
        assert answers[0] == answers[1], question
    assert answers[0] or "run" in name
