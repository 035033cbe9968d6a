"""A guest of a few hundred bytes, assembled and booted at test time, that carries a region made here."""

import shutil
import subprocess
import time
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

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


def region_blob(address: int = REGION, state: int = _abi.STATE_RUNNING, **header: int | bytes) -> bytes:
    """A region with a thread table of two rows and nothing else; ``header`` replaces fields."""
    section = _abi.Section(_abi.SECTION_THREADS, 0, 1024, 2 * _abi.THREAD_SIZE, _abi.THREAD_SIZE, 2)
    directory = _abi.SECTION.pack(*section)
    fields: dict[str, int | bytes] = dict.fromkeys(_abi.Header._fields, 0)
    for name, value in fields.items():
        if name in ("magic", "boot_id", "image_id", "kernel", "app", "switch_regs", "reserved"):
            fields[name] = b""
        else:
            fields[name] = value
    fields |= {
        "magic": _abi.MAGIC, "major": _abi.MAJOR, "header_size": _abi.HEADER_SIZE, "self_pa": address,
        "self_va": address, "size": 8192, "section_count": 1, "cpu_count": 1, "tsc_khz": 1_000_000,
        "boot_id": bytes(range(16)), "kernel": b"bare", "anchor_tsc": 1, "anchor_wall_ns": 1,
    } | header  # fmt: skip
    head = bytearray(_abi.HEADER.pack(*fields.values()))
    crc = zlib.crc32(directory, zlib.crc32(head[: _abi.HEADER_OFFSETS["crc"]]))
    head[-4:] = crc.to_bytes(4, "little")
    live = _abi.HEADER_LIVE.pack(state, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, b"")
    blob = (bytes(head) + live).ljust(_abi.DIRECTORY_OFFSET, b"\0") + directory
    row = dict.fromkeys(_abi.Thread._fields, 0) | {
        "tid": 1, "state": _abi.THREAD_STATE_RUNNING, "flags": _abi.THREAD_FLAG_IDLE, "name": b"idle",
        "reserved": b"",
    }  # fmt: skip
    return (blob.ljust(1024, b"\0") + _abi.THREAD.pack(*row.values())).ljust(8192, b"\0")


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
