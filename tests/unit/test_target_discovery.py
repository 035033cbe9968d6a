"""Guests found, opened and lost: a bare guest on a real QEMU."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from support.bare_guest import (
    HIGH_MARK,
    REGION,
    Booted,
    boot,
    needs_qemu,
    region_blob,
    wait_until_halted,
)
from uniobs.errors import (
    BadFormat,
    ImageMismatch,
    NoSuchTarget,
    NotOffered,
    TargetError,
    TargetGone,
    UsageError,
)
from uniobs.memory.file import FileMemory
from uniobs.memory.process import ProcessMemory
from uniobs.region import _abi
from uniobs.target import find_guests, open_target, qmp
from uniobs.target.backend import MEMORY_FS, file_system

pytestmark = [pytest.mark.live, pytest.mark.timeout(120), needs_qemu]
GIB = 1 << 30
NAME = f"bare-{os.getpid()}"


@pytest.fixture(scope="module", params=["microvm", "q35"])
def guest(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    directory = tmp_path_factory.mktemp("bare")
    with boot(directory, machine=request.param, name=f"{NAME},process=odd") as found:
        wait_until_halted(found)
        yield found


def test_it_is_found(guest: Booted) -> None:
    (info,) = [info for info in find_guests() if info.pid == guest.pid]
    assert (info.name, info.memory, info.kernel, info.qmp) == (NAME, 64 << 20, str(guest.elf), guest.qmp)
    assert info.vmm in ("qemu microvm", "qemu q35")


@pytest.mark.parametrize("by", ["name", "pid"])
def test_it_is_opened(guest: Booted, by: str) -> None:
    with closing(open_target(NAME if by == "name" else str(guest.pid))) as target:
        assert (target.kind, target.pid, target.live, target.name) == ("vm", guest.pid, True, NAME)
        assert isinstance(target.memory, ProcessMemory)
        assert target.region is not None
        assert target.region.address == REGION
        assert target.memory.read(REGION, len(region_blob())) == region_blob()
        (registers,) = target.registers()
        assert target.space.translate(registers.values["rip"]) == registers.values["rip"]
        assert target.status().state == "live"
        (thread,) = target.walker("threads").threads()
        stack = target.stack(thread)
        assert stack.error is None
        assert stack.frames[0].function == "spin"
        assert [module.name for module in target.modules] == ["bare.elf"]
        with pytest.raises(NotOffered):
            target.walker("sockets")
        assert target.notices == []


def test_its_ram_is_where_qemu_says(guest: Booted) -> None:
    with qmp.opened(guest.qmp) as monitor, closing(open_target(str(guest.pid))) as target:
        assert isinstance(target.memory, ProcessMemory)
        assert monitor.host_address(REGION) == target.memory.blocks[0].where + REGION


def test_an_image_that_is_not_it(guest: Booted) -> None:
    with (
        closing(open_target(str(guest.pid), images=["/bin/true"])) as target,
        pytest.raises((ImageMismatch, TargetError)),
    ):
        _ = target.modules


def test_qmp_in_use(guest: Booted) -> None:
    with qmp.opened(guest.qmp), closing(open_target(str(guest.pid))) as target:
        begun = time.monotonic()
        with pytest.raises(NotOffered, match="QMP in use"):
            target.registers()
        assert time.monotonic() - begun < 2
        (thread,) = target.walker("threads").threads()
        assert "QMP in use" in (target.stack(thread).error or "")
        assert target.space.translate(REGION) == REGION  # the identity that the region states


def test_names_that_mean_nothing(guest: Booted, tmp_path: Path) -> None:
    with pytest.raises(NoSuchTarget, match=r"no guest, pid or file named nosuch; guests here: .*\(pid \d+\)"):
        open_target("nosuch")
    with pytest.raises(NoSuchTarget, match="there is no process"):
        open_target("4194305")
    with pytest.raises(TargetError, match=rf"pid {os.getpid()} \(.*\) is no VMM"):
        open_target(str(os.getpid()))
    with pytest.raises(TargetError, match="a directory without a snapshot"):
        open_target(str(tmp_path))


def test_two_of_one_name(guest: Booted, tmp_path: Path) -> None:
    with boot(tmp_path, name=NAME) as other, pytest.raises(UsageError, match="2 guests") as caught:
        open_target(NAME)
    assert str(other.pid) in str(caught.value)
    assert str(guest.pid) in str(caught.value)


@pytest.mark.parametrize(("machine", "memory", "low"), [("microvm", 3200, 3 * GIB), ("q35", 2900, 2 * GIB)])
def test_ram_above_4_gib(tmp_path: Path, machine: str, memory: int, low: int) -> None:
    with boot(tmp_path, machine=machine, memory=f"{memory}M", defines=("HIGH_MARK",)) as guest:
        wait_until_halted(guest)
        with closing(open_target(str(guest.pid))) as target, qmp.opened(guest.qmp) as monitor:
            assert int.from_bytes(target.memory.read(4 * GIB, 8), "little") == HIGH_MARK
            first, second = target.memory.ranges()
            assert (first.size, second.start) == (low, 4 * GIB)
            assert isinstance(target.memory, ProcessMemory)
            assert monitor.host_address(4 * GIB) == target.memory.blocks[1].where
            assert monitor.host_address(low - 4096) == target.memory.blocks[0].where + low - 4096


def test_it_dies_between_two_reads(tmp_path: Path) -> None:
    with boot(tmp_path) as guest, closing(open_target(str(guest.pid))) as target:
        assert target.region is not None
        guest.kill()
        with pytest.raises(TargetGone):
            target.memory.read(REGION, 16)
        assert (target.status().state, target.status().reason) == ("dead", "VMM gone")


def test_shared_ram_live_and_after_its_vmm_was_killed(tmp_path: Path) -> None:
    ram = Path(f"/dev/shm/uniobs-test-{os.getpid()}.ram")
    backend = f"memory-backend-file,id=mem,mem-path={ram},share=on,size=64M"
    try:
        with boot(tmp_path, "-object", backend, "-machine", "memory-backend=mem") as guest:
            wait_until_halted(guest)
            before = ram.stat().st_blocks
            with closing(open_target(str(ram))) as target:
                assert (target.kind, target.pid) == ("vm", guest.pid)
                assert isinstance(target.memory, FileMemory)
                assert target.region is not None
                assert target.status().state == "live"
                target.memory.read(0, 64 << 20)
            assert ram.stat().st_blocks == before
            guest.kill()
        with closing(open_target(str(ram))) as target:
            assert (target.kind, target.live) == ("memory", False)
            assert target.region is not None
            assert target.memory.read(REGION, len(region_blob())) == region_blob()
            status = target.status()
            assert (status.state, status.snapshot) == ("dead", True)
            assert "VMM gone" in status.reason
            with pytest.raises(NotOffered):
                target.registers()
        with ram.open("r+b"), closing(open_target(str(ram))) as target:  # somebody that we know nothing of
            assert target.status().state != "dead"
        assert ram.stat().st_blocks == before
        copy = Path("/var/tmp") / ram.name  # who made it may still run
        if file_system("/var/tmp") not in MEMORY_FS:
            try:
                shutil.copy(ram, copy)
                with closing(open_target(str(copy))) as target:
                    assert target.status().snapshot and target.status().state != "dead"
            finally:
                copy.unlink(missing_ok=True)
    finally:
        ram.unlink(missing_ok=True)


def test_a_garbled_region_is_said(tmp_path: Path) -> None:
    blob = bytearray(region_blob())
    ram = tmp_path / "ram"
    ram.write_bytes(bytes(REGION) + bytes(blob))
    with closing(open_target(str(ram))) as target:
        assert target.region is not None
    blob[_abi.HEADER_OFFSETS["tsc_khz"]] ^= 1
    ram.write_bytes(bytes(REGION) + bytes(blob))
    with closing(open_target(str(ram))) as target:
        for _ in range(2):
            with pytest.raises(BadFormat, match="checksum"):
                _ = target.region
        assert target.status().state in ("unknown", "dead")


HOSTED = """
import ctypes, mmap, os, sys
fd = os.memfd_create("uniobs-region")
os.truncate(fd, 4096)
m = mmap.mmap(fd, 4096)
address = ctypes.addressof(ctypes.c_char.from_buffer(m))
print(address, flush=True)
m[:] = bytes.fromhex(sys.stdin.readline())
print("there", flush=True)
sys.stdin.read()
"""


def test_a_hosted_guest(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOSTED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        address = int(process.stdout.readline())
        blob = region_blob(address, flags=_abi.FLAG_HOSTED, os_pid=process.pid)
        process.stdin.write(blob.hex() + "\n")
        process.stdin.flush()
        process.stdout.readline()
        assert process.pid in [info.pid for info in find_guests() if info.kind == "process"]
        with closing(open_target(str(process.pid))) as target:
            assert (target.kind, target.vmm) == ("process", "hosted")
            assert target.region is not None
            assert target.region.address == address
            assert target.space.read(address, 16) == _abi.MAGIC
            assert target.status().state == "live"
            process.kill()
            process.wait()
            assert target.status(watch=0).reason == "its process is gone"
