"""A 1 GiB core of each ELF-like format, sparse, looked at as a command would: in 64 MiB of own memory."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support.bare_guest import region_blob
from support.corewriters import PAGE, Snapshot, elf, sparse, xen
from support.ownmemory import LIMIT, own_memory

GIB, MIB = 1 << 30, 1 << 20
REGION = GIB - 16 * MIB
REGISTERS = {"rip": 0x100000, "rsp": 0x200000, "cr0": 0x11}  # paging off: physical is virtual


def qemu_many(path: Path, taken: Snapshot) -> Path:
    """120,000 segments of a page each, none beside another, and the region's."""
    apart = [(at * 2 * PAGE, PAGE) for at in range(120_000)]
    many = sparse([*apart, (REGION, 16 * MIB)], taken.contents, taken.registers)
    return elf.write_qemu(path, many, many=True)


def xen_apart(path: Path, taken: Snapshot) -> Path:
    apart = [(at * 2 * PAGE, PAGE) for at in range(120_000)]
    many = sparse([*apart, (REGION, 16 * MIB)], taken.contents, taken.registers)
    return xen.write(path, many)


FORMATS: dict[str, Callable[[Path, Snapshot], Path]] = {
    "QEMU": elf.write_qemu,
    "QEMU, 120001 segments": qemu_many,
    "Cloud Hypervisor": elf.write_cloud_hypervisor,
    "VirtualBox": elf.write_virtualbox,
    "Xen HVM": xen.write,
    "Xen HVM in pieces": xen_apart,
    "Xen PV": lambda path, taken: xen.write(path, taken, gmfn=lambda pfn: 0x80000 + (pfn * 37) % (1 << 18)),
    "solo5-hvt": elf.write_solo5,
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("format", FORMATS)
def test_own_memory(format: str, tmp_path: Path) -> None:
    taken = sparse([(0, GIB)], [(REGION, region_blob(REGION))], [REGISTERS])
    path = FORMATS[format](tmp_path / "core", taken)
    assert path.stat().st_size > (GIB if "pieces" not in format and "segments" not in format else GIB // 4)
    assert 1 < own_memory(path, REGION) < LIMIT


@pytest.mark.timeout(60)
def test_page_tables_of_a_pv_guest(tmp_path: Path) -> None:
    """Looking frames up in 262,144 of them."""
    path = FORMATS["Xen PV"](tmp_path / "core", sparse([(0, GIB)], registers=[REGISTERS]))
    ask = """
import sys
from uniobs.cores import open_core
core = open_core(sys.argv[1])
for pfn in (0, 5, 262143):
    assert core.frames((0x80000 + pfn * 37 % (1 << 18)) << 12 | 5) == pfn << 12 | 5
print(next(row.split()[1] for row in open("/proc/self/status") if row.startswith("RssAnon")))
"""
    done = subprocess.run([sys.executable, "-c", ask, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < LIMIT
