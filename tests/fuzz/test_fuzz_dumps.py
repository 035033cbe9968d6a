"""Cores that are no ELF files, with flipped bits, cut ends and lying sizes: one of our errors, or bytes."""

import os
import random
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from support.bare_guest import region_blob
from support.coreprobe import descriptors, look, one_line, walk
from support.corewriters import (
    PAGE,
    Snapshot,
    cloud_hypervisor,
    firecracker,
    kdump,
    lime,
    minidump,
    sparse,
    vmware,
    windows,
)
from support.region_core import REGION
from uniobs.cores import open_core
from uniobs.errors import UniobsError
from uniobs.target import discovery, open_target

SEED = 20260102
SIZE = 1 << 20
PLACES = {offset: bytes((offset // PAGE % 255 + 1,)) * PAGE for offset in (0, 3 * PAGE, SIZE - PAGE)}
FLIPS = 1500
CUTS = 400
WALK_EACH = 40


class Made(NamedTuple):
    named: Path  # what the user names
    file: Path  # what is damaged


def taken() -> Snapshot:
    """1 MiB in two pieces, with a region; two vCPUs."""
    registers = {"rip": 0x1000, "rsp": 0x2000, "cr0": 0x11}
    blocks = [(0, SIZE // 2), (SIZE // 2, SIZE // 2)]
    contents = [(REGION, region_blob(REGION)), *((at, data) for at, data in PLACES.items() if at != REGION)]
    return sparse(blocks, contents, [registers, registers])


def _file(write: Callable[..., object], ending: str = "", **options: object) -> Callable[[Path], Made]:
    def make(directory: Path) -> Made:
        path = directory / f"core{ending}"
        write(path, taken(), **options)
        return Made(path, path)

    return make


def _vmem(directory: Path) -> Made:
    vmware.write(directory / "guest.vmss", taken())
    return Made(directory / "guest.vmem", directory / "guest.vmss")


def _cloud_hypervisor(directory: Path) -> Made:
    cloud_hypervisor.write(directory / "snapshot", taken())
    return Made(directory / "snapshot", directory / "snapshot" / "state.json")


def _firecracker(directory: Path) -> Made:
    firecracker.write(directory / "snap", taken())
    return Made(directory / "snap.mem", directory / "snap.state")


def _minidump(directory: Path) -> Made:
    path = directory / "core.dmp"
    known = {"rip": 0x1000, "rsp": 0x2000}
    minidump.write(path, taken(), {7: known, 8: known}, [minidump.Module(0, PAGE, "/a/program")], crashed=8)
    return Made(path, path)


FORMATS: dict[str, Callable[[Path], Made]] = {
    "kdump": _file(kdump.write),
    "kdump-zstd": _file(kdump.write, kind="zstd"),
    "kdump-snappy": _file(kdump.write, kind="snappy"),
    "kdump-lzo": _file(kdump.write, kind="lzo"),
    "kdump-flat": _file(kdump.write_flattened),
    "lime": _file(lime.write),
    "windows": _file(windows.write),
    "windows-bitmap": _file(windows.write, bitmap=True),
    "vmware": _file(vmware.write, ".vmss"),
    "vmware-inside": _file(vmware.write, ".vmsn", inside=True, blocks=True),
    "vmware-vmem": _vmem,
    "cloud-hypervisor": _cloud_hypervisor,
    "firecracker": _firecracker,
    "minidump": _minidump,
}

APART = {"vmware-vmem", "cloud-hypervisor", "firecracker"}  # memory lies in another file than what is damaged


@pytest.fixture(params=FORMATS)
def made(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    monkeypatch.setattr(discovery, "find_guests", list)
    one = FORMATS[request.param](tmp_path)
    with closing(open_target(str(one.named))) as target:
        assert target.region is not None
        assert len(target.walker("threads").threads()) == 1
    return one


def interesting(random_: random.Random, size: int) -> int:
    """A byte to change: more often where headers and lists lie than in memory."""
    return random_.randrange(min(size, random_.choice((64, 512, 2048, 16384, size))))


def test_flipped_bits(made: Made) -> None:
    random_ = random.Random(SEED)
    size = made.file.stat().st_size
    with made.file.open("r+b", buffering=0) as file:
        for turn in range(FLIPS):
            changes = {interesting(random_, size) for _ in range(random_.choice((1, 1, 1, 2, 8)))}
            kept = {at: os.pread(file.fileno(), 1, at) for at in changes}
            for at, byte in kept.items():
                value = random_.choice((byte[0] ^ 1 << random_.randrange(8), 0, 0xFF, random_.randrange(256)))
                os.pwrite(file.fileno(), bytes((value,)), at)
            look(made.named)
            if turn % WALK_EACH == 0:
                walk(made.named)
            for at, byte in kept.items():
                os.pwrite(file.fileno(), byte, at)


def test_cut_anywhere(made: Made) -> None:
    random_ = random.Random(SEED + 1)
    size, before = made.file.stat().st_size, descriptors()
    cuts = {interesting(random_, size) for _ in range(CUTS)} | set(range(min(size, 500)))
    for turn, end in enumerate(sorted(cuts, reverse=True)):
        os.truncate(made.file, end)
        look(made.named)
        if turn % WALK_EACH == 0:
            walk(made.named)
    assert descriptors() == before


@pytest.mark.parametrize("made", sorted(FORMATS.keys() - APART), indirect=True)
def test_what_is_cut_off_is_never_zero(made: Made) -> None:
    """Wherever the file ends: a page that had bytes has them, or is unknown."""
    random_ = random.Random(SEED + 2)
    size = made.file.stat().st_size
    for end in sorted((random_.randrange(size) for _ in range(60)), reverse=True):
        os.truncate(made.file, end)
        try:
            core = open_core(str(made.named))
        except UniobsError as error:
            one_line(error)
            continue
        if core.kind == "raw":  # cut so short that nothing tells what it was
            core.memory.close()
            continue
        with closing(core.memory) as memory:
            for address, data in PLACES.items():
                try:
                    assert memory.read(address, PAGE) == data or address == REGION
                except UniobsError as error:
                    one_line(error)


def test_memory_stays_bounded(made: Made) -> None:
    """Lengths that lie: what is claimed isn't allocated."""
    before = rss_anon()
    size = made.file.stat().st_size
    with made.file.open("r+b", buffering=0) as file:
        for at in range(0, min(size, 6144), 4):
            for lie in (b"\xff\xff\xff\x7f", b"\0\0\0\x40"):
                kept = os.pread(file.fileno(), 4, at)
                os.pwrite(file.fileno(), lie, at)
                look(made.named)
                os.pwrite(file.fileno(), kept, at)
    assert rss_anon() - before < 64 << 20


def rss_anon() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no RssAnon")
