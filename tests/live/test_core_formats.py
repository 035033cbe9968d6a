"""One guest, every ELF-like core format: the same answers as from QEMU's own core of it.

QEMU's file is QEMU's; the others are written here from its memory and registers, by their published layouts.
"""

import shutil
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from support.cli import uniobs
from support.corewriters import PAGE, Snapshot, elf, snapshot, xen
from support.qemu import booted, demo_elf
from uniobs.cores import Core, open_core
from uniobs.memory.base import Memory

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]

PRESENT, LARGE, FRAME = 1, 1 << 7, 0x000F_FFFF_FFFF_F000
CHUNK = 512  # frames that stay together in a PV guest's machine memory: its large pages'
STATES = {"deadlock": "deadlock", "null": "crash"}
QUESTIONS: dict[str, tuple[str, ...]] = {
    "ps": ("ps", "-ef"),
    "netstat": ("netstat", "-a"),
    "ss": ("ss", "-a", "-i"),
    "dmesg": ("dmesg",),
    "counters": ("counters",),
    "bt": ("bt",),
    "why": ("why",),
}
NO_REGISTERS = ("ps", "netstat", "ss", "dmesg", "counters")


class Taken(NamedTuple):
    core: Path
    core2: Path  # with another vCPU, which the guest left alone
    memory: Snapshot
    memory2: Snapshot
    answers: dict[str, Any]


def rows(path: Path, question: str) -> list[Any]:
    ran = uniobs(*QUESTIONS[question], "--json", "--image", demo_elf(), path, expect=(0, 1, 4))
    found = ran.lines if question == "dmesg" else ran.rows
    assert found, ran.describe()
    return [{key: value for key, value in row.items() if key != "target"} for row in found]


def broken(pid: int, verdict: str) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        told = uniobs("why", "--json", pid, expect=(0, 1, 4)).rows
        if any(row["name"] == verdict for row in told):
            return
        time.sleep(0.1)
    pytest.fail(f"no {verdict}: {uniobs('why', pid, expect=None).describe()}")


def take(directory: Path, state: str, *extra: str) -> tuple[Path, Snapshot]:
    """A core of the demo guest, by QEMU."""
    path = directory / "guest.core"
    with booted("q35", append=f"break={state} break_after_ms=300", extra=extra) as guest:
        guest.wait_console("listening on port")
        broken(guest.pid, STATES[state])
        guest.qmp("stop")
        guest.qmp("dump-guest-memory", paging=False, protocol=f"file:{path}")
    core = open_core(str(path))
    with closing(core.memory):
        return path, snapshot(core)


@pytest.fixture(scope="module", params=list(STATES))
def taken(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taken]:
    one, two = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    core, memory = take(one, request.param)
    core2, memory2 = take(two, request.param, "-smp", "2")
    yield Taken(core, core2, memory, memory2, {question: rows(core, question) for question in QUESTIONS})
    shutil.rmtree(one)
    shutil.rmtree(two)


