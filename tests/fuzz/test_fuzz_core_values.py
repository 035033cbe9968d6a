"""Seeded damage to a core: every row and register that is told is the right one or marked unknown.

Bytes that nothing vouches for aren't compared: registers that stand in the QEMU note alone (the control
registers and segment bases), and one whose two copies were both hit (alike, now and then).
UNIOBS_FUZZ_COUNT and UNIOBS_FUZZ_SEED choose how much and which.
"""

import os
import random
import struct
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.region_core import REGION, qemu_core
from tests.support.region_damage import Layout, account_errors, wrong
from tests.support.region_truth import Seen, full_region, observe
from uniobs.cores.elf import USER_REGS
from uniobs.cores.qemu_elf import GENERAL
from uniobs.errors import UniobsError
from uniobs.target import discovery, open_target

COUNT = int(os.environ.get("UNIOBS_FUZZ_COUNT", "2000"))
SEED = int(os.environ.get("UNIOBS_FUZZ_SEED", "1"))
CORE_SIZE = 1 << 20
HEAD = 2048  # the ELF header, the segments and the notes
Told = tuple[Seen | None, dict[str, int]]


@pytest.fixture(autouse=True)
def nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is looked for in the mappings of this host's guests: here that would be all of the time."""
    monkeypatch.setattr(discovery, "find_guests", list)


def told(path: Path) -> Told:
    """(what the walker tells, the registers); None and {} for what is refused."""
    with closing(open_target(str(path))) as target:
        seen = observe(target.memory, REGION) if target.region is not None else None
        try:
            registers = target.registers()
        except UniobsError:
            return seen, {}
        noted = [one for one in registers if one.source == "core note"]  # the panic record's are a row's
        return seen, {
            name: value for one in noted[:1] for name, value in one.values.items() if name in GENERAL
        }


def copies_in(core: bytes) -> dict[str, tuple[range, range]]:
    """Where each register lies in the core: in its QEMU note, and in its NT_PRSTATUS."""
    qemu = core.index(struct.pack("<II3Q", 1, 440, 0x100, 0x101, 0x102)) + 8
    rip = struct.pack("<Q", 0x100 + GENERAL.index("rip"))
    status = core.index(rip) - 8 * USER_REGS.index("rip")
    assert status + 8 * len(USER_REGS) < qemu
    return {
        name: (
            range(qemu + 8 * i, qemu + 8 * i + 8),
            range(status + 8 * USER_REGS.index(name), status + 8 * USER_REGS.index(name) + 8),
        )
        for i, name in enumerate(GENERAL)
    }


def damage(dice: random.Random, size: int, region: range) -> dict[int, int]:
    """New bytes by file offset: half of them in the head, half in the region."""
    low, high = (0, HEAD) if dice.random() < 0.5 else (region.start, region.stop)
    out = {}
    for _ in range(dice.choice((1, 1, 2, 8))):
        at = dice.randrange(low, min(high, size))
        run = dice.choice((1, 1, 1, 4, 8))
        out |= {at + i: dice.choice((0, 0xFF, dice.randrange(256))) for i in range(run) if at + i < size}
    return out


@pytest.mark.timeout(max(60, COUNT // 25))
def test_told_right_or_not_at_all(tmp_path: Path) -> None:
    blob = full_region(REGION).build()
    whole = qemu_core(CORE_SIZE, blob=blob)
    path = tmp_path / "core"
    path.write_bytes(whole)
    truth, registers = told(path)
    assert truth is not None
    assert len(truth.rows) > 60
    assert registers == dict(zip(GENERAL, range(0x100, 0x112), strict=True))
    copies = copies_in(whole)
    at = whole.index(blob)
    with closing(open_target(str(path))) as target:
        layout = Layout(target.memory, REGION)
    refused = 0
    for number in range(COUNT):
        changes = damage(random.Random(SEED << 32 | number), len(whole), range(at, at + len(blob)))
        hit = {i - at for i, byte in changes.items() if whole[i] != byte and at <= i < at + len(blob)}
        where = f"seed {SEED}, mutation {number}, bytes {sorted(changes)[:8]}"
        with path.open("r+b", buffering=0) as file:
            for i, byte in changes.items():
                os.pwrite(file.fileno(), bytes((byte,)), i)
            broken = bytearray(blob)
            for i in hit:
                broken[i] = changes[i + at]
            seen, shown, message = None, {}, ""
            try:
                seen, shown = told(path)
            except UniobsError as error:
                message = str(error)
            assert "\n" not in message, where
            for i in changes:
                os.pwrite(file.fileno(), whole[i : i + 1], i)
        bad = {
            name: value
            for name, value in shown.items()
            if value != registers[name] and not all(changes.keys() & set(copy) for copy in copies[name])
        }
        assert not bad, f"{where}: {bad}"
        if seen is None:
            refused += 1
            continue
        problems = wrong(truth, seen, layout, broken) + account_errors(truth, seen, layout.heads(hit))
        assert not problems, f"{where}: {problems[:3]}"
    assert 0 < refused < COUNT


def test_memory_is_what_is_compared(tmp_path: Path) -> None:
    """The comparison can fail: a region of other values isn't taken for the right one."""
    builder, other = full_region(REGION), full_region(REGION)
    other.counter("another", 7)
    path = tmp_path / "core"
    seen = []
    for b in (builder, other):
        path.write_bytes(qemu_core(CORE_SIZE, blob=b.build()))
        seen.append(told(path)[0])
    assert seen[0] is not None
    assert seen[1] is not None
    with closing(open_target(str(path))) as target:
        assert wrong(seen[0], seen[1], Layout(target.memory, REGION), other.build())
