"""The core that Nanos writes of its program to its own disk, taken from there: the stacks are gdb's. Skipped
without $UNIOBS_GUESTS, or its mkfs."""

import mmap
import os
import struct
import subprocess
from pathlib import Path

import pytest

from support.cli import uniobs
from support.nanos import image, needs_nanos
from support.real_guests import VARIABLE
from tests.live.test_process_cores import gdb_stacks

MKFS = Path(os.environ.get(VARIABLE, "/nonexistent")) / "src/nanos/output/tools/bin/mkfs"
pytestmark = [
    needs_nanos,
    pytest.mark.skipif(not MKFS.exists(), reason="no mkfs of Nanos"),
    pytest.mark.live,
    pytest.mark.timeout(180),
]
EHDR = struct.Struct("<16sHHIQQQIHHHHHH")


def disk(program: Path, path: Path) -> None:
    manifest = (
        f"(children:(obsprog:(contents:(host:{program}))) program:/obsprog arguments:[obsprog crash 300]"
        " environment:(USER:root PWD:/) coredumplimit:64M)"
    )
    boot, kernel = image("boot.img"), image("kernel.img")
    command = [MKFS, "-b", boot, "-k", kernel, path]
    subprocess.run(command, input=manifest, text=True, check=True, capture_output=True)


def run(path: Path) -> None:
    """Until it has crashed, dumped and ended."""
    drive = f"if=none,id=hd0,format=raw,file={path}"
    command = ["qemu-system-x86_64", "-machine", "q35", "-accel", "tcg", "-cpu", "max", "-m", "256"]
    command += ["-display", "none", "-vga", "none", "-no-reboot", "-serial", "none", "-drive", drive]
    command += ["-device", "virtio-scsi-pci,id=scsi0", "-device", "scsi-hd,bus=scsi0.0,drive=hd0"]
    command += ["-device", "virtio-rng-pci", "-device", "isa-debug-exit"]
    subprocess.run(command, check=False, timeout=120, stdin=subprocess.DEVNULL, capture_output=True)


def core_on(path: Path) -> bytes:
    """The one ELF core of the disk; its file lies in one piece."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data:
        at = -1
        while (at := data.find(b"\x7fELF\2\1\1\3", at + 1)) >= 0:
            header = EHDR.unpack_from(data, at)
            if header[1] == 4:
                rows = struct.iter_unpack("<IIQQQQQQ", data[at + 64 : at + 64 + 56 * header[10]])
                return data[at : at + max(row[2] + row[5] for row in rows)]
    raise AssertionError("no core on the disk")


@pytest.mark.parametrize("name", ["obsprog", "obsprog-pie"])
def test_stacks_and_cause(name: str, tmp_path: Path) -> None:
    program, core = image(name), tmp_path / "core"
    disk(program, tmp_path / "disk")
    run(tmp_path / "disk")
    core.write_bytes(core_on(tmp_path / "disk"))
    rows = uniobs("bt", "--json", "--image", program, core).rows
    mine = {"deref", "crash_here", "worker_a", "worker_b", "serve", "ticker", "main"}
    seen = {
        row["tid"]: [f["function"] for f in row["frames"] if f["function"] in mine and f["trust"] != "scan"]
        for row in rows
    }
    assert seen == gdb_stacks(program, core, mine)
    assert ["deref", "crash_here", "worker_a"] in seen.values()
    why = uniobs("why", "--image", program, core, expect=1).out
    assert "is DEAD: page fault in deref (obsprog.c:" in why
    assert "access to 0x0: a null pointer" in why
    (tmp_path / "disk").unlink()
