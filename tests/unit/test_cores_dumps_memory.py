"""A 1 GiB guest in each format that isn't ELF, looked at as a command would: in 64 MiB of own memory."""

import struct
import zlib
from contextlib import closing
from pathlib import Path

import pytest

from support.bare_guest import region_blob
from support.corewriters import PAGE, firecracker, kdump, sparse
from support.corewriters.every import WRITERS, Writer
from support.ownmemory import LIMIT, own_memory
from uniobs.cores import open_core
from uniobs.errors import UnknownMemory

GIB, MIB = 1 << 30, 1 << 20
PATTERN = bytes(range(256)) * 16
REGION = GIB - 16 * MIB
REGISTERS = {"rip": 0x100000, "rsp": 0x200000, "cr0": 0x11}  # paging off: physical is virtual
FULL = ("firecracker-memory", "firecracker-state")  # 1 GiB of written zeros: a diff's holes do as well
FORMATS: dict[str, Writer] = {
    **{name: write for name, write in WRITERS.items() if name not in FULL},
    "firecracker": lambda path, taken: firecracker.write(path, taken, holes=True),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("format", FORMATS)
def test_own_memory(format: str, tmp_path: Path) -> None:
    taken = sparse([(0, GIB)], [(REGION, region_blob(REGION))], [REGISTERS])
    assert 1 < own_memory(FORMATS[format](tmp_path / "core", taken), REGION) < LIMIT


def dense(kind: str) -> list[tuple[int, bytes]]:
    """The pieces of a core whose quarter of a million pages are all there, none of them zero."""
    taken = sparse([(0, GIB)], [(REGION, region_blob(REGION))], [REGISTERS])
    parts = kdump.pieces(taken, kind)
    flag, pack = kdump.KINDS[kind]
    first, data = min((offset, data) for offset, data in parts if len(data) == 2400)  # the first descriptors
    (zero_at,) = struct.unpack_from("<Q", data)
    end = max(offset + len(data) for offset, data in parts)
    page = pack(PATTERN)
    out = []
    for offset, data in parts:
        if len(data) % 24 == 0 and first <= offset < zero_at:
            rows = [list(row) for row in struct.iter_unpack("<QIIQ", data)]
            for row in rows:
                if row[0] == zero_at:
                    row[:3] = end, len(page), flag
                    end += len(page)
            data = b"".join(struct.pack("<QIIQ", *row) for row in rows)
        out.append((offset, data))
    start = max(offset + len(data) for offset, data in parts)
    count = (end - start) // len(page)
    run = 16 * 1024 // len(page) or 1
    for at in range(0, count, run):
        out.append((start + at * len(page), page * min(run, count - at)))
    return out


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", ["zlib", "snappy"])
@pytest.mark.parametrize("flat", [True, False])
def test_own_memory_when_no_page_is_zero(kind: str, flat: bool, tmp_path: Path) -> None:
    path = tmp_path / "core"
    parts = dense(kind)
    if flat:
        kdump.flatten(path, parts)
    else:
        with path.open("wb") as file:
            for offset, data in parts:
                file.seek(offset)
                file.write(data)
    core = open_core(str(path))
    with closing(core.memory) as memory:
        for address in (0, REGION - PAGE, GIB - PAGE):
            assert memory.read(address, PAGE) == PATTERN
    assert 1 < own_memory(path, REGION) < LIMIT


def test_bombs_are_not_unpacked(tmp_path: Path) -> None:
    """A page that unpacks to more than a page is unknown, and costs no more than a page."""
    import cramjam
    import zstandard
    from lzallright import LZOCompressor

    packed = {
        "zlib": zlib.compress(bytes(3 * MIB), 9),
        "zstd": zstandard.ZstdCompressor().compress(bytes(64 * MIB))[:4000],
        "lzo": bytes(LZOCompressor().compress(bytes(600 << 10))),
        "snappy": bytes(cramjam.snappy.compress_raw(bytes(60 << 10))),
    }
    for kind, bomb in packed.items():
        assert len(bomb) <= PAGE, kind
        taken = sparse([(0, MIB)], [(5 * PAGE, b"x" * PAGE)], [REGISTERS])
        path = tmp_path / kind
        real = kdump.KINDS[kind][1](b"x" * PAGE)
        at = 0
        with path.open("wb") as file:
            for offset, data in kdump.pieces(taken, kind):
                at = max(at, offset + len(data))
                file.seek(offset)
                file.write(data)
            file.seek(at)
            file.write(bomb)
        data = bytearray(path.read_bytes())
        row = struct.pack("<QII", at - len(real), len(real), kdump.KINDS[kind][0])
        assert data.count(row) == 1
        where = data.index(row)
        data[where : where + 16] = struct.pack("<QII", at, len(bomb), kdump.KINDS[kind][0])
        path.write_bytes(data)
        core = open_core(str(path))
        with closing(core.memory) as memory:
            assert memory.read(0, PAGE) == bytes(PAGE)
            with pytest.raises(UnknownMemory, match="garbled"):
                memory.read(5 * PAGE, 1)
