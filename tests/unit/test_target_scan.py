"""Which region is the guest's, when there are several."""

import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from support.bare_guest import region_blob
from support.region_core import REGION, qemu_core
from uniobs.errors import BadFormat
from uniobs.image.elf import Elf
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


def linked(folder: Path, name: str) -> tuple[Path, bytes, int]:
    """(an image with the library's state in it, its build-id, the state's address)."""
    source = folder / f"{name}.c"
    source.write_text(f"long uniobs_state[8] = {{3}}; int {name}; void _start(void) {{ for (;;) ; }}\n")
    flags = ["-nostdlib", "-static", "-no-pie", "-Wl,--build-id", "-Wl,-Ttext=0x10000", "-Wl,-Tdata=0x20000"]
    path = folder / name
    subprocess.run(["gcc", *flags, "-o", str(path), str(source)], check=True, capture_output=True)
    elf = Elf(path)
    symbol = elf.symbols.find("uniobs_state")
    assert symbol is not None and elf.build_id is not None
    return path, bytes.fromhex(elf.build_id), symbol.address


@pytest.mark.parametrize("current", [REGION, OTHER])
def test_the_one_that_the_library_in_the_image_points_to(tmp_path: Path, current: int) -> None:
    image, ident, state = linked(tmp_path, "mine")
    header = {"image_id": ident, "image_id_len": len(ident), "anchor_wall_ns": 0}
    blobs = [(at, region_blob(at, **header)) for at in (REGION, OTHER)]
    words = (3).to_bytes(8, "little") + current.to_bytes(8, "little")
    path = tmp_path / "core"
    path.write_bytes(qemu_core(1 << 20, *blobs, (state, words)))
    for images, told in (([str(image)], True), ([], False), ([str(linked(tmp_path, "another")[0])], False)):
        with closing(open_target(str(path), images)) as target:
            if told:
                assert target.region is not None and target.region.address == current
            else:
                with pytest.raises(BadFormat, match="2 regions"):
                    _ = target.region


def test_a_library_that_points_nowhere_tells_nothing(tmp_path: Path) -> None:
    image, ident, state = linked(tmp_path, "mine")
    header = {"image_id": ident, "image_id_len": len(ident)}
    path = tmp_path / "core"
    for word in (0, REGION + 8, 1 << 63):
        path.write_bytes(
            qemu_core(1 << 20, (REGION, region_blob(REGION, **header)), (state, word.to_bytes(8, "little")))
        )
        with closing(open_target(str(path), [str(image)])) as target:
            assert target.region is not None and target.region.address == REGION
