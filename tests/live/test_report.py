"""The report on real guests: its words as golden text, its page, and a guest that runs.

``UNIOBS_GOLDEN=write`` writes the texts anew: read the difference then.
"""

import os
import re
import time
from pathlib import Path

import pytest

from support.cli import uniobs
from support.markup import checked
from support.qemu import ROOT, booted, demo_elf
from support.source import line_of

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]

GOLDEN = Path(__file__).parents[1] / "golden" / "text"


def sections(text: str) -> dict[str, str]:
    """Title -> what the report says below it."""
    parts = re.split(r"^== ", text, flags=re.MULTILINE)[1:]
    return {part.partition("\n")[0].partition(":")[0]: part for part in parts}


def normal(text: str) -> str:
    """Without addresses, times, and where this checkout lies."""
    text = text.replace(str(ROOT), "ROOT")
    text = re.sub(r"^(  (?:->|  ) )[0-9a-f]{5,16}(?=  )", r"\1ADDRESS", text, flags=re.MULTILINE)
    text = re.sub(r"0x[0-9a-f]{4,}", "0xN", text)
    return re.sub(r"\b\d+(\.\d+)?(ms|s)\b", "TIME", text)


def core_of(kind: str, until: str, directory: Path) -> Path:
    core = directory / "guest.core"
    with booted(append=f"break={kind} break_after_ms=300", memory=32) as guest:
        guest.wait_console(until, 90)
        deadline = time.monotonic() + 60
        while kind == "deadlock" and uniobs("why", guest.pid, expect=None).code != 1:
            assert time.monotonic() < deadline, "why never said it"
        uniobs("core", "take", guest.pid, "-o", core)
    return core


def golden(name: str, said: str) -> None:
    path = GOLDEN / f"report-{name}.txt"
    if os.environ.get("UNIOBS_GOLDEN") == "write":
        path.write_text(said, encoding="utf-8")
    assert said == path.read_text("utf-8")


def test_null(tmp_path: Path) -> None:
    core = core_of("null", "@dump end\n", tmp_path)
    page = tmp_path / "report.html"
    ran = uniobs("core", "show", core, "--image", demo_elf(), expect=1)
    found = sections(ran.out)
    crashed = found["Stacks"].partition("\n\n")[0]
    golden("null", normal(found["What happened"] + found["The place"] + crashed + "\n"))
    assert re.search(r"^  rdi +0000000000000000$", found["Registers"], re.MULTILINE)
    assert re.search(r"^  rsp +[0-9a-f]{16}  stack of breaker, ", found["Registers"], re.MULTILINE)
    assert "break: null" in found["Last log lines"] and "0 events" not in ran.out
    uniobs("core", core, "--image", demo_elf(), "-o", page, expect=1)
    shown = checked(page.read_text("utf-8"))
    assert line_of("poke", "the faulting line") in shown.text
    assert "*p = 42; /* the faulting line */" in shown.text
    assert "mov dword ptr [rdi], 0x2a" in shown.text


def test_deadlock(tmp_path: Path) -> None:
    core = core_of("deadlock", "break: deadlock", tmp_path)
    ran = uniobs("core", "show", core, "--image", demo_elf(), expect=None)
    found = sections(ran.out)
    assert ran.code == 1, ran.describe()
    stacks = "\n\n".join(found["Stacks"].split("\n\n")[:2])
    circle = found["Locks"].partition("  A circle")
    text = found["What happened"] + found["The place"] + stacks + "\n\n" + circle[1] + circle[2]
    golden("deadlock", normal(text))
    answer = uniobs("core", "show", core, "--image", demo_elf(), "--json", expect=1).json
    waits = answer["sections"]["locks"]["data"]["waits"]
    assert {(edge["thread"], edge["what"], edge["owner_name"], edge["cycle"]) for edge in waits} >= {
        ("transfer-a", "ledger", "transfer-b", 0),
        ("transfer-b", "accounts", "transfer-a", 0),
    }


def test_a_guest_that_runs() -> None:
    with booted() as guest:
        guest.wait_ready()
        ran = uniobs("core", "show", guest.pid, "--image", demo_elf())
        found = sections(ran.out)
        assert "the guest ran while it was read" in ran.out
        assert found["What happened"].startswith("What happened: nothing panicked")
        assert "virtio-net" in found["Devices"], found["Devices"]
        assert "accept 0.0.0.0:80" in found["Stacks"]


def test_source_elsewhere(tmp_path: Path) -> None:
    """A prefix of the compiler's names stands for a folder of this machine."""
    core = core_of("null", "@dump end\n", tmp_path)
    copy = tmp_path / "elsewhere" / "kernel"
    copy.mkdir(parents=True)
    source = (ROOT / "guest-stubs" / "demo" / "kernel" / "breakage.c").read_text("utf-8")
    (copy / "breakage.c").write_text(source.replace("*p = 42;", "*p = 43;"))
    mapping = f"{tmp_path}/elsewhere={ROOT}/guest-stubs/demo"
    ran = uniobs("core", "show", core, "--image", demo_elf(), "--source-dir", mapping, expect=1)
    place = sections(ran.out)["The place"]
    assert "*p = 43;" in place and "after the image was built" in " ".join(place.split()), place
