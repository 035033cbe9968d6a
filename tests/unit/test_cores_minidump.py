"""Minidumps: as the minidump library reads them."""

from contextlib import closing
from pathlib import Path

import pytest

from support.corewriters import PAGE, minidump, sparse
from uniobs.cores import MappedFile, open_core
from uniobs.errors import BadFormat, UnknownMemory

MIB = 1 << 20
LOW, HIGH = 0x10000, 0x7FFF_0000_0000
KNOWN = {name: 0x1000 + number for number, name in enumerate("rip rsp rbp rax rbx r15 cs ss rflags".split())}
THREADS = {7: KNOWN, 8: {**KNOWN, "rip": 0x5000}}
MODULES = [minidump.Module(LOW, 2 * PAGE, "/opt/app/program"), minidump.Module(HIGH, PAGE, "/lib/żółw.so")]


@pytest.mark.parametrize("full", [True, False])
def test_the_same_as_the_library(full: bool, tmp_path: Path) -> None:
    from minidump.minidumpfile import MinidumpFile

    path = tmp_path / "core.dmp"
    contents = [(LOW, b"low".ljust(PAGE, b".")), (HIGH, b"high".ljust(PAGE, b"."))]
    taken = sparse([(LOW, MIB), (HIGH, MIB)], contents)
    minidump.write(path, taken, THREADS, MODULES, crashed=8, full=full)
    theirs = MinidumpFile.parse_bytes(path.read_bytes())
    core = open_core(str(path))
    with closing(core.memory) as memory:
        listed = theirs.memory_segments_64 if full else theirs.memory_segments
        segments = [(part.start_virtual_address, part.size) for part in listed.memory_segments]
        assert segments == [(LOW, MIB), (HIGH, MIB)]
        for start, _ in segments:
            (part,) = [part for part in listed.memory_segments if part.start_virtual_address == start]
            with path.open("rb") as file:
                file.seek(part.start_file_address)
                assert memory.read(start, PAGE) == file.read(PAGE) != bytes(PAGE)
        for address, size in ((LOW - 1, 1), (LOW + MIB - 1, 2), (HIGH + MIB, 1)):
            with pytest.raises(UnknownMemory):
                memory.read(address, size)
        assert {thread.ThreadId for thread in theirs.threads.threads} == set(core.threads) == {7, 8}
        for thread in theirs.threads.threads:
            mine, other = core.threads[thread.ThreadId], thread.ContextObject
            for name in ("rip", "rsp", "rbp", "rax", "rbx", "r15"):
                known = THREADS[thread.ThreadId].get(name, 0)
                assert mine.get(name) == getattr(other, name.capitalize()) == known
            assert (mine.get("cs"), mine.get("ss")) == (other.SegCs, other.SegSs)
        assert core.files == tuple(
            MappedFile(module.baseaddress, module.baseaddress + module.size, 0, module.name)
            for module in theirs.modules.modules
        )
        assert core.files[1].path == "/lib/żółw.so"


def test_lists_that_are_padded(tmp_path: Path) -> None:
    """As Breakpad writes them."""
    path = tmp_path / "core.dmp"
    minidump.write(path, sparse([(LOW, MIB)]), THREADS, MODULES, full=False, padded=True)
    core = open_core(str(path))
    core.memory.close()
    assert set(core.threads) == {7, 8} and len(core.files) == 2


def test_memory_that_is_listed_twice(tmp_path: Path) -> None:
    path = tmp_path / "core.dmp"
    taken = sparse([(LOW, MIB)], [(LOW, b"x" * PAGE), (LOW + MIB - PAGE, b"y" * PAGE)])
    (block,) = taken.blocks
    twice = taken._replace(blocks=(block, block, block._replace(size=PAGE)))
    minidump.write(path, twice, THREADS, full=False)
    core = open_core(str(path))
    with closing(core.memory) as memory:
        assert [tuple(part) for part in memory.ranges()] and memory.read(LOW, 1) == b"x"
        assert memory.read(LOW + MIB - 1, 1) == b"y"


def test_a_minidump_without_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "core.dmp"
    minidump.write(path, sparse([]), THREADS)
    with pytest.raises(BadFormat, match="without memory"):
        open_core(str(path))
