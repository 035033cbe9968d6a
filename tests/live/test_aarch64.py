"""A guest of another machine: its core gives what its region tells; what it lacks is said in one line."""

import random
import re
import shutil
import subprocess
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
from uniobs.image.unwind_aarch64 import unwind
from uniobs.model.guest import Registers
from uniobs.target import open_target, qmp

pytestmark = [pytest.mark.live, pytest.mark.timeout(120), aarch64.needs_aarch64]
RAM = 0x40000000
VIEWS = (("ps",), ("bt",), ("netstat", "-a"), ("counters",))


class Taken(NamedTuple):
    core: Path
    elf: Path
    monitor: str  # QEMU's info registers of vCPU 0
    low: bytes  # the image's first 2 MiB, by QEMU's pmemsave


def take(directory: Path, *defines: str) -> Taken:
    with aarch64.boot(directory, *defines) as guest:
        with qmp.opened(guest.qmp) as monitor:
            monitor.stop()
            monitor.dump(str(directory / "core"))
            where = {"val": RAM + (1 << 20), "size": 2 << 20, "filename": str(directory / "low")}
            monitor.call("pmemsave", arguments=where)
        said = aarch64.monitor(guest.qmp, "info registers")
    return Taken(directory / "core", guest.elf, said, (directory / "low").read_bytes())


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taken]:
    directory = tmp_path_factory.mktemp("arm")
    yield take(directory)
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


def frames(core: Path, elf: Path) -> list[tuple[str, int, str]]:
    """(function, line, trust) of the stack of the thread that is on the CPU."""
    rows = uniobs("bt", "--json", "--image", elf, core, expect=4).rows
    (row,) = [row for row in rows if row["name"] == "idle"]
    return [(frame["function"], frame["line"], frame["trust"]) for frame in row["frames"]]


def without_tables(elf: Path, where: Path) -> Path:
    """The same image, but for its call tables."""
    aarch64.run("aarch64-linux-gnu-objcopy", "-R", ".debug_frame", "-R", ".eh_frame", elf, where)
    return where


def test_stack_by_call_tables(taken: Taken) -> None:
    """The innermost function is a leaf without a frame record; lines are those of llvm-symbolizer."""
    found = frames(taken.core, taken.elf)
    assert [(name, trust) for name, _, trust in found] == [
        ("inner", "registers"),
        ("middle", "cfi"),
        ("kernel", "cfi"),
        ("_start", "cfi"),
    ]
    rows = uniobs("bt", "--json", "--image", taken.elf, taken.core, expect=4).rows
    (row,) = [row for row in rows if row["name"] == "idle"]
    for level, frame in enumerate(row["frames"]):
        (source,) = symbolizer(taken.elf, frame["pc"] - (level > 0))
        assert source == (frame["function"], frame["line"])


def symbolizer(elf: Path, pc: int) -> list[tuple[str, int]]:
    words = ["llvm-symbolizer", f"--obj={elf}", hex(pc)]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip().splitlines()
    return [(name, int(at.split(":")[1])) for name, at in zip(lines[::2], lines[1::2], strict=True)]


def test_a_leaf_without_tables_leads_nowhere(taken: Taken, tmp_path: Path) -> None:
    """Its caller isn't in the chain of records: to follow it would leave `middle` out."""
    bare = without_tables(taken.elf, tmp_path / "arm.elf")
    assert [name for name, _, _ in frames(taken.core, bare)] == ["inner"]
    said = uniobs("bt", "--image", bare, taken.core, expect=4).out
    assert "whether it has a frame record isn't known" in said


def test_stack_by_frame_records(tmp_path: Path) -> None:
    taken = take(tmp_path, "RECORD")
    by_tables = frames(taken.core, taken.elf)
    bare = without_tables(taken.elf, tmp_path / "bare.elf")
    by_records = frames(taken.core, bare)
    assert [row[:2] for row in by_records] == [row[:2] for row in by_tables]
    assert [name for name, _, _ in by_tables] == ["inner", "middle", "kernel", "_start"]
    assert [trust for _, _, trust in by_records] == ["registers", *["frame-pointer"] * 3]


def test_garbage_on_the_stack_is_said(taken: Taken, tmp_path: Path) -> None:
    """Return addresses that follow no call, records that lead away: no frame is made of them."""
    core = open_core(str(taken.core))
    with closing(core.memory):
        sp = core.registers[0].values["sp"]
        at = core.memory.blocks[0].where + sp - RAM  # inner's slot, then middle's record
    path = tmp_path / "core"
    for word, why in (
        (0x40100A04, "follows no call"),
        (0xDEAD0000, "is in no known code"),
        (0, ""),
    ):
        shutil.copyfile(taken.core, path)
        with path.open("r+b") as file:
            file.seek(at + 16 + 8)
            file.write(word.to_bytes(8, "little"))
        ran = uniobs("bt", "--image", taken.elf, path, expect=4)
        assert why in ran.out
        assert [name for name, _, _ in frames(path, taken.elf)] == ["inner", "middle"]


