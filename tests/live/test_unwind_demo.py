"""The reference guest single-stepped through its interrupt entry and thread switch: gdb's stack each time."""

import json
import os
import random
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.support import build, symbolizers
from tests.support.bare_guest import needs_qemu
from tests.support.qemu import booted, demo_elf
from uniobs.image.module import Module

pytestmark = [pytest.mark.live, pytest.mark.timeout(120), needs_qemu]
ROOT = Path(__file__).resolve().parents[2]
PLACES = [("interrupt_common", 45, 2), ("switch_threads", 60, 3), ("schedule", 40, 2)]


def test_every_step_has_gdbs_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build.need("gdb")
    image = tmp_path / "demo.elf"  # a copy: nobody rebuilds it meanwhile
    shutil.copy(demo_elf(), image)
    monkeypatch.setenv("UNIOBS_DEMO_ELF", str(image))
    with tempfile.TemporaryDirectory(prefix="uniobs-") as folder:
        socket, answer = Path(folder) / "gdb", Path(folder) / "answer"
        extra = ("-chardev", f"socket,path={socket},server=on,wait=off,id=gdb0", "-gdb", "chardev:gdb0")
        with booted("microvm", extra=extra) as guest:
            guest.wait_console("listening on port 80")
            orders: dict[str, object] = {"root": str(ROOT), "socket": str(socket), "elf": str(image)}
            orders |= {"answer": str(answer), "places": PLACES}
            script = ROOT / "tests" / "support" / "gdbsteps.py"
            done = subprocess.run(
                ["gdb", "-q", "-nx", "-batch", "-x", str(script), str(image)],
                env=os.environ | {"UNIOBS_STEPS": json.dumps(orders)},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=100,
                check=False,
            )
        assert answer.exists(), done.stdout + done.stderr
        seen = json.loads(answer.read_text())
    assert seen["proven"]
    assert seen["wrong"][:1] == []
    assert seen["notes"] == []
    assert seen["count"] == sum(steps * rounds for _, steps, rounds in PLACES)
    assert {"interrupt_common", "interrupt", "switch_threads", "schedule"} <= seen["functions"].keys()


def test_addresses_of_the_guest_are_llvms() -> None:
    """Function, file, line and inlining of thousands of addresses of the guest's image."""
    build.need("llvm-symbolizer")
    module = Module.load(demo_elf())
    rng = random.Random(11)
    functions = [f for f in module.elf.symbols.functions() if f[1]]
    addresses = [rng.randrange(start, start + size) for start, size, _ in rng.choices(functions, k=4000)]
    theirs = symbolizers.llvm(demo_elf(), addresses)
    wrong = []
    for address, expected in zip(addresses, theirs, strict=True):
        frames = [
            (f.function, os.path.normpath(f.file) if f.file else None, f.line)
            for f in module.symbolise(address)
        ]
        if frames != [((row[0] or "").split(".")[0], *row[1:]) for row in expected]:  # without .cold, .part.0
            wrong.append((hex(address), frames, expected))
    assert not wrong
    assert not module.notes
