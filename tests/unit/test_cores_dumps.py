"""Cores that are no ELF files, made by hand: memory is where the guest sees it, registers as they were."""

from contextlib import closing, suppress
from pathlib import Path

import pytest

from support.corewriters import PAGE, Snapshot, firecracker, kdump, sparse
from support.corewriters.every import WRITERS
from uniobs.cores import Core, open_core
from uniobs.errors import BadFormat, UnknownMemory
from uniobs.memory.base import Range
from uniobs.target import open_target

MIB = 1 << 20
MARK = b"here is a page".ljust(PAGE, b".")
NAMES = "rax rbx rcx rdx rsi rdi rsp rbp r8 r9 r10 r11 r12 r13 r14 r15 rip rflags cs ss cr0 cr2 cr3 cr4"
KNOWN = {name: 0x1000 + number for number, name in enumerate(NAMES.split())}
GENERAL = NAMES.split()[:20]
WITHOUT = ("lime",)  # formats that hold no registers
LOW = 3 << 30


def guest(*blocks: tuple[int, int], cpus: int = 2) -> Snapshot:
    """Marks at both ends of each block; each vCPU's registers are its own."""
    marks = [(start, MARK) for start, _ in blocks] + [(start + size - PAGE, MARK) for start, size in blocks]
    known = [{**KNOWN, "rip": KNOWN["rip"] + (cpu << 32)} for cpu in range(cpus)]
    return sparse(blocks, marks, known)


def opened(what: object) -> Core:
    return open_core(str(what))


@pytest.mark.parametrize("kind", WRITERS)
def test_memory_and_registers(kind: str, tmp_path: Path) -> None:
    taken = guest((0, 16 * MIB))
    core = opened(WRITERS[kind](tmp_path / "core", taken))
    with closing(core.memory) as memory:
        assert memory.read(0, PAGE) == memory.read(16 * MIB - PAGE, PAGE) == MARK
        assert memory.read(PAGE - 3, 6) == b"...\0\0\0"
        assert memory.read(8 * MIB, 3 * PAGE) == bytes(3 * PAGE)
        for address, size in ((16 * MIB - 1, 2), (16 * MIB, 1), (1 << 40, 1), ((1 << 64) - 1, 1), (-1, 1)):
            with pytest.raises(UnknownMemory):
                memory.read(address, size)
        assert next(iter(memory.ranges())).start == 0
        wanted = () if kind in WITHOUT else taken.registers[:1] if "windows" in kind else taken.registers
        assert len(core.registers) == len(wanted)
        for one, known in zip(core.registers, wanted, strict=True):
            for name in (*GENERAL, "cr3"):
                assert one.get(name) == known[name], name


LAID_OUT_ALIKE = [name for name in WRITERS if name.startswith("kdump-") and "zlib" not in name]


@pytest.mark.parametrize("kind", [k for k in WRITERS if "firecracker" not in k and k not in LAID_OUT_ALIKE])
def test_memory_above_4_gib(kind: str, tmp_path: Path) -> None:
    """3 GiB below a hole and some above it: bytes are where the guest sees them, none are in the hole."""
    low = 64 * MIB if "kdump" in kind else LOW
    taken = guest((0, low), (4 << 30, 16 * MIB), cpus=1)
    core = opened(WRITERS[kind](tmp_path / "core", taken))
    with closing(core.memory) as memory:
        for address in (0, low - PAGE, 4 << 30, (4 << 30) + 16 * MIB - PAGE):
            assert memory.read(address, PAGE) == MARK
        for address in (low, (4 << 30) - 1, (4 << 30) + 16 * MIB):
            with pytest.raises(UnknownMemory):
                memory.read(address, 1)


def test_a_snapshot_is_named_by_its_directory(tmp_path: Path) -> None:
    WRITERS["cloud-hypervisor"](tmp_path / "pay", guest((0, MIB)))
    for named in ("", "state.json", "config.json", "memory-ranges"):
        with closing(open_target(str(tmp_path / "pay" / named))) as target:
            assert target.name == "pay"


@pytest.mark.parametrize(("version", "low"), [("5.0.0", 0xD0000000), ("6.0.0", 0xD0000000), ("8.0.0", LOW)])
def test_firecracker_moved_its_hole(version: str, low: int, tmp_path: Path) -> None:
    """The state's version says where memory above 3 GiB lies; a diff's holes aren't zero."""
    taken = guest((0, low), (4 << 30, 16 * MIB), cpus=1)
    core = opened(firecracker.write(tmp_path / "snap", taken, version, holes=True))
    with closing(core.memory) as memory:
        for address in (0, low - PAGE, 4 << 30, (4 << 30) + 16 * MIB - PAGE):
            assert memory.read(address, PAGE) == MARK
        for address in (64 * MIB, low):
            with pytest.raises(UnknownMemory):
                memory.read(address, 1)
        assert any("diff" in notice for notice in core.notices)
        assert core.registers[0].get("rip") == KNOWN["rip"]