def test_no_frame_leads_out_of_its_stack(taken: Taken) -> None:
    with closing(open_target(str(taken.core), images=[str(taken.elf)])) as target:
        first = target.registers()[0]
        sp = first.values["sp"]
        whole, note = unwind(target.modules, target.space, first, stack=(sp - 64, sp + 4096))
        assert [frame.function for frame in whole] == ["inner", "middle", "kernel", "_start"]
        assert note is None
        ends = whole[0].cfa
        assert ends is not None
        found, note = unwind(target.modules, target.space, first, stack=(sp - 64, ends))
        assert [frame.function for frame in found] == ["inner", "middle"]
        assert note is not None and "leads out of its stack" in note


def test_live_and_its_core_agree(tmp_path: Path) -> None:
    """Its RAM begins at 1 GiB; the monitor's registers are those of the core."""
    core = tmp_path / "core"
    with aarch64.boot(tmp_path) as guest:
        with qmp.opened(guest.qmp) as monitor:
            monitor.stop()
            monitor.dump(str(core))
        named = ("--json", "--image", guest.elf)
        live = {view: uniobs(*view, *named, guest.pid, expect=(0, 4)).rows for view in VIEWS}
        (row,) = [row for row in uniobs("ls", "--json", expect=None).rows if row["pid"] == guest.pid]
        assert (row["vmm"], row["sees"]) == ("qemu virt", "stub")
        with closing(open_target(str(guest.pid))) as target:
            registers = [one.values for one in target.registers()]
        for view, rows in live.items():
            assert rows
            assert rows == uniobs(*view, *named, core, expect=(0, 4)).rows, view
    opened = open_core(str(core))
    opened.memory.close()
    assert registers == [one.values for one in opened.registers]


def test_garbled_stacks_end(taken: Taken, tmp_path: Path) -> None:
    """Random words in place of the stack's, random registers: few frames, each after a call, and an end."""
    dice = random.Random(20261120)
    path = tmp_path / "core"
    shutil.copyfile(taken.core, path)
    with closing(open_target(str(path), images=[str(taken.elf)])) as target, path.open("r+b") as file:
        (module,) = target.modules
        whole = target.registers()[0]
        sp = whole.values["sp"]
        where = open_core(str(path))
        at = where.memory.pieces(sp, 64).__next__()[0]
        where.memory.close()
        kept = target.memory.read(sp, 64)
        places = [sp, sp + 16, sp + 32, sp - 16, 0, 0x40100A10, 0x40100A24, (1 << 64) - 8]
        places.append(0x7F << 56 | 0x40100A24)  # as if signed
        lengths = set()
        for _ in range(2000):
            words = [dice.choice((*places, dice.getrandbits(64))) for _ in range(8)]
            some = [
                word if dice.random() < 0.5 else kept[8 * i : 8 * i + 8] for i, word in enumerate(words)
            ]
            data = b"".join(one if isinstance(one, bytes) else one.to_bytes(8, "little") for one in some)
            file.seek(at)
            file.write(data)
            file.flush()
            changed = {name: dice.choice(places) for name in ("x29", "x30", "sp") if dice.random() < 0.2}
            found, _ = unwind([module], target.space, Registers({**whole.values, **changed}))
            lengths.add(len(found))
            assert 1 <= len(found) <= 128
            assert all(module.holds(frame.pc - 4) for frame in found[1:])
    assert len(lengths) > 2


def test_instructions_are_aarch64s(taken: Taken) -> None:
    from uniobs.image.disasm import disassemble

    with closing(open_target(str(taken.core), images=[str(taken.elf)])) as target:
        (module,) = target.modules
        pc = target.registers()[0].values["pc"]
        texts = [row.text for row in disassemble(module, target.space, pc - 4, 2)]
    assert texts[0] == "wfi"
    assert texts[1].startswith("b ")


def test_report(taken: Taken) -> None:
    out = uniobs("core", "show", "--image", taken.elf, taken.core, expect=(0, 4)).out
    assert "x19 1122334455667788" in " ".join(out.split())
    assert "rip" not in out
    assert "#1  middle  kernel.c:" in out


def test_switched_out_threads_are_not_offered(taken: Taken) -> None:
    out = uniobs("bt", "--image", taken.elf, taken.core, expect=4).out
    assert "no stack: how an aarch64 kernel saves a switched-out thread isn't known" in out
