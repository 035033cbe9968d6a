"""Firecracker's snapshots: a memory file, and a state as v1.8 to v1.14 write it (bincode, fixed integers).

Only what comes before and around a vCPU's structs is made up: the parts in between are other devices' bytes.
"""

import struct
from pathlib import Path

from support.corewriters import Snapshot, kvm, put


def crc64(data: bytes) -> int:
    """Bit by bit, by its polynomial: the slow way, which needs no table."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x95AC9329AC4BC9B5 if crc & 1 else 0)
    return crc


def _bytes(data: bytes) -> bytes:
    return struct.pack("<Q", len(data)) + data


def state(taken: Snapshot, version: str = "8.0.0") -> bytes:
    size = sum(block.size for block in taken.blocks)
    data = struct.pack("<Q", 0x0710_1984_8664_0000) + _bytes(version.encode())
    data += struct.pack("<Q", size >> 20) + b"\0" * 29 + _bytes(b"console=ttyS0")
    data += struct.pack("<Q", len(taken.registers))
    for known in taken.registers:
        data += _bytes(b"\1" * 400)  # cpuid, MSRs
        for part in (bytes(128), bytes(1024), bytes(4), kvm.regs(known), kvm.sregs(known), bytes(64)):
            data += _bytes(part)
    data += b"\7" * 333
    return data + struct.pack("<Q", crc64(data))


def write(path: Path, taken: Snapshot, version: str = "8.0.0", holes: bool = False) -> Path:
    """``path``.mem and ``path``.state; gives the former. Without ``holes`` all is written: a full one."""
    memory = path.with_suffix(".mem")
    path.with_suffix(".state").write_bytes(state(taken, version))
    with memory.open("wb") as file:
        at = 0
        for block in taken.blocks:
            if not holes:
                file.seek(at)
                for _ in range(block.size >> 20):
                    file.write(bytes(1 << 20))
            put(file, at, taken, block.start, block.size)
            at += block.size
    return memory
