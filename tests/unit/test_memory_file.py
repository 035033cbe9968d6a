"""Files as memory: holes stay holes, what was cut off is unknown."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from uniobs.errors import BadFormat, NoSuchTarget, UnknownMemory
from uniobs.memory.base import Range
from uniobs.memory.blocks import Block
from uniobs.memory.file import FileMemory, data_extents, open_file

MIB = 1 << 20


@pytest.fixture
def sparse() -> Iterator[Path]:
    """64 MiB of shared memory, as a VMM's backend: two pages written."""
    path = Path(f"/dev/shm/uniobs-test-{os.getpid()}.ram")
    with path.open("wb") as file:
        file.truncate(64 * MIB)
        os.pwrite(file.fileno(), b"a" * 4096, 8 * MIB)
        os.pwrite(file.fileno(), b"b" * 4096, 40 * MIB)
    yield path
    path.unlink()


def test_reading_fills_no_hole(sparse: Path) -> None:
    memory = FileMemory(open_file(sparse), [Block(0, 64 * MIB, 0)])
    before = sparse.stat().st_blocks
    assert memory.read(0, 16 * MIB).count(b"\0") == 16 * MIB - 4096
    assert memory.read(40 * MIB - 1, 3) == b"\0bb"
    assert sum(part.size for part in memory.ranges()) == 2 * 4096
    assert sparse.stat().st_blocks == before
    memory.close()
    memory.close()


def test_ranges_are_where_the_guest_sees_them(sparse: Path) -> None:
    blocks = [Block(0, 32 * MIB, 0), Block(4 << 30, 32 * MIB, 32 * MIB)]
    memory = FileMemory(open_file(sparse), blocks)
    assert memory.ranges() == [Range(8 * MIB, 4096), Range((4 << 30) + 8 * MIB, 4096)]
    assert memory.read((4 << 30) + 8 * MIB, 2) == b"bb"
    for address, size in ((32 * MIB, 1), (32 * MIB - 1, 2), ((4 << 30) - 1, 2), (-1, 1), (0, 1 << 40)):
        with pytest.raises(UnknownMemory):
            memory.read(address, size)
    memory.close()


def test_a_file_that_gets_shorter(tmp_path: Path) -> None:
    path = tmp_path / "ram"
    path.write_bytes(b"x" * 8192)
    memory = FileMemory(open_file(path), [Block(0, 8192, 0)])
    assert memory.read(8190, 2) == b"xx"
    os.truncate(path, 5000)
    assert memory.read(4998, 2) == b"xx"
    with pytest.raises(UnknownMemory, match="beyond the end"):
        memory.read(4999, 2)
    memory.close()


def test_overlapping_blocks_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "ram"
    path.write_bytes(b"x" * 100)
    fd = open_file(path)
    with pytest.raises(BadFormat, match="overlap at 0x20"):
        FileMemory(fd, [Block(0, 0x21, 0), Block(0x20, 5, 40)])
    os.close(fd)


def test_more_extents_than_are_listed(tmp_path: Path) -> None:
    path = Path(f"/dev/shm/uniobs-test-{os.getpid()}.many")
    try:
        with path.open("wb") as file:
            for page in range(0, 100, 2):
                os.pwrite(file.fileno(), b"x" * 4096, page * 4096)
        fd = open_file(path)
        assert len(data_extents(fd, 0, 400 * 1024, 1000)) == 50
        few = data_extents(fd, 0, 100 * 4096, 10)
        assert len(few) == 11
        assert few[-1][0] + few[-1][1] == 100 * 4096
        os.close(fd)
    finally:
        path.unlink()


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(NoSuchTarget, match="no such file"):
        open_file(tmp_path / "none")
    with pytest.raises(NoSuchTarget):
        open_file("/proc/self/status/x")
