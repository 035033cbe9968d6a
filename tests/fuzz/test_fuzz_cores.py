"""Cores with flipped bits and cut ends: one of our errors, or bytes; bounded time and memory."""

import os
import random
from contextlib import closing
from pathlib import Path

import pytest

from support.region_core import linux_core, qemu_core
from uniobs.cores import open_core
from uniobs.errors import UniobsError
from uniobs.target import discovery, open_target

SEED = 20260101
FLIPS = 4000
CUTS = 1500
TARGETS = 300


@pytest.fixture(autouse=True)
def nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is looked for in the mappings of this host's guests: here that would be most of the time."""
    monkeypatch.setattr(discovery, "find_guests", list)


@pytest.fixture(params=["qemu", "linux"])
def core(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A core of 1 MiB with a region in it."""
    path = tmp_path / "core"
    path.write_bytes(qemu_core(1 << 20) if request.param == "qemu" else linux_core(1 << 20))
    with closing(open_target(str(path))) as target:
        assert target.region is not None
        assert len(target.walker("threads").threads()) == 1
    return path


def one_line(error: UniobsError) -> None:
    text = str(error)
    assert text
    assert "\n" not in text
    assert len(text) < 500


def look(path: Path) -> None:
    """Open it and read a little of everything."""
    try:
        core = open_core(str(path))
    except UniobsError as error:
        one_line(error)
        return
    with closing(core.memory) as memory:
        for part in list(memory.ranges())[:8]:
            for address, size in (
                (part.start, 64),
                (part.end - 8, 16),
                (part.start, min(part.size, 1 << 20)),
            ):
                try:
                    assert len(memory.read(address, size)) == size
                except UniobsError as error:
                    one_line(error)
        for file in core.files:
            assert isinstance(file.path, str)


def walk(path: Path) -> None:
    """Ask a target of it what a command would."""
    try:
        target = open_target(str(path))
    except UniobsError as error:
        one_line(error)
        return
    with closing(target):
        try:
            target.status(0)
            for thread in target.walker("threads").threads():
                target.stack(thread)
            target.registers()
            target.space.read(0x1000, 64)
        except UniobsError as error:
            one_line(error)


def interesting(random_: random.Random, size: int) -> int:
    """A byte to change: more often in the headers and notes than in memory."""
    return random_.randrange(min(size, random_.choice((64, 512, 2048, 16384, size))))


def test_flipped_bits(core: Path) -> None:
    random_ = random.Random(SEED)
    size = core.stat().st_size
    with core.open("r+b", buffering=0) as file:
        for turn in range(FLIPS):
            changes = {interesting(random_, size) for _ in range(random_.choice((1, 1, 1, 2, 8)))}
            kept = {at: os.pread(file.fileno(), 1, at) for at in changes}
            for at, byte in kept.items():
                value = random_.choice((byte[0] ^ 1 << random_.randrange(8), 0, 0xFF, random_.randrange(256)))
                os.pwrite(file.fileno(), bytes((value,)), at)
            look(core)
            if turn % (FLIPS // TARGETS) == 0:
                walk(core)
            for at, byte in kept.items():
                os.pwrite(file.fileno(), byte, at)


def test_cut_anywhere(core: Path) -> None:
    random_ = random.Random(SEED + 1)
    size = core.stat().st_size
    cuts = {interesting(random_, size) for _ in range(CUTS)} | set(range(700))
    for turn, end in enumerate(sorted(cuts, reverse=True)):
        os.truncate(core, end)
        look(core)
        if turn % 10 == 0:
            walk(core)


def test_memory_stays_bounded(core: Path) -> None:
    """Lengths that lie: what is claimed isn't allocated."""
    before = rss_anon()
    size = core.stat().st_size
    with core.open("r+b", buffering=0) as file:
        for at in range(0, min(size, 4096), 4):
            kept = os.pread(file.fileno(), 4, at)
            os.pwrite(file.fileno(), b"\xff\xff\xff\x7f", at)
            look(core)
            os.pwrite(file.fileno(), kept, at)
    assert rss_anon() - before < 64 << 20


def rss_anon() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no RssAnon")
