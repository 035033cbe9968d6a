"""Cloud Hypervisor's snapshots: config.json, state.json, memory-ranges."""

import json
import struct
from pathlib import Path
from typing import Any

from support.corewriters import Snapshot, kvm, put


def _object(regs: bytes, sregs: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """As versions wrote them whose KVM structs were JSON objects."""
    general = dict(zip(kvm.GENERAL, struct.unpack("<18Q", regs), strict=True))
    special: dict[str, Any] = {}
    for number, name in enumerate("cs ds es fs gs ss tr ldt".split()):
        base, limit, selector = struct.unpack_from("<QIH", sregs, 24 * number)
        special[name] = {"base": base, "limit": limit, "selector": selector}
    for number, name in enumerate(("gdt", "idt")):
        base, limit = struct.unpack_from("<QH", sregs, 192 + 16 * number)
        special[name] = {"base": base, "limit": limit}
    control = struct.unpack_from("<6Q", sregs, 224)
    special.update(zip(("cr0", "cr2", "cr3", "cr4", "cr8", "efer"), control, strict=True))
    return general, special


def state(taken: Snapshot, objects: bool = False) -> dict[str, Any]:
    def leaf(value: Any) -> dict[str, Any]:
        return {"snapshots": {}, "snapshot_data": {"state": json.dumps(value)}}

    ranges = [{"gpa": block.start, "length": block.size} for block in taken.blocks]
    cpus = {}
    for number, known in enumerate(taken.registers):
        regs: Any = kvm.regs(known)
        sregs: Any = kvm.sregs(known)
        regs, sregs = _object(regs, sregs) if objects else (list(regs), list(sregs))
        cpus[str(number)] = leaf({"Kvm": {"cpuid": [], "msrs": [], "regs": regs, "sregs": sregs}})
    return {
        "snapshots": {
            "cpu-manager": {"snapshots": cpus, "snapshot_data": None},
            "memory-manager": leaf({"memory_ranges": {"data": ranges}, "boot_ram": 0}),
        },
        "snapshot_data": None,
    }


def write(directory: Path, taken: Snapshot, objects: bool = False) -> None:
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps({"cpus": {"boot_vcpus": len(taken.registers)}}))
    (directory / "state.json").write_text(json.dumps(state(taken, objects), separators=(",", ":")))
    with (directory / "memory-ranges").open("wb") as file:
        at = 0
        for block in taken.blocks:
            put(file, at, taken, block.start, block.size)
            at += block.size
