"""VirtualBox's dumpvmcore: guest-physical memory, a note of the VM and one a vCPU.

Source: include/VBox/vmm/dbgfcorefmt.h and src/VBox/VMM/VMMR3/DBGFCoreWrite.cpp of VirtualBox. p_vaddr is 0
throughout; ranges of devices have a size in memory and none in the file.
"""

import struct
from typing import Final

from uniobs.cores.core import Core
from uniobs.cores.elf import ElfCore, Note
from uniobs.errors import BadFormat
from uniobs.model.guest import Registers

KIND: Final = "virtualbox"
NT_CORE, NT_CPU = 0xB00, 0xB01
DESCRIPTOR = struct.Struct("<IIIIII")  # magic, format, its size, version, revision, vCPUs
MAGIC: Final = 0xC01AC0DE
FORMATS: Final = (0x10004, 0x10005, 0x10006)  # up to the MSRs their layouts are the same
SIZE: Final = 544  # up to KERNEL_GS_BASE
_GENERAL = "rax rbx rcx rdx rsi rdi r8 r9 r10 r11 r12 r13 r14 r15 rip rsp rbp rflags"
GENERAL = _GENERAL.split()
SELECTOR = struct.Struct("<QIIHHI")  # base, limit, attributes, selector, reserved
SELECTORS: Final = {"cs": 144, "ds": 168, "es": 192, "fs": 216, "gs": 240, "ss": 264, "ldt": 416, "tr": 440}
WORDS: Final = {
    **{"cr0": 288, "cr2": 296, "cr3": 304, "cr4": 312, "gdt_base": 384, "idt_base": 400},
    **{"efer": 488, "kernel_gs_base": 536},
}


def read(elf: ElfCore, notes: list[Note]) -> Core:
    """Raises BadFormat."""
    about = next((note.data for note in notes if note.name == "VBCORE" and note.type == NT_CORE), b"")
    if len(about) < DESCRIPTOR.size:
        raise BadFormat(f"{elf.path}: a garbled core of VirtualBox")
    magic, version, _, _, _, cpus = DESCRIPTOR.unpack_from(about)
    if magic != MAGIC:
        raise BadFormat(f"{elf.path}: a garbled core of VirtualBox (its magic is {magic:#x})")
    if version not in FORMATS:
        raise BadFormat(f"{elf.path}: a core of VirtualBox of format {version:#x}, whose layout isn't known")
    states = [note.data for note in notes if note.name == "VBCPU" and note.type == NT_CPU]
    if len(states) != cpus:
        raise BadFormat(f"{elf.path}: {len(states)} of {cpus} vCPUs in this core of VirtualBox")
    registers = tuple(_registers(elf.path, state, cpu) for cpu, state in enumerate(states))
    memory = elf.memory(physical=True)
    return Core(KIND, elf.path, memory, registers, notices=elf.cut_notice())


def _registers(path: str, data: bytes, cpu: int) -> Registers:
    if len(data) < SIZE:
        raise BadFormat(f"{path}: registers of {len(data)} bytes in this core of VirtualBox")
    values = dict(zip(GENERAL, struct.unpack_from(f"<{len(GENERAL)}Q", data), strict=True))
    for name, at in SELECTORS.items():
        base, _, _, selector, _, _ = SELECTOR.unpack_from(data, at)
        values[name], values[f"{name}_base"] = selector, base
    for name, at in WORDS.items():
        (values[name],) = struct.unpack_from("<Q", data, at)
    return Registers(values, "core note", cpu)
