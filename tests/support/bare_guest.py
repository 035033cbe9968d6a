"""A guest of a few hundred bytes, assembled and booted at test time, that carries a region made here."""

import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.region_builder import RegionBuilder
from uniobs.errors import TargetError
from uniobs.region import _abi
from uniobs.target import open_target, qmp

HERE = Path(__file__).resolve().parent
QEMU = "qemu-system-x86_64"
LOAD = 0x100000
REGION = 0x400000
MARK = 0x1122334455667788  # in r15 from long mode on
HIGH_MARK = 0x4242424242424242  # at 4 GiB, when built with HIGH_MARK

needs_qemu = pytest.mark.skipif(
    not shutil.which(QEMU) or not shutil.which("gcc"), reason="needs QEMU and gcc"
)


def region_blob(
    address: int = REGION,
    state: int = _abi.STATE_RUNNING,
    *,
    idle: bool = True,
    live: Mapping[str, int] | None = None,
    stack: tuple[int, int] = (0, 0),
    **header: int | bytes,
) -> bytes:
    """A region with one thread, which is on the CPU; ``header`` and ``live`` replace fields."""
    fields = {"boot_id": bytes(range(16)), "kernel": b"bare", "app": b"", "image_id": b"", "image_id_len": 0}
    region = RegionBuilder(address, **{**fields, **header})
    flags = _abi.THREAD_FLAG_IDLE if idle else 0
    name = b"idle" if idle else b"busy"
    low, high = stack
    state_ = _abi.THREAD_STATE_RUNNING
    region.thread(tid=1, state=state_, flags=flags, name=name, stack_lo=low, stack_hi=high)
    region.live = {"state": state, "beat_count": 1, "beat_tsc": 1, "current_tid": 1, **(live or {})}
    return region.build()


def build(directory: Path, region: bytes | None = None, defines: tuple[str, ...] = ()) -> Path:
    """Assemble the guest in ``directory``; its ELF."""
    blob = directory / "region.bin"
    blob.write_bytes(region_blob() if region is None else region)
    elf = directory / "bare.elf"
    subprocess.run(
        ["gcc", "-nostdlib", "-static", "-no-pie", "-Wl,--build-id", f"-Wl,-Ttext-segment={LOAD:#x}",
         f"-Wl,--section-start=.region={REGION:#x}", "-Wl,-e,_start", "-Wl,-z,noexecstack", 
         f'-DREGION="{blob}"', *(f"-D{define}" for define in defines), "-o", elf, HERE / "bare.S"],
        check=True, capture_output=True,
    )  # fmt: skip
    return elf


@dataclass(frozen=True)
class Booted:
    pid: int
    name: str
    qmp: str
    elf: Path
    process: "subprocess.Popen[bytes]"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def boot(
    directory: Path, *options: str, machine: str = "microvm", memory: str = "64M", name: str = "bare",
    region: bytes | None = None, defines: tuple[str, ...] = (), qmp: bool = True,
    region_expected: bool = True,
) -> Iterator[Booted]:  # fmt: skip
    """Boot it, wait until it halts in long mode, and kill it at the end."""
    elf = build(directory, region, defines)
    socket = str(directory / "qmp.sock")
    control = ("-qmp", f"unix:{socket},server=on,wait=off") if qmp else ()
    process = subprocess.Popen(
        [QEMU, "-accel", "tcg", "-cpu", "max", "-M", machine, "-m", memory, "-kernel", elf, "-name", name,
         "-nodefaults", "-no-user-config", "-display", "none", "-serial", "none", *control, *options],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0,
    )  # fmt: skip
    try:
        if region_expected:
            _wait_for_region(process.pid)
        yield Booted(process.pid, name, socket, elf, process)
    finally:
        process.kill()
        process.wait()


def _wait_for_region(pid: int) -> None:
    """Until the loader put the guest's image into its RAM."""
    end = time.monotonic() + 15
    while time.monotonic() < end:
        with suppress(TargetError), closing(open_target(str(pid))) as target:
            if target.region is not None:
                return
        time.sleep(0.05)
    raise AssertionError("the bare guest didn't come up")


def wait_until_halted(guest: Booted) -> None:
    """Until it runs in long mode and halts."""
    end = time.monotonic() + 15
    while time.monotonic() < end:
        with suppress(TargetError), qmp.opened(guest.qmp) as monitor:
            values = monitor.registers()[0].values
            if values.get("halted") and values.get("r15") == MARK:
                return
        time.sleep(0.05)
    raise AssertionError("the bare guest didn't come to its hlt")
