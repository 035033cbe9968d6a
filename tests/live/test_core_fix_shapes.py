"""Fixed cores of kernels shaped as others document theirs: stock gdb's frames are uniobs' frames."""

from pathlib import Path

import pytest

from support.unikraft_shapes import booted, needs_qemu
from tests.support import build
from tests.support.cli import uniobs
from tests.support.gdbcore import compare, gdb
from uniobs.cli import debuggers
from uniobs.export import gdbcore_file
from uniobs.target import open_target

pytestmark = [needs_qemu, pytest.mark.live, pytest.mark.timeout(120)]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("scenario", ["deadlock", "crash", "assert", "run"])
def test_unikrafts_shape(scenario: str, tmp_path: Path) -> None:
    build.need("gdb", "llvm-symbolizer", "readelf")
    with booted(scenario, tmp_path) as guest:
        core = guest.core()
        image = guest.image.with_name(guest.image.name + ".dbg")
        compared = compare(core, [image], tmp_path / "fixed.core")
        assert compared.wrong == []
        assert compared.stacks == 5 and not compared.left_out
        target = open_target(str(core), images=[str(image)])
        try:
            gdbcore_file.fix_copy(target, str(tmp_path / "copy"))
            words = debuggers.gdb(str(tmp_path / "copy"), target.modules)
            names = {row.tid: row.name for row in target.walker("threads").threads()}
            address, size = target.modules[0].symbol("lock_a")[:2]
            held = target.space.read(address, 16)
        finally:
            target.close()
        told = gdb(words, printing=["lock_a", "&lock_a"], memory=[(address, 16)])
        assert {thread["id"] for thread in told["threads"]} == names.keys()
        assert bytes.fromhex(told["memory"][address]) == held
        assert "lock_a" in told["printed"]["&lock_a"]
        assert size and not told["printed"]["lock_a"].startswith("error")


def test_the_file_that_has_the_debug_information_is_offered(tmp_path: Path) -> None:
    """Of a stripped boot file, beside which a whole one lies."""
    build.need("gdb")
    with booted("deadlock", tmp_path) as guest:
        core, copy = guest.core(), tmp_path / "copy"
        told = uniobs("core", "fix", core, "-o", copy, "--image", guest.image).out
        whole = guest.image.with_name(guest.image.name + ".dbg")
        assert f"Next:  gdb {whole} {copy}\n" in told
        shown = gdb([str(whole), str(copy)])
        assert "core file may not match" not in shown["said"]
        functions = {frame["function"] for thread in shown["threads"] for frame in thread["frames"]}
        assert {"take_both", "worker_a", "worker_b"} <= functions
