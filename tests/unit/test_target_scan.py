"""Which region is the guest's, when there are several."""

from contextlib import closing
from pathlib import Path

import pytest

from support.bare_guest import region_blob
from support.region_core import REGION, qemu_core
from uniobs.errors import BadFormat
from uniobs.target import open_target, scan

OTHER = 0x80000
STACK = (0x100, 0x200)  # where the core's vCPU stands


def found(path: Path) -> int | None:
    with closing(open_target(str(path))) as target:
        return None if target.region is None else target.region.address


@pytest.mark.parametrize("current", [REGION, OTHER])
def test_the_one_that_the_vcpu_stands_on(tmp_path: Path, current: int) -> None:
    blobs = [(at, region_blob(at, stack=STACK if at == current else (0, 0))) for at in (REGION, OTHER)]
    path = tmp_path / "core"
    path.write_bytes(qemu_core(1 << 20, *blobs))
    assert found(path) == current


def test_the_latest_boot(tmp_path: Path) -> None:
    blobs = [(REGION, region_blob(REGION, anchor_wall_ns=5)), (OTHER, region_blob(OTHER, anchor_wall_ns=9))]
    path = tmp_path / "core"
    path.write_bytes(qemu_core(1 << 20, *blobs))
    assert found(path) == OTHER


def test_none_that_can_be_told(tmp_path: Path) -> None:
    path = tmp_path / "core"
    path.write_bytes(qemu_core(1 << 20, (OTHER, region_blob(OTHER))))
    with pytest.raises(BadFormat, match="2 regions"):
        found(path)


def test_a_copy_and_a_magic_alone_are_not_it(tmp_path: Path) -> None:
    copy = region_blob(REGION)
    path = tmp_path / "core"
    path.write_bytes(qemu_core(1 << 20, (OTHER, copy), (0x90000, copy[:16]), (0xA0800, copy)))
    assert found(path) == REGION


@pytest.mark.parametrize("parallel", [1 << 18, 1 << 19, 1 << 30])
def test_by_any_number_of_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parallel: int) -> None:
    monkeypatch.setattr(scan, "PARALLEL", parallel)
    path = tmp_path / "core"
    for at in (0x1000, 0x7F000, 0x80000, 0x3FF000, 0x7FE000):
        path.write_bytes(qemu_core(8 << 20, (REGION, bytes(8192)), (at, region_blob(at))))
        assert found(path) == at
