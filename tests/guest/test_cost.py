"""What the library costs, in bytes and instructions, stays within its budget and near what was recorded."""

from __future__ import annotations

import shutil

import pytest

from tests.guest.measure import code_and_rodata, instructions, recorded

GROWTH = 1.10


def test_size_minimal() -> None:
    size = code_and_rodata(["-DUNIOBS_MINIMAL=1"])
    assert size <= 4096
    assert size <= recorded()["size"]["minimal"] * GROWTH


def test_size_everything() -> None:
    size = code_and_rodata([])
    assert size <= 16384
    assert size <= recorded()["size"]["everything"] * GROWTH


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")
@pytest.mark.parametrize("mode", ["emit2", "emit8", "disabled", "gated", "count", "log40"])
def test_instructions(mode: str) -> None:
    assert instructions(mode) <= recorded()["instructions"][mode] * GROWTH
