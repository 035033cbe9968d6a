"""Reports on cores of unikernels that somebody built: text, JSON and page, for each kernel.

Needs the folder $UNIOBS_GUESTS: cores/KERNEL-SCENARIO.core, and images/ as the other tests of real guests.
"""

import os
from pathlib import Path
from typing import Any

import pytest

from support.cli import uniobs
from support.markup import checked
from uniobs.cli.report.build import KEYS

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

FOLDER = Path(os.environ.get("UNIOBS_GUESTS", "/nonexistent"))
IMAGES = {
    "unikraft-base": ["unikraft-base/appobs_qemu-x86_64.dbg"],
    "unikraft-vmem": ["unikraft-vmem/appobs_qemu-x86_64.dbg"],
    "unikraft-trace": ["unikraft-trace/appobs_qemu-x86_64.dbg"],
    "nanos": ["nanos/kernel.elf", "nanos/obsprog"],
    "osv": ["osv/loader.elf", "osv/obsprog"],
    "solo5-virtio": ["solo5/obs.virtio"],
    "hermit": ["hermit/obs"],
}


def show(guest: str, scenario: str, folder: Path, expect: int) -> dict[str, Any]:
    """The sections as JSON, once the page and the text of the same core were looked at."""
    core = FOLDER / "cores" / f"{guest}-{scenario}.core"
    images = [FOLDER / "images" / name for name in IMAGES[guest]]
    if not all(path.exists() for path in (core, *images)):
        pytest.skip(f"UNIOBS_GUESTS has no {guest}-{scenario}")
    words = [word for image in images for word in ("--image", image)]
    page = folder / "report.html"
    text = uniobs("core", "show", core, *words, expect=expect)
    for section in ("What happened", "The place", "Registers", "Stacks", "Last packets", "Images"):
        assert f"\n== {section}" in text.out, text.describe()
    uniobs("core", "show", core, *words, "-o", page, expect=expect)
    found = checked(page.read_text("utf-8"))
    assert [one for one in found.ids if not one.startswith("arrow")] == ["report", *KEYS]
    sections = uniobs("core", "show", core, *words, "--json", expect=expect).json["sections"]
    assert isinstance(sections, dict)
    return sections


@pytest.mark.parametrize("guest", ["unikraft-base", "unikraft-vmem", "nanos", "osv", "solo5-virtio"])
def test_a_null_pointer(guest: str, tmp_path: Path) -> None:
    found = show(guest, "crash", tmp_path, 1)
    cause = found["cause"]["data"]
    assert cause["sentence"] == "page fault: write to 0x0, not mapped: a null pointer"
    assert cause["page"]["mapped"] is False and cause["page"]["entry"] == 0
    place = found["place"]["data"]
    assert place["place"].startswith("deref (")
    marked = [row for row in place["code"]["rows"] if row["marked"]]
    assert [(row["where"], row["text"]) for row in marked] == [("deref", "mov dword ptr [rdi], esi")]
    crashed = found["stacks"]["data"]["groups"][0]
    assert crashed["threads"][0]["crashed"]
    assert [frame["function"] for frame in crashed["frames"]][:2] == ["deref", "crash_here"]
    rip = found["registers"]["data"]["sets"][0]["rows"][0]
    assert rip["name"] == "rip" and rip["what"].startswith("deref (")


@pytest.mark.parametrize("guest", ["unikraft-base", "unikraft-trace", "nanos", "osv"])
def test_a_deadlock(guest: str, tmp_path: Path) -> None:
    found = show(guest, "deadlock", tmp_path, 1)
    waits = [edge for edge in found["locks"]["data"]["waits"] if edge["cycle"] == 0]
    assert {(edge["thread"], edge["what"], edge["owner_name"]) for edge in waits} == {
        ("worker-a", "lock_b", "worker-b"),
        ("worker-b", "lock_a", "worker-a"),
    }
    assert found["place"]["data"]["place"].startswith("take_both (")
    groups = found["stacks"]["data"]["groups"]
    assert [group["told"] for group in groups[:3]] == [True, True, False]
    assert found["cause"]["state"] in ("empty", "not-offered")


def test_a_kernel_that_nobody_knows(tmp_path: Path) -> None:
    found = show("hermit", "crash", tmp_path, 4)
    assert found["stacks"]["data"]["groups"][0]["threads"][0]["words"] == "vCPU 0"
    assert found["threads"]["state"] == found["locks"]["state"] == "not-offered"
