"""A core that QEMU wrote of a bare guest: its memory and registers are what QEMU itself says."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from support.bare_guest import MARK, REGION, boot, needs_qemu, region_blob, wait_until_halted
from uniobs.cores import open_core
from uniobs.errors import BadFormat, NoSuchTarget, UniobsError, UnknownMemory
from uniobs.model.guest import Registers
from uniobs.target import open_target, qmp

pytestmark = [pytest.mark.live, pytest.mark.timeout(120), needs_qemu]
MIB = 1 << 20


class Taken(NamedTuple):
    core: Path
    paging: Path
    low: bytes  # the first 2 MiB, as QEMU's pmemsave gives them
    registers: Registers
    elf: Path


@pytest.fixture(scope="module", params=["microvm", "pc", "q35"])
def taken(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taken]:
    directory = tmp_path_factory.mktemp("core")
    with boot(directory, machine=request.param) as guest:
        wait_until_halted(guest)
        with qmp.opened(guest.qmp) as monitor:
            monitor.stop()
            registers = monitor.registers()[0]
            monitor.dump(str(directory / "core"))
            monitor.call(
                "dump-guest-memory",
                arguments={"paging": True, "protocol": f"file:{directory}/paging", "detach": False},
            )
            where = {"val": 0, "size": 2 * MIB, "filename": str(directory / "low")}
            monitor.call("pmemsave", arguments=where)
        low = (directory / "low").read_bytes()
    yield Taken(directory / "core", directory / "paging", low, registers, directory / "bare.elf")
    shutil.rmtree(directory)


def test_memory_and_registers(taken: Taken) -> None:
    core = open_core(str(taken.core))
    with closing(core.memory):
        assert core.kind == "qemu-elf"
        assert core.memory.read(0, 0xA0000) == taken.low[:0xA0000]
        assert core.memory.read(MIB, MIB) == taken.low[MIB:]
        assert core.memory.read(REGION, len(region_blob())) == region_blob()
        with pytest.raises(UnknownMemory):
            core.memory.read(64 * MIB - 1, 2)
        (registers,) = core.registers
        assert registers.get("r15") == MARK
        for name, value in registers.values.items():
            if name in taken.registers.values and not name.startswith(("ldt", "tr")):
                assert value == taken.registers.get(name), name
        assert {"rip", "rsp", "cr3", "cr4", "cr0", "fs_base", "idt_base"} <= set(registers.values)


def test_a_target_of_it(taken: Taken) -> None:
    with closing(open_target(str(taken.core))) as target:
        assert (target.kind, target.live, target.name) == ("core", False, "core")
        assert target.region is not None
        assert target.region.address == REGION
        assert target.space.translate(REGION + 5) == REGION + 5
        with pytest.raises(UnknownMemory):
            target.space.translate(8 << 30)
        status = target.status()
        assert (status.state, status.reason, status.snapshot) == ("live", "idle", True)
    with closing(open_target(str(taken.core), images=[str(taken.elf)])) as target:
        (module,) = target.modules
        assert module.proof is not None
        assert module.proof.proven


def test_paging_true_is_refused(taken: Taken) -> None:
    with pytest.raises(BadFormat, match="paging:true"):
        open_core(str(taken.paging))


def one_line(error: UniobsError, right: bool = True) -> None:
    assert right, error
    assert "\n" not in str(error)


def test_cut_at_each_boundary(taken: Taken, tmp_path: Path) -> None:
    """Headers gone: refused. Memory gone: what is left reads right, the rest is unknown, and that's said."""
    from uniobs.cores.elf import EHDR, PHDR, ElfCore

    with taken.core.open("rb") as file:
        elf = ElfCore(file.fileno(), "core")
    cut = tmp_path / "cut"
    shutil.copyfile(taken.core, cut)  # not its mode: QEMU makes cores read-only
    ends = {segment.offset + segment.filesz for segment in elf.segments}
    first = min(segment.offset for segment in elf.segments if segment.type == 1)
    marks = ends | {segment.offset for segment in elf.segments}
    marks |= {
        EHDR.size,
        64 + PHDR.size * len(elf.segments),
        16,
        1,
        2,
        4,
        first + REGION,
        first + REGION + 100,
    }
    for size in sorted({at + step for at in marks for step in (-1, 0, 1)} - {-1, elf.size + 1}, reverse=True):
        with cut.open("r+b") as file:
            file.truncate(size)
        try:
            core = open_core(str(cut))
        except BadFormat as error:
            one_line(error, size < first)
            continue
        with closing(core.memory):
            assert bool(core.notices) == (size < max(ends)), size
            for address in (0, 0x1000, MIB, REGION):
                try:
                    data = core.memory.read(address, 64)
                except UnknownMemory:
                    continue
                full = taken.low[address:][:64] if address < 2 * MIB else region_blob()[:64]
                assert data == full
        with closing(open_target(str(cut))) as target:
            try:
                region = target.region
            except UniobsError as error:
                one_line(error)
            else:
                assert region is None or region.address == REGION


def test_files_that_are_no_cores(taken: Taken, tmp_path: Path) -> None:
    texts = {
        b"": "neither a core",
        b"hello\n": "neither a core",
        b"\x7fELF": "cut short",
        b"KDUMP   " + bytes(4088): "kdump",
        taken.elf.read_bytes(): "no core",
        b"\x7fELF\x01\x01" + bytes(200): "x86-64",
    }
    for content, why in texts.items():
        path = tmp_path / "file"
        path.write_bytes(content)
        with pytest.raises(BadFormat, match=why) as caught:
            open_target(str(path))
        assert "\n" not in str(caught.value)
    with pytest.raises(NoSuchTarget):
        open_target(str(tmp_path / "none"))


def test_a_guest_before_64_bit_mode_is_refused(tmp_path: Path) -> None:
    """QEMU then writes a core of i386."""
    with boot(tmp_path, "-S") as guest, qmp.opened(guest.qmp) as monitor:
        monitor.dump(str(tmp_path / "core"))
    with pytest.raises(BadFormat, match=r"an ELF core of i386: only those of x86-64") as caught:
        open_target(str(tmp_path / "core"))
    assert "\n" not in str(caught.value)
