"""ELF cores of VMMs: QEMU, Cloud Hypervisor, VirtualBox, solo5-hvt. Deliberately apart from the readers."""

import struct
from collections.abc import Sequence
from pathlib import Path

from support.corewriters import Snapshot, put

USER = (
    "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi - rip cs rflags rsp ss "
    "fs_base gs_base ds es fs gs"
)
QEMU = "rax rbx rcx rdx rsi rdi rsp rbp r8 r9 r10 r11 r12 r13 r14 r15 rip rflags"
SEGMENTS = "cs ds es fs gs ss ldt tr gdt idt"
VBOX = "rax rbx rcx rdx rsi rdi r8 r9 r10 r11 r12 r13 r14 r15 rip rsp rbp rflags"
Registers = dict[str, int]
LONG_MODE = 0x500  # EFER, which QEMU's cores don't have: LME, LMA


def note(name: bytes, kind: int, data: bytes, namesz: int = 0) -> bytes:
    padded = name.ljust((len(name) + 1 + 3) & ~3, b"\0")
    padded = padded.ljust((namesz + 3) & ~3, b"\0")
    body = padded + data.ljust((len(data) + 3) & ~3, b"\0")
    return struct.pack("<III", namesz or len(name) + 1, len(data), kind) + body


def words(names: str, values: Registers) -> bytes:
    picked = [values.get(name, 0) for name in names.split()]
    return struct.pack(f"<{len(picked)}Q", *picked)


def prstatus(pid: int, values: Registers) -> bytes:
    return bytes(32) + struct.pack("<i", pid) + bytes(76) + words(USER, values) + bytes(8)


def qemu_state(values: Registers, size: int = 440) -> bytes:
    out = struct.pack("<II", 1, size) + words(QEMU, values)
    for name in SEGMENTS.split():
        out += struct.pack("<IIIIQ", values.get(name, 0), 0xFFFFF, 0, 0, values.get(f"{name}_base", 0))
    out += words("cr0 - cr2 cr3 cr4 kernel_gs_base", values)
    return out[:size]


def write(
    path: Path,
    taken: Snapshot,
    notes: bytes,
    *,
    vaddr: bool = False,
    ehsize: int = 64,
    osabi: int = 0,
    machine: int = 62,
    many: bool = False,
    also: Sequence[tuple[int, int]] = (),
    align: int = 1,
) -> Path:
    """``also``: (physical address, size) of segments without bytes in the file. ``many``: PN_XNUM."""
    count = 1 + len(taken.blocks) + len(also)
    table = 64 + (64 if many else 0)
    notes_at = table + 56 * count
    at = -(-(notes_at + len(notes)) // align) * align
    rows = [(4, 0, notes_at, 0, 0, len(notes), len(notes), 0)]
    offsets = []
    for start, size in taken.blocks:
        rows.append((1, 0, at, start if vaddr else 0, start, size, size, 0))
        offsets.append(at)
        at += size
    rows += [(1, 0, at, 0, start, 0, size, 0) for start, size in also]
    ident = b"\x7fELF\2\1\1" + bytes((osabi,))
    shape = (64 if many else 0, 0, ehsize, 56, 0xFFFF if many else count, 64 if many else 0, int(many), 0)
    head = struct.pack("<16sHHIQQQIHHHHHH", ident, 4, machine, 1, 0, table, *shape)
    section = struct.pack("<IIQQQQIIQQ", 0, 0, 0, 0, 0, 0, 0, count, 0, 0) if many else b""
    with path.open("wb") as file:
        file.write(head + section + b"".join(struct.pack("<IIQQQQQQ", *row) for row in rows) + notes)
        for (start, size), offset in zip(taken.blocks, offsets, strict=True):
            put(file, offset, taken, start, size)
    return path


def write_qemu(path: Path, taken: Snapshot, *, size: int = 440, many: bool = False) -> Path:
    """dump-guest-memory, paging:false, as QEMU 7.2 writes it. ``size``: of its note, 432 in old versions."""
    notes = b"".join(note(b"CORE", 1, prstatus(cpu + 1, one)) for cpu, one in enumerate(taken.registers))
    notes += b"".join(note(b"QEMU", 0, qemu_state(one, size)) for one in taken.registers)
    return write(path, taken, notes, vaddr=True, ehsize=8, many=many)


def write_aarch64(path: Path, taken: Snapshot) -> Path:
    """dump-guest-memory of an aarch64 guest (target/arm/arch_dump.c); registers by their names."""
    notes = b""
    for cpu, one in enumerate(taken.registers):
        names = " ".join((*(f"x{number}" for number in range(31)), "sp pc pstate"))
        status = bytes(32) + struct.pack("<i", cpu + 1) + bytes(76) + words(names, one) + bytes(8)
        notes += note(b"CORE", 1, status) + note(b"CORE", 2, bytes(528))
    return write(path, taken, notes, vaddr=True, ehsize=8, machine=183)


def write_cloud_hypervisor(path: Path, taken: Snapshot) -> Path:
    """coredump (vmm/src/coredump.rs, cpu.rs): CR8 stands where QEMU has CR1."""
    notes = b"".join(note(b"CORE", 1, prstatus(cpu, one)) for cpu, one in enumerate(taken.registers))
    for one in taken.registers:
        state = bytearray(qemu_state(one))
        state[400:408] = b"\x07" + bytes(7)
        notes += note(b"QEMU", 0, bytes(state))
    return write(path, taken, notes)


def write_virtualbox(path: Path, taken: Snapshot, version: int = 0x10006) -> Path:
    """debugvm dumpvmcore (DBGFCoreWrite.cpp): namesz doesn't count the NUL; MMIO has no bytes."""
    about = struct.pack("<IIIIII", 0xC01AC0DE, version, 24, 7 << 24, 158379, len(taken.registers))
    notes = note(b"VBCORE", 0xB00, about, 6)
    for one in taken.registers:
        notes += note(b"VBCPU\0\0", 0xB01, virtualbox_state(one, version), 5)
    return write(path, taken, notes, also=[(0xFEC00000, 4096)])


def virtualbox_state(values: Registers, version: int) -> bytes:
    def selector(name: str) -> bytes:
        return struct.pack("<QIIHHI", values.get(f"{name}_base", 0), 0xFFFFF, 0, values.get(name, 0), 0, 0)

    out = words(VBOX, values) + b"".join(selector(name) for name in ("cs", "ds", "es", "fs", "gs", "ss"))
    out += words("cr0 cr2 cr3 cr4", values) + bytes(64)
    out += b"".join(struct.pack("<QII", values.get(name, 0), 127, 0) for name in ("gdt_base", "idt_base"))
    out += selector("ldt") + selector("tr") + bytes(24)
    out += words("efer - - - - - kernel_gs_base -", {"efer": LONG_MODE, **values})
    out += bytes(8 if version == 0x10006 else 0)
    return out + bytes(16) + struct.pack("<II", 8192, 0) + bytes(8192)


def write_solo5(path: Path, taken: Snapshot) -> Path:
    """solo5-hvt --dumpcore (hvt_module_dumpcore.c): namesz 8, memory from an odd offset."""
    notes = note(b"CORE", 1, prstatus(0, taken.registers[0]), 8)
    return write(path, taken, notes, osabi=0xFF)
