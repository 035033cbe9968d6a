"""QEMU's dump-guest-memory as ELF, paging:false: guest-physical memory and two notes a vCPU.

Source: dump/dump.c and target/i386/arch_dump.c of QEMU. Cloud Hypervisor writes the same notes
(vmm/src/coredump.rs and cpu.rs), but p_vaddr 0 on every segment, and counts its vCPUs from 0.
"""

import struct

from uniobs.cores.core import Core
from uniobs.cores.elf import NT_PRSTATUS, PT_LOAD, ElfCore, Note, prstatus
from uniobs.errors import BadFormat
from uniobs.model.guest import Registers

KIND = "qemu-elf"
CLOUD_HYPERVISOR = "cloud-hypervisor-elf"
VERSION = 1
SIZE = 432  # without kernel_gs_base, which later versions append
_GENERAL = "rax rbx rcx rdx rsi rdi rsp rbp r8 r9 r10 r11 r12 r13 r14 r15 rip rflags"
GENERAL = _GENERAL.split()
_SEGMENTS = "cs ds es fs gs ss ldt tr gdt idt"
SEGMENTS = _SEGMENTS.split()
CONTROL = 392
KERNEL_GS_BASE = 432
CPUS_MAX = 4096


def is_qemu(notes: list[Note]) -> bool:
    return any(note.name == "QEMU" and note.type == 0 for note in notes)


def read(elf: ElfCore, notes: list[Note]) -> Core:
    """Raises BadFormat, for paging:true cores among others."""
    statuses = [note.data for note in notes if note.name == "CORE" and note.type == NT_PRSTATUS]
    kind = check_flat(elf, statuses)
    registers, doubts = vcpus(elf.path, notes, first=0 if kind == CLOUD_HYPERVISOR else 1)
    memory = elf.memory(physical=True)
    return Core(kind, elf.path, memory, registers, notices=(*elf.cut_notice(), *doubts))


def vcpus(path: str, notes: list[Note], first: int = 1) -> tuple[tuple[Registers, ...], list[str]]:
    """(registers of each vCPU, what is doubtful of them in words). ``first``: the pid of vCPU 0's note.

    Raises BadFormat.
    """
    statuses = [note.data for note in notes if note.name == "CORE" and note.type == NT_PRSTATUS]
    states = [note.data for note in notes if note.name == "QEMU" and note.type == 0]
    if len(states) > CPUS_MAX:
        raise BadFormat(f"{path}: {len(states)} vCPUs")
    registers, doubts = [], []
    for cpu, state in enumerate(states):
        found = _registers(path, state, cpu)
        doubtful = _contradicted(found, statuses[cpu] if cpu < len(statuses) else b"", cpu + first)
        if doubtful:
            known = {name: value for name, value in found.values.items() if name not in doubtful}
            found = Registers(known, found.source, cpu)
            doubts.append(
                f"{path}: its two notes of vCPU {cpu} disagree on {', '.join(doubtful)}: unknown"
            )
        registers.append(found)
    return tuple(registers), doubts


def check_flat(elf: ElfCore, statuses: list[bytes]) -> str:
    """Which of the two wrote it. Raises BadFormat when memory isn't by physical address (paging:true)."""
    by_vaddr = differs = False
    for load in elf.segments:
        if load.type == PT_LOAD:
            by_vaddr = by_vaddr or bool(load.vaddr)
            differs = differs or load.vaddr != load.paddr
            if load.filesz != load.memsz or (by_vaddr and differs):
                raise BadFormat(
                    f"{elf.path}: taken with paging:true, which QEMU writes wrong; take one with "
                    "dump-guest-memory paging=false (uniobs core take does)"
                )
    pids = [found[0] for status in statuses if (found := prstatus(status)) is not None]
    return CLOUD_HYPERVISOR if not by_vaddr and pids[:1] == [0] else KIND


def _contradicted(registers: Registers, status: bytes, pid: int) -> list[str]:
    """The registers on which a vCPU's NT_PRSTATUS says other than its QEMU note; all of them when it is
    missing or another vCPU's. Both are written from the same state."""
    parsed = prstatus(status)
    if parsed is None or parsed[0] != pid:
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
        if index != 1:  # there is no CR1; Cloud Hypervisor puts CR8 there
            values[f"cr{index}"] = value
    if min(len(data), size) >= KERNEL_GS_BASE + 8:
        (values["kernel_gs_base"],) = struct.unpack_from("<Q", data, KERNEL_GS_BASE)
    return Registers(values, "core note", cpu)