def test_firecracker_without_what_belongs_to_it(tmp_path: Path) -> None:
    memory = firecracker.write(tmp_path / "snap", guest((0, 16 * MIB)), "7.0.0")
    with closing(opened(tmp_path).memory):  # its directory
        pass
    state = tmp_path / "snap.state"
    data = state.read_bytes()
    state.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(BadFormat, match="checksum"):
        opened(state)
    core = opened(memory)  # nothing says any more what it is
    core.memory.close()
    assert core.kind == "raw"
    state.write_bytes(data)
    memory.unlink()
    with pytest.raises(BadFormat, match="without its memory: no one file of 16 MiB"):
        opened(state)
    taken = guest((0, LOW), (4 << 30, 16 * MIB), cpus=1)
    firecracker.write(tmp_path / "snap", taken, "7.0.0", holes=True)
    with pytest.raises(BadFormat, match="version 7"):
        opened(state)


def test_registers_of_another_snapshot_are_left_out(tmp_path: Path) -> None:
    """A vCPU in 64-bit mode whose page tables aren't in the memory beside."""
    long_mode = {**KNOWN, "efer": 0x500, "cr3": 5 * PAGE, "cr0": 1 << 31 | 1, "cr4": 0x20}
    tables = [(at * PAGE, ((at + 1) * PAGE | 3).to_bytes(8, "little").ljust(PAGE, b"\0")) for at in (5, 6)]
    large = (7 * PAGE, (0x83).to_bytes(8, "little").ljust(PAGE, b"\0"))
    right = sparse([(0, MIB)], [*tables, large], [long_mode])
    firecracker.write(tmp_path / "one", right)
    core = opened(tmp_path / "one.mem")
    core.memory.close()
    assert core.registers[0].get("cr3") == 5 * PAGE
    firecracker.write(tmp_path / "one", sparse([(0, MIB)], [], [long_mode]))
    core = opened(tmp_path / "one.mem")
    core.memory.close()
    assert core.registers == ()
    assert any("of another snapshot?" in notice for notice in core.notices)


def test_a_state_is_not_lent_to_another_memory(tmp_path: Path) -> None:
    """Two memories of one size and one state: only the state's namesake is read with it."""
    firecracker.write(tmp_path / "one", guest((0, MIB)))
    (tmp_path / "two.mem").write_bytes((tmp_path / "one.mem").read_bytes())
    for name, kind in (("one", "firecracker"), ("two", "raw")):
        core = opened(tmp_path / f"{name}.mem")
        core.memory.close()
        assert core.kind == kind


def test_two_snapshots_of_firecracker_in_a_directory(tmp_path: Path) -> None:
    for name in ("one", "two"):
        firecracker.write(tmp_path / name, guest((0, MIB)))
    core = opened(tmp_path / "two.mem")
    core.memory.close()
    assert any("two.state" in notice for notice in core.notices)
    with pytest.raises(BadFormat, match="name one's"):
        opened(tmp_path)


def test_the_last_record_of_a_flattened_core_counts(tmp_path: Path) -> None:
    """Records overwrite what earlier ones wrote, wherever they begin and end."""
    from uniobs.cores.flattened import Flattened

    path = tmp_path / "flat"
    parts = [(0, b"a" * 100), (200, b"b" * 100), (50, b"c" * 200), (90, b"d" * 10), (120, b"e"), (299, b"ff")]
    kdump.flatten(path, parts)
    model = bytearray(301)
    for offset, data in parts:
        model[offset : offset + len(data)] = data
    with path.open("rb") as file:
        flat = Flattened(file.fileno(), "flat")
        assert flat.size == 301
        for start in range(0, 301, 7):
            for size in (1, 5, 60, 400):
                assert flat.read(start, size) == model[start : start + size]


def test_pages_that_are_not_whole_are_unknown(tmp_path: Path) -> None:
    """Damage in a page's bytes is never read as memory."""
    taken = sparse([(0, MIB)], [(5 * PAGE, bytes(range(256)) * 16)], [KNOWN])
    for kind in kdump.KINDS:
        path = tmp_path / kind
        kdump.write(path, taken, kind)
        data = bytearray(path.read_bytes())
        data[-3] ^= 0x55
        path.write_bytes(data)
        core = opened(path)
        with closing(core.memory) as memory:
            assert memory.read(0, PAGE) == bytes(PAGE)
            if kind in ("none", "snappy", "lzo"):
                continue  # nothing in these formats could tell
            with suppress(UnknownMemory):
                assert memory.read(5 * PAGE, PAGE) == bytes(range(256)) * 16


def test_ranges_leave_out_what_is_not_held(tmp_path: Path) -> None:
    path = tmp_path / "core"
    kdump.write(path, guest((0, 4 * MIB), (8 * MIB, MIB)))
    core = opened(path)
    with closing(core.memory) as memory:
        assert list(memory.ranges()) == [Range(0, 4 * MIB), Range(8 * MIB, MIB)]
