"""`core fix` on garbled cores: one of our errors, or a core that opens; nothing half-written stays behind."""

import os
import random
from contextlib import closing
from pathlib import Path

import pytest

from support.bare_guest import region_blob
from support.corewriters import elf, sparse
from uniobs.errors import UniobsError
from uniobs.export import gdbcore_file
from uniobs.export.drgn_plugin import images
from uniobs.export.gdbcore_view import loads
from uniobs.target import discovery, open_target

SEED = 20260202
ROUNDS = 200
MIB = 1 << 20
REGION, TABLES, STACK = 0x40000, 0x10000, 0x9000


@pytest.fixture(autouse=True)
def nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "find_guests", list)


def core_of(path: Path) -> Path:
    """Paging on: an identity map of 4 KiB pages, so that tables are among what is garbled."""
    region = region_blob(REGION, stack=(STACK - 4096, STACK))
    leaf = b"".join((n * 4096 | 3).to_bytes(8, "little") for n in range(256)).ljust(4096, b"\0")
    tables = [(TABLES + (n + 1) * 4096 | 3).to_bytes(8, "little").ljust(4096, b"\0") for n in range(3)]
    memory = [(TABLES, b"".join(tables) + leaf), (REGION, region)]
    registers = {"rip": 0x1000, "rsp": STACK - 64, "cr0": 0x80000011, "cr3": TABLES, "cr4": 0x20}
    return elf.write_qemu(path, sparse([(0, MIB)], memory, [registers]))


def fix(core: Path, folder: Path) -> bool:
    """Whether a core came out, as a copy; in place too, and back."""
    copy = folder / "copy"
    data = core.read_bytes()
    try:
        with closing(open_target(str(core))) as target:
            done = gdbcore_file.fix_copy(target, str(copy))
            assert done.added <= (32 << 10) + 400 * len(done.view.threads) + 56 * done.mappings
    except UniobsError as error:
        one_line(error)
        assert os.listdir(folder) == []
    else:
        assert os.listdir(folder) == ["copy"]
        images(str(copy))
        with closing(open_target(str(copy))) as again:
            again.memory.ranges()
        copy.unlink()
    try:
        with closing(open_target(str(core))) as target:
            done_in_place = gdbcore_file.fix_in_place(target) is not None
    except UniobsError as error:
        one_line(error)
        assert core.read_bytes() == data
        return False
    if done_in_place:
        assert gdbcore_file.undo(str(core))
    else:  # it was fixed before it was garbled
        try:
            gdbcore_file.undo(str(core))
            core.write_bytes(data)
        except UniobsError as error:
            one_line(error)
    assert core.read_bytes() == data
    return True


def one_line(error: UniobsError) -> None:
    assert str(error) and "\n" not in str(error) and len(str(error)) < 600


@pytest.mark.timeout(120)
@pytest.mark.parametrize("where", ["headers", "tables", "region", "anywhere", "fixed"])
def test_flipped_bytes(where: str, tmp_path: Path) -> None:
    core, folder = core_of(tmp_path / "core"), tmp_path / "out"
    folder.mkdir()
    assert fix(core, folder)
    if where == "fixed":  # what we wrote is garbled too
        with closing(open_target(str(core))) as target:
            gdbcore_file.fix_in_place(target)
    whole = core.read_bytes()
    memory = len(core_of(tmp_path / "plain").read_bytes()) - MIB
    low, high = {
        "headers": (0, memory),
        "tables": (memory + TABLES, memory + TABLES + 4 * 4096),
        "region": (memory + REGION, memory + REGION + 8192),
        "anywhere": (0, len(whole)),
        "fixed": (memory + MIB, len(whole)),
    }[where]
    rng = random.Random(f"{SEED}{where}")
    came_out = 0
    for _ in range(ROUNDS):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 2, 8, 64))):
            data[rng.randrange(low, high)] = rng.choice((0, 1, 0x7F, 0xFF, rng.randrange(256)))
        core.write_bytes(data)
        came_out += fix(core, folder)
    assert came_out


@pytest.mark.timeout(60)
def test_cut_anywhere(tmp_path: Path) -> None:
    core, folder = core_of(tmp_path / "core"), tmp_path / "out"
    folder.mkdir()
    with closing(open_target(str(core))) as target:
        gdbcore_file.fix_in_place(target)
    whole = core.read_bytes()
    ends = [*range(0, 1400, 13), *range(len(whole) - 1400, len(whole), 13)]
    for end in [*ends, *range(4096, len(whole), 65521)]:
        core.write_bytes(whole[:end])
        fix(core, folder)


@pytest.mark.timeout(60)
def test_tables_that_map_everything_to_one_page(tmp_path: Path) -> None:
    """Every entry leads to the same tables: the walk ends, and says that it did."""
    folder = tmp_path / "out"
    folder.mkdir()
    table = (TABLES | 7).to_bytes(8, "little") * 512
    region = region_blob(REGION, stack=(STACK - 4096, STACK))
    registers = {"rip": 0x1000, "rsp": STACK - 64, "cr0": 0x80000011, "cr3": TABLES, "cr4": 0x20}
    memory = [(TABLES, table), (REGION, region)]
    core = elf.write_qemu(tmp_path / "core", sparse([(0, MIB)], memory, [registers]))
    with closing(open_target(str(core))) as target:
        try:
            done = gdbcore_file.fix_copy(target, str(folder / "copy"))
        except UniobsError as error:
            one_line(error)
        else:
            assert done.mappings <= 1 << 17


@pytest.mark.timeout(60)
def test_tables_that_lead_out_of_memory(tmp_path: Path) -> None:
    """Millions of mappings, none of them held: said, in bounded time."""
    def whole(at: int) -> bytes:
        return (at | 7).to_bytes(8, "little") * 512

    leaf = b"".join((0x90_0000_0000 + n * 7 % 512 * 8192 | 7).to_bytes(8, "little") for n in range(512))
    tables = b"".join(whole(TABLES + n * 4096) for n in (1, 2, 3)) + leaf
    registers = {"rip": 0x1000, "rsp": STACK - 64, "cr0": 0x80000011, "cr3": TABLES, "cr4": 0x20}
    core = elf.write_qemu(tmp_path / "core", sparse([(0, MIB)], [(TABLES, tables)], [registers]))
    with closing(open_target(str(core))) as target:
        found, note = loads(target, target.memory.blocks)
    assert found == [] and note is not None and "mappings were looked at" in note
