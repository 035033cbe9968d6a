"""A guest of another machine: its core gives what its region tells; what it lacks is said in one line."""

import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from support import aarch64
from support.cli import uniobs
from uniobs.cores import open_core
from uniobs.cores.elf import PHDR, ElfCore
from uniobs.errors import BadFormat
from uniobs.target import open_target, qmp

pytestmark = [pytest.mark.live, pytest.mark.timeout(120), aarch64.needs_aarch64]
RAM = 0x40000000


class Taken(NamedTuple):
    core: Path
    elf: Path
    monitor: str  # QEMU's info registers of vCPU 0
    low: bytes  # the image's first 2 MiB, by QEMU's pmemsave


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taken]:
    directory = tmp_path_factory.mktemp("arm")
    with aarch64.boot(directory) as guest:
        with qmp.opened(guest.qmp) as monitor:
            monitor.stop()
            monitor.dump(str(directory / "core"))
            where = {"val": RAM + (1 << 20), "size": 2 << 20, "filename": str(directory / "low")}
            monitor.call("pmemsave", arguments=where)
        said = aarch64.monitor(guest.qmp, "info registers")
    yield Taken(directory / "core", guest.elf, said, (directory / "low").read_bytes())
    shutil.rmtree(directory)


def test_registers_and_memory_are_qemus(taken: Taken) -> None:
    core = open_core(str(taken.core))
    with closing(core.memory):
        assert (core.kind, core.machine, len(core.registers)) == ("qemu-elf", "aarch64", 2)
        first, second = core.registers
        said = {name.lower(): int(value, 16) for name, value in re.findall(r"(X\d\d)=(\w+)", taken.monitor)}
        assert len(said) == 31
        assert {f"x{int(name[1:])}": value for name, value in said.items()} == {
            f"x{number}": first.get(f"x{number}") for number in range(31)
        }
        for name, shown in (("pc", r" PC=(\w+)"), ("sp", r"SP=(\w+)"), ("pstate", r"PSTATE=(\w+)")):
            found = re.search(shown, taken.monitor)
            assert found is not None
            assert first.get(name) == int(found[1], 16), name
        assert first.get("x19") == aarch64.MARK
        assert second.get("x19") == 0
        assert core.memory.read(RAM + (1 << 20), 2 << 20) == taken.low


def test_what_its_region_tells(taken: Taken) -> None:
    threads = {row["name"]: row for row in uniobs("ps", "--json", taken.core).rows}
    assert threads["worker"]["wait"]["kind"] == "accept"
    assert threads["idle"]["idle"]
    (row,) = uniobs("netstat", "-a", "--json", taken.core).rows
    assert (row["kind"], row["lport"], row["netstat_state"]) == ("tcp", 80, "LISTEN")
    assert "hello from aarch64" in uniobs("dmesg", taken.core).out
    assert "requests    42" in uniobs("counters", taken.core).out
    assert uniobs("why", taken.core).out.startswith("core is fine: live, idle, as of this snapshot (bare-arm")
    with closing(open_target(str(taken.core))) as target:
        assert target.space.translate(RAM + 5) == RAM + 5


def test_a_process_of_it_and_other_machines_are_refused(taken: Taken, tmp_path: Path) -> None:
    data = bytearray(taken.core.read_bytes()[:0x1000])
    with taken.core.open("rb") as file:
        note = next(segment for segment in ElfCore(file.fileno(), "core").segments if segment.type == 4)
    path = tmp_path / "core"
    for at, value, why in (
        (note.offset + 8, 3, "an aarch64 process"),  # NT_PRPSINFO
        (note.offset + 20 + 32, 9, "another's"),  # the pid
        (18, 243, "RISC-V"),
        (5, 2, "big-endian"),
        (4, 1, "only those of x86-64"),
    ):
        changed = bytearray(data)
        changed[at] = value
        path.write_bytes(changed)
        with pytest.raises(BadFormat, match=why) as caught:
            open_core(str(path))
        assert "\n" not in str(caught.value)
    assert PHDR.size == 56


def test_what_is_not_offered_is_one_line(taken: Taken) -> None:
    ran = uniobs("bt", taken.core, expect=(4, 5))
    assert "stacks of aarch64 guests aren't unwound" in ran.out + ran.err