def machine_frame(pfn: int) -> int:
    """Where Xen put a frame: chunks in descending order, far above."""
    return (0x40_0000 - pfn // CHUNK) * CHUNK + pfn % CHUNK


def to_machine(taken: Snapshot) -> tuple[Snapshot, Callable[[int], bytes]]:
    """What a PV guest would have in its page tables and cr3: machine frames. Its pages, by address."""
    tables: dict[int, int] = {}
    (registers, *_) = taken.registers
    pending = [(registers["cr3"] & FRAME, 4)]
    while pending:
        table, level = pending.pop()
        tables[table] = level
        for entry in struct.unpack("<512Q", taken.read(table, PAGE)):
            if entry & PRESENT and level > 1 and not (entry & LARGE and level < 4):
                pending.append((entry & FRAME, level - 1))

    def page_at(address: int) -> bytes:
        data = taken.read(address, PAGE)
        if address not in tables:
            return data
        out = []
        for entry in struct.unpack("<512Q", data):
            if entry & PRESENT:
                frame = (entry & FRAME) // PAGE
                entry = entry & ~FRAME | machine_frame(frame) * PAGE
            out.append(entry)
        return struct.pack("<512Q", *out)

    changed = {**registers, "cr3": machine_frame(registers["cr3"] // PAGE) * PAGE}
    return taken._replace(registers=(changed, *taken.registers[1:])), page_at


def write_pv(path: Path, taken: Snapshot) -> Path:
    changed, page_at = to_machine(taken)
    return xen.write(path, changed, gmfn=machine_frame, unused=3, page_at=page_at)


FORMATS: dict[str, tuple[str, Callable[[Path, Snapshot], Path]]] = {
    "QEMU, short note": ("qemu-elf", lambda path, taken: elf.write_qemu(path, taken, size=432)),
    "QEMU, many segments": ("qemu-elf", lambda path, taken: elf.write_qemu(path, taken, many=True)),
    "Cloud Hypervisor": ("cloud-hypervisor-elf", elf.write_cloud_hypervisor),
    "VirtualBox 5": ("virtualbox", lambda path, taken: elf.write_virtualbox(path, taken, 0x10005)),
    "VirtualBox 7": ("virtualbox", elf.write_virtualbox),
    "Xen HVM": ("xen", xen.write),
    "Xen PV": ("xen", write_pv),
}
_SAME = "rax rbx rcx rdx rsi rdi rsp rbp r8 r9 r10 r11 r12 r13 r14 r15 rip rflags cs ss cr0 cr4 fs_base"
SAME = _SAME.split()


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_answers(taken: Taken, format: str, tmp_path: Path) -> None:
    kind, write = FORMATS[format]
    path = write(tmp_path / "guest.core", taken.memory)
    with closing(open_core(str(path)).memory):
        assert open_kind(path) == kind
    for question, told in taken.answers.items():
        assert rows(path, question) == told, f"{question} from {format}"


def open_kind(path: Path) -> str:
    core = open_core(str(path))
    core.memory.close()
    return core.kind


def test_the_bad_page_is_not_in_the_comparison(taken: Taken) -> None:
    """Stacks and verdicts are compared: there are some."""
    threads = taken.answers["bt"]
    assert len(threads) >= 6
    assert sum(len(row["frames"] or ()) for row in threads) > 20
    assert taken.answers["why"]


@pytest.mark.parametrize("format", FORMATS)
def test_every_register_and_byte_of_two_vcpus(taken: Taken, format: str, tmp_path: Path) -> None:
    kind, write = FORMATS[format]
    path = write(tmp_path / "guest.core", taken.memory2)
    core, real = open_core(str(path)), open_core(str(taken.core2))
    with closing(core.memory), closing(real.memory):
        assert core.kind == kind
        assert len(core.registers) == len(real.registers) == 2
        assert not core.notices
        for mine, theirs in zip(core.registers, real.registers, strict=True):
            assert mine.cpu == theirs.cpu
            same = [name for name in SAME if (name, format) != ("cr0", "Xen PV")]  # there paging is on
            assert {name: mine.get(name) for name in same} == {name: theirs.get(name) for name in same}
        if format != "Xen PV":  # its tables have machine frames
            assert core.registers[0].get("cr3") == real.registers[0].get("cr3")
            assert differing(core.memory, real) == []


def differing(memory: Memory, real: Core) -> list[int]:
    """Addresses of pages that aren't those of QEMU's core."""
    found = []
    for held in real.memory.ranges():
        for at in range(held.start, held.end, 1 << 20):
            size = min(1 << 20, held.end - at)
            if memory.read(at, size) != real.memory.read(at, size):
                found.append(at)
    return found


def test_solo5_identity_and_registers_that_are_sure(taken: Taken, tmp_path: Path) -> None:
    """One segment from address 0, namesz 8; what isn't the fault's for certain stays unknown."""
    low = taken.memory.blocks[0]
    held = tuple((at, data) for at, data in taken.memory.contents if at < low.end)
    path = elf.write_solo5(tmp_path / "guest.core", Snapshot((low,), held, taken.memory.registers))
    core = open_core(str(path))
    with closing(core.memory):
        assert core.kind == "solo5-elf"
        assert sorted(core.registers[0].values) == ["cs", "rflags", "rip", "rsp", "ss"]
    if low.size >= 32 << 20:
        for question in NO_REGISTERS:
            assert rows(path, question) == taken.answers[question], question
