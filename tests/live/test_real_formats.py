"""Cores of unmodified unikernels, written again in other formats: every answer is that of QEMU's core.

Skipped without $UNIOBS_GUESTS.
"""

import os
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from support.cli import uniobs
from support.corewriters import snapshot
from support.corewriters.every import WRITERS
from uniobs.cores import open_core

GUESTS = Path(os.environ.get("UNIOBS_GUESTS", "/nonexistent"))
IMAGES = {
    "unikraft-base-deadlock": "unikraft-base/appobs_qemu-x86_64.dbg",
    "nanos-crash": "nanos/kernel.elf",
    "osv-crash": "osv/loader.elf",
    "hermit-crash": "hermit/obs",
}
FORMATS = ("kdump-zlib-flat", "kdump-snappy", "cloud-hypervisor", "firecracker-memory", "vmware-inside")
LOW = 0xC0000000

pytestmark = [
    pytest.mark.skipif(not GUESTS.is_dir(), reason="needs $UNIOBS_GUESTS"),
    pytest.mark.live,
    pytest.mark.timeout(180),
]


def answers(core: Path, name: str) -> list[tuple[str, int, Any]]:
    image = ("--image", GUESTS / "images" / IMAGES[name])
    out: list[tuple[str, int, Any]] = []
    for command in ("ps", "bt", "why"):
        ran = uniobs(command, "--json", *image, core, expect=(0, 1, 4, 5))
        out.append((command, ran.code, ran.json.get("rows") if ran.out else None))
    return out


@pytest.mark.parametrize("name", IMAGES)
def test_the_same_in_other_formats(name: str, tmp_path: Path) -> None:
    real = GUESTS / "cores" / f"{name}.core"
    if not real.exists():
        pytest.skip(f"needs {real.name}")
    wanted = answers(real, name)
    assert any(rows for _, _, rows in wanted)
    core = open_core(str(real))
    with closing(core.memory):
        taken = snapshot(core)
    blocks = tuple(block for block in taken.blocks if block.end <= LOW)
    taken = taken._replace(blocks=blocks, contents=tuple(one for one in taken.contents if one[0] < LOW))
    for kind in FORMATS:
        (tmp_path / kind).mkdir()
        path = WRITERS[kind](tmp_path / kind / "core", taken)
        for mine, other in zip(answers(path, name), wanted, strict=True):
            assert mine == other, kind
