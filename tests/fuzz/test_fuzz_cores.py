"""Cores with flipped bits and cut ends: one of our errors, or bytes; bounded time and memory."""

import os
import random
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from support.bare_guest import region_blob
from support.coreprobe import descriptors, look, walk
from support.corewriters import Snapshot, elf, sparse, xen
from support.region_core import REGION, linux_core, qemu_core
from uniobs.memory.base import Range
from uniobs.target import discovery, open_target

SEED = 20260101
FLIPS = 4000
CUTS = 1500
TARGETS = 200


@pytest.fixture(autouse=True)
def nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is looked for in the mappings of this host's guests: here that would be most of the time."""
    monkeypatch.setattr(discovery, "find_guests", list)


def taken() -> Snapshot:
    """1 MiB in two pieces, with a region; two vCPUs."""
    registers = {"rip": 0x1000, "rsp": 0x2000, "cr0": 0x11}
    blocks = [(0, 1 << 19), (1 << 19, 1 << 19)]
    return sparse(blocks, [(REGION, region_blob(REGION))], [registers, registers])


def one_block() -> Snapshot:
    whole = taken()
    return whole._replace(blocks=(Range(0, 1 << 20),))


FORMATS: dict[str, Callable[[Path], object]] = {
    "qemu": lambda path: path.write_bytes(qemu_core(1 << 20)),
    "linux": lambda path: path.write_bytes(linux_core(1 << 20)),
    "qemu, PN_XNUM": lambda path: elf.write_qemu(path, taken(), many=True),
    "cloud-hypervisor": lambda path: elf.write_cloud_hypervisor(path, taken()),
    "virtualbox": lambda path: elf.write_virtualbox(path, taken()),
    "xen-hvm": lambda path: xen.write(path, taken(), unused=3),
    "xen-pv": lambda path: xen.write(path, taken(), gmfn=lambda pfn: pfn + 0x5000),
    "solo5": lambda path: elf.write_solo5(path, one_block()),
    "aarch64": lambda path: elf.write_aarch64(path, taken()),
}


@pytest.fixture(params=list(FORMATS))
def core(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A core of 1 MiB with a region in it."""
    path = tmp_path / "core"
    FORMATS[request.param](path)
    with closing(open_target(str(path))) as target:
        assert target.region is not None
        assert len(target.walker("threads").threads()) == 1
    return path


def interesting(random_: random.Random, size: int) -> int:
    """A byte to change: more often in the headers and notes than in memory."""
    if random_.random() < 0.2:  # Xen's tables are at the end
        return size - 1 - random_.randrange(min(size, 8192))
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
    size, before = core.stat().st_size, descriptors()
    cuts = {interesting(random_, size) for _ in range(CUTS)} | set(range(700))
    for turn, end in enumerate(sorted(cuts, reverse=True)):
        os.truncate(core, end)
        look(core)
        if turn % 10 == 0:
            walk(core)
    assert descriptors() == before


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
