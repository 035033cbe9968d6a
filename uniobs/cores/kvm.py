"""A vCPU as KVM gives it to VMMs: struct kvm_regs and struct kvm_sregs (arch/x86/include/uapi/asm/kvm.h)."""

import struct
from collections.abc import Mapping
from typing import Any

from uniobs.cores.qemu_elf import GENERAL

REGS = struct.Struct("<18Q")  # in the order of GENERAL
SEGMENT = struct.Struct("<QIH10x")  # base, limit, selector, ...
TABLE = struct.Struct("<QH6x")  # base, limit
SEGMENTS = "cs ds es fs gs ss tr ldt".split()
TABLES = ("gdt", "idt")
CONTROL = struct.Struct("<QQQQ8xQ")  # cr8 is left out
CONTROL_NAMES = ("cr0", "cr2", "cr3", "cr4", "efer")
SREGS_SIZE = 312


def registers(regs: bytes, sregs: bytes) -> dict[str, int]:
    """By uniobs' names; of exactly REGS.size and SREGS_SIZE bytes."""
    values = dict(zip(GENERAL, REGS.unpack(regs), strict=True))
    at = 0
    for name in SEGMENTS:
        values[f"{name}_base"], _, values[name] = SEGMENT.unpack_from(sregs, at)
        at += SEGMENT.size
    for name in TABLES:
        values[f"{name}_base"], _ = TABLE.unpack_from(sregs, at)
        at += TABLE.size
    values.update(zip(CONTROL_NAMES, CONTROL.unpack_from(sregs, at), strict=True))
    return values


def named_registers(regs: Mapping[str, Any], sregs: Mapping[str, Any]) -> dict[str, int]:
    """The same from objects with the structs' members. Raises KeyError, TypeError or ValueError."""
    values = {name: _u64(regs[name]) for name in GENERAL}
    for name in SEGMENTS:
        values[f"{name}_base"], values[name] = _u64(sregs[name]["base"]), _u64(sregs[name]["selector"])
    for name in TABLES:
        values[f"{name}_base"] = _u64(sregs[name]["base"])
    for name in CONTROL_NAMES:
        values[name] = _u64(sregs[name])
    return values


def _u64(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 64:
        raise ValueError("no 64-bit number")
    return value
