"""VMware's suspended states: groups of tags, memory inside or in the .vmem beside."""

import struct
from pathlib import Path
from typing import BinaryIO

from support.corewriters import PAGE, Snapshot, put

GENERAL = "rax rcx rdx rbx rbp rsp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split()


def tag(name: str, data: bytes, *indices: int) -> bytes:
    flags = len(indices) << 6 | len(data)
    head = struct.pack("<BB", flags, len(name)) + name.encode()
    return head + struct.pack(f"<{len(indices)}I", *indices) + data


def block(name: str, size: int, padding: int = 0, *indices: int) -> bytes:
    """The head of a block; its bytes follow."""
    head = struct.pack("<BB", len(indices) << 6 | 63, len(name)) + name.encode()
    head += struct.pack(f"<{len(indices)}I", *indices)
    return head + struct.pack("<QQH", size, size, padding) + bytes(padding)


def cpus(taken: Snapshot, blocks: bool) -> bytes:
    data = tag("cpu:numVCPUs", struct.pack("<I", len(taken.registers)))
    for cpu, known in enumerate(taken.registers):
        if blocks:
            data += block("gpregs", 128, 0, cpu) + struct.pack("<16Q", *(known.get(n, 0) for n in GENERAL))
        else:
            data += b"".join(tag(n, struct.pack("<Q", known.get(n, 0)), cpu) for n in GENERAL)
        if blocks:
            data += block("IDTR", 10, 0, cpu) + struct.pack("<HQ", 0xFFF, known.get("idt_base", 0))
        data += tag("rip", struct.pack("<Q", known.get("rip", 0)), cpu)
        data += tag("eflags", struct.pack("<I", known.get("rflags", 0)), cpu)
        for number in range(5):
            data += tag("CR64", struct.pack("<Q", known.get(f"cr{number}", 0)), cpu, number)
        for number, name in enumerate("es cs ss ds fs gs".split()):
            data += tag("S", struct.pack("<I", known.get(name, 0)), cpu, number)
            data += tag("S.base64", struct.pack("<Q", known.get(f"{name}_base", 0)), cpu, number)
    return data + b"\0\0"


def write(path: Path, taken: Snapshot, inside: bool = False, blocks: bool = False) -> None:
    """``path`` ends in .vmss or .vmsn."""
    size = sum(one.size for one in taken.blocks)
    memory = tag("align_mask", struct.pack("<I", 0xFFFF))
    if len(taken.blocks) > 1:
        memory += tag("regionsCount", struct.pack("<I", len(taken.blocks)))
        page = 0
        for number, one in enumerate(taken.blocks):
            memory += tag("regionPageNum", struct.pack("<I", page), number)
            memory += tag("regionPPN", struct.pack("<I", one.start // PAGE), number)
            memory += tag("regionSize", struct.pack("<I", one.size // PAGE), number)
            page += one.size // PAGE
    cpu = cpus(taken, blocks)
    first = 12 + 2 * 80
    header = struct.pack("<III", 0xBED2BED2, 8, 2)
    header += struct.pack("<64sQQ", b"cpu", first, len(cpu))
    header += struct.pack("<64sQQ", b"memory", first + len(cpu), len(memory) + 2)
    with path.open("wb") as file:
        file.write(header + cpu + memory)
        if not inside:
            file.write(b"\0\0")
        else:
            padding = -(file.tell() + 2 + 6 + 8 + 18) % PAGE
            file.write(block("Memory", size, padding, 0, 0))
            _put_all(file.tell(), file, taken)
            file.seek(0, 2)
            file.write(b"\0\0")
    if not inside:
        with path.with_suffix(".vmem").open("wb") as file:
            _put_all(0, file, taken)


def _put_all(at: int, file: BinaryIO, taken: Snapshot) -> None:
    for one in taken.blocks:
        put(file, at, taken, one.start, one.size)
        at += one.size
