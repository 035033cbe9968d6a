"""QEMU's dump-guest-memory as ELF, paging:false: guest-physical memory and a note a vCPU.

Source: dump/dump.c and target/i386/arch_dump.c of QEMU.
"""

import struct

from uniobs.cores.core import Core
from uniobs.cores.elf import NT_PRSTATUS, PT_LOAD, ElfCore, Note, prstatus
from uniobs.errors import BadFormat
from uniobs.memory.file import FileMemory
from uniobs.model.guest import Registers

VERSION = 1
SIZE = 432  # without kernel_gs_base, which later versions append
_GENERAL = "rax rbx rcx rdx rsi rdi rsp rbp r8 r9 r10 r11 r12 r13 r14 r15 rip rflags"
GENERAL = _GENERAL.split()
_SEGMENTS = "cs ds es fs gs ss ldt tr gdt idt"
SEGMENTS = _SEGMENTS.split()
CONTROL = 392
CPUS_MAX = 4096


def is_qemu(notes: list[Note]) -> bool:
    return any(note.name == "QEMU" and note.type == 0 for note in notes)


def read(elf: ElfCore, notes: list[Note]) -> Core:
    """Raises BadFormat, for paging:true cores among others."""
    loads = [segment for segment in elf.segments if segment.type == PT_LOAD]
    by_vaddr = any(load.vaddr for load in loads)  # Cloud Hypervisor leaves p_vaddr at 0
    if any((by_vaddr and load.vaddr != load.paddr) or load.filesz != load.memsz for load in loads):
        raise BadFormat(
            f"{elf.path}: taken with paging:true, which QEMU writes wrong; take one with "
            "dump-guest-memory paging=false (uniobs core take does)"
        )
    registers, doubts = vcpus(elf.path, notes)
    memory = FileMemory(elf.fd, elf.blocks(physical=True))
    notices = (f"{elf.path} is cut short: {elf.missing} bytes of memory are missing",) if elf.missing else ()
    return Core("qemu-elf", elf.path, memory, registers, notices=(*notices, *doubts))


def vcpus(path: str, notes: list[Note]) -> tuple[tuple[Registers, ...], list[str]]:
    """(registers of each vCPU, what is doubtful of them in words). Raises BadFormat."""
    states = [note.data for note in notes if note.name == "QEMU" and note.type == 0]
    if len(states) > CPUS_MAX:
        raise BadFormat(f"{path}: {len(states)} vCPUs")
    statuses = [note.data for note in notes if note.name == "CORE" and note.type == NT_PRSTATUS]
    registers, doubts = [], []
    for cpu, state in enumerate(states):
        found = _registers(path, state, cpu)
        doubtful = _contradicted(found, statuses[cpu] if cpu < len(statuses) else b"")
        if doubtful:
            known = {name: value for name, value in found.values.items() if name not in doubtful}
            found = Registers(known, found.source, cpu)
            doubts.append(
                f"{path}: its two notes of vCPU {cpu} disagree on {', '.join(doubtful)}: unknown"
            )
        registers.append(found)
    return tuple(registers), doubts


def _contradicted(registers: Registers, status: bytes) -> list[str]:
    """The registers on which a vCPU's NT_PRSTATUS says other than its QEMU note; all of them when it is
    missing or another vCPU's. QEMU writes both from the same state."""
    parsed = prstatus(status)
    cpu = registers.cpu or 0
    if parsed is None or parsed[0] not in (cpu, cpu + 1):
        return [*GENERAL, "cs", "ss"]
    return [name for name in (*GENERAL, "cs", "ss") if parsed[1].get(name) != registers.values.get(name)]


def _registers(path: str, data: bytes, cpu: int) -> Registers:
    if len(data) < SIZE:
        raise BadFormat(f"{path}: a QEMU note of {len(data)} bytes")
    version, size = struct.unpack_from("<II", data)
    if version != VERSION or size < SIZE:
        raise BadFormat(f"{path}: a QEMU note of version {version} and size {size}")
    values = dict(zip(GENERAL, struct.unpack_from("<18Q", data, 8), strict=True))
    at = 8 + 8 * len(GENERAL)
    for name in SEGMENTS:
        selector, _, _, _, base = struct.unpack_from("<IIIIQ", data, at)
        values[name], values[f"{name}_base"] = selector, base
        at += 24
    for index, value in enumerate(struct.unpack_from("<5Q", data, CONTROL)):
        if index != 1:  # there is no CR1
            values[f"cr{index}"] = value
    return Registers(values, "core note", cpu)
