"""Windows crash dumps (PAGEDU64): complete, or with a bitmap of pages."""

import struct
from pathlib import Path

from support.corewriters import PAGE, Snapshot, put

GENERAL = "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15 rip".split()
HEADER = 0x2000


def context(registers: dict[str, int]) -> bytes:
    """struct CONTEXT of x86-64, with control, integer and segment registers."""
    data = bytearray(0x4D0)
    segments = [registers.get(name, 0) & 0xFFFF for name in ("cs", "ds", "es", "fs", "gs", "ss")]
    struct.pack_into("<II6HI", data, 0x30, 0x100007, 0, *segments, registers.get("rflags", 2) & 0xFFFFFFFF)
    struct.pack_into("<17Q", data, 0x78, *(registers.get(name, 0) for name in GENERAL))
    return bytes(data)


def write(path: Path, taken: Snapshot, bitmap: bool = False) -> None:
    header = bytearray(HEADER)
    header[:8] = b"PAGEDU64"
    registers = taken.registers[0]
    struct.pack_into("<Q", header, 0x10, registers.get("cr3", 0))
    struct.pack_into("<I", header, 0x30, 0x8664)
    pages = sum(block.size for block in taken.blocks) // PAGE
    struct.pack_into("<IIQ", header, 0x88, len(taken.blocks), 0, pages)
    for number, block in enumerate(taken.blocks):
        struct.pack_into("<QQ", header, 0x98 + 16 * number, block.start // PAGE, block.size // PAGE)
    known = context(registers)
    header[0x348 : 0x348 + len(known)] = known
    struct.pack_into("<I", header, 0xF98, 5 if bitmap else 1)
    with path.open("wb") as file:
        file.write(header)
        at = HEADER
        if bitmap:
            bits = max(block.end for block in taken.blocks) // PAGE
            held = bytearray((bits + 7) // 8)
            for block in taken.blocks:
                for number in range(block.start // PAGE, block.end // PAGE):
                    held[number >> 3] |= 1 << (number & 7)
            at = HEADER + -(-(56 + len(held)) // PAGE) * PAGE
            file.write(struct.pack("<4s4s24xQQQ", b"FDMP", b"DUMP", at, pages, bits) + held)
        for block in taken.blocks:
            put(file, at, taken, block.start, block.size)
            at += block.size
