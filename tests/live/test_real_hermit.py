"""A Hermit guest, unmodified: its image is found where its loader put it, and its vCPU's stack is shown.

Runs when UNIOBS_GUESTS names a folder with images/hermit/obs and cores/hermit-*.core.
"""

import os
from pathlib import Path

import pytest

from support.cli import uniobs

GUESTS = Path(os.environ.get("UNIOBS_GUESTS", "/nonexistent"))
IMAGE = GUESTS / "images" / "hermit" / "obs"
pytestmark = [
    pytest.mark.live,
    pytest.mark.timeout(120),
    pytest.mark.skipif(not IMAGE.exists(), reason="needs images/hermit in the folder $UNIOBS_GUESTS"),
]


@pytest.mark.parametrize(
    ("scenario", "function"),
    [("run", "enable_and_wait"), ("deadlock", "enable_and_wait"), ("spin", "spin_here")],
)
def test_the_vcpus_stack(scenario: str, function: str) -> None:
    core = GUESTS / "cores" / f"hermit-{scenario}.core"
    ran = uniobs("bt", core, "--image", IMAGE, expect=(4,))
    assert ran.out.splitlines()[0] == "vCPU 0"
    assert function in ran.out
    assert "isn't a kernel whose threads are known" in ran.err
