"""One snapshot in every format that holds physical memory and isn't ELF."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from support.corewriters import (
    Snapshot,
    cloud_hypervisor,
    firecracker,
    kdump,
    lime,
    vmware,
    windows,
)

Writer = Callable[[Path, Snapshot], Path]


def _named(ending: str, write: Callable[..., object], **options: object) -> Writer:
    def named(path: Path, taken: Snapshot) -> Path:
        other = path.with_suffix(ending)
        write(other, taken, **options)
        return other

    return named


def _beside(ending: str, other: str, write: Callable[..., object]) -> Writer:
    """What the user names is the other of two files."""

    def beside(path: Path, taken: Snapshot) -> Path:
        write(path.with_suffix(ending), taken)
        return path.with_suffix(other)

    return beside


def _directory(name: str, objects: bool = False) -> Writer:
    def directory(path: Path, taken: Snapshot) -> Path:
        cloud_hypervisor.write(path, taken, objects)
        return path / name if name else path

    return directory


def _firecracker(version: str, holes: bool, ending: str) -> Writer:
    def snapshot(path: Path, taken: Snapshot) -> Path:
        firecracker.write(path, taken, version, holes)
        return path.with_suffix(ending)

    return snapshot


# name -> a writer that gives what the user names
WRITERS: dict[str, Writer] = {
    **{f"kdump-{kind}": _named(f".{kind}", kdump.write, kind=kind) for kind in kdump.KINDS},
    "kdump-zlib-flat": _named(".zlib", kdump.write_flattened, kind="zlib"),
    "kdump-lzo-flat": _named(".lzo", kdump.write_flattened, kind="lzo"),
    "kdump-without-zeros": _named(".kdump", kdump.write, leave_out_zeros=True),
    "lime": _named(".lime", lime.write),
    "windows": _named(".dmp", windows.write),
    "windows-bitmap": _named(".dmp", windows.write, bitmap=True),
    "cloud-hypervisor": _directory(""),
    "cloud-hypervisor-state": _directory("state.json", objects=True),
    "cloud-hypervisor-memory": _directory("memory-ranges"),
    "vmware": _named(".vmss", vmware.write),
    "vmware-inside": _named(".vmsn", partial(vmware.write, inside=True, blocks=True)),
    "vmware-vmem": _beside(".vmss", ".vmem", vmware.write),
    "firecracker-memory": _firecracker("8.0.0", False, ".mem"),
    "firecracker-state": _firecracker("8.0.0", False, ".state"),
}
