"""Small cores, made by hand, with a region in them. Real ones are taken from QEMU and gdb in other tests."""

import struct
from typing import Any

from support.bare_guest import region_blob
from uniobs.cores.elf import USER_REGS
from uniobs.cores.qemu_elf import GENERAL
from uniobs.region import _abi

REGION = 0x40000
HOSTED = 0x7F00_0000_0000


def elf(segments: list[tuple[int, int, int, int, bytes]], ehsize: int = 64) -> bytes:
    """(type, flags, vaddr, paddr, bytes) of each segment."""
    at = (64 + 56 * len(segments) + 15) & ~15
    table, body = b"", b""
    for kind, flags, vaddr, paddr, data in segments:
        table += struct.pack("<IIQQQQQQ", kind, flags, at + len(body), vaddr, paddr, len(data), len(data), 0)
        body += data
    head = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 4, 62, 1, 0, 64, 0, 0, ehsize, 56, len(segments), 0, 0, 0
    )
    return (head + table).ljust(at, b"\0") + body


def note(name: bytes, kind: int, data: bytes) -> bytes:
    padded = name + b"\0"
    body = padded.ljust((len(padded) + 3) & ~3, b"\0") + data.ljust((len(data) + 3) & ~3, b"\0")
    return struct.pack("<III", len(padded), len(data), kind) + body


def prstatus(pid: int, registers: dict[str, int] | None = None) -> bytes:
    known = dict(zip(USER_REGS, range(27), strict=True)) | (registers or {})
    values = (known[name] for name in USER_REGS)
    return bytes(32) + struct.pack("<i", pid) + bytes(76) + struct.pack("<27Q", *values) + bytes(8)


def qemu_core(size: int, *others: tuple[int, bytes], blob: bytes = b"", **region: Any) -> bytes:
    """As dump-guest-memory writes one: paging off, memory in two segments, e_ehsize 8; rsp is 0x106.

    ``others`` are more bytes to lie at addresses of its memory, ``blob`` a region of one's own at REGION.
    """
    memory = bytearray(size)
    for at, data in ((REGION, blob or region_blob(REGION, **region)), *others):
        memory[at : at + len(data)] = data
    general = dict(zip(GENERAL, range(0x100, 0x112), strict=True))
    state = struct.pack("<II18Q", 1, 440, *general.values())
    state += b"".join(struct.pack("<IIIIQ", number, 0, 0, 0, 0) for number in range(10))
    state += struct.pack("<6Q", 0x11, 0, 0, 0, 0, 0)
    notes = note(b"CORE", 1, prstatus(1, general | {"cs": 0, "ss": 5})) + note(b"QEMU", 0, state)
    half = size // 2
    loads = [(1, 0, 0, 0, bytes(memory[:half])), (1, 0, half, half, bytes(memory[half:]))]
    return elf([(4, 0, 0, 0, notes), *loads], ehsize=8)


def linux_core(size: int) -> bytes:
    """As Linux writes one of a hosted guest."""
    memory = bytearray(size)
    blob = region_blob(HOSTED + REGION, flags=_abi.FLAG_HOSTED, os_pid=77)
    memory[REGION : REGION + len(blob)] = blob
    names = b"/nowhere/app\0/nowhere/libc.so.6\0"
    files = struct.pack("<QQ6Q", 2, 4096, 0x400000, 0x402000, 0, 0x600000, 0x700000, 1) + names
    auxv = struct.pack("<4Q", 9, 0x401000, 0, 0)
    info = bytes(24) + struct.pack("<i", 77) + bytes(12) + b"app".ljust(16, b"\0") + bytes(80)
    signal = struct.pack("<iiixxxxQ", 11, 0, 1, 0x10).ljust(128, b"\0")
    notes = note(b"CORE", 1, prstatus(77)) + note(b"CORE", 3, info)
    notes += note(b"CORE", 0x53494749, signal) + note(b"CORE", 1, prstatus(78))
    notes += note(b"CORE", 0x46494C45, files) + note(b"CORE", 6, auxv)
    return elf(
        [(4, 0, 0, 0, notes), (1, 6, HOSTED, 0, bytes(memory)), (1, 6, HOSTED + (1 << 30), 0, bytes(4096))]
    )
