"""The state of a microVM, as Firecracker's snapshots have it up to v1.14.

Source: src/vmm/src/{snapshot/mod,persist,arch/x86_64/vcpu}.rs of Firecracker, serialize.rs of kvm-bindings.
It is bincode: u64 magic, the format's version as text, the memory in MiB, ..., CRC-64. A vCPU's registers
lie in it as KVM gave them, each struct behind its size: a row of sizes that nothing else has. Later versions
(bitcode) tell nothing that could be found for certain.
"""

import os
import re
import struct
from typing import NamedTuple

from uniobs.cores import kvm
from uniobs.cores.firecracker_crc import crc64
from uniobs.cores.pieces import pread
from uniobs.errors import BadFormat
from uniobs.model.guest import Registers

MAGIC = struct.pack("<Q", 0x0710_1984_8664_0000)
STATE_MAX = 10 << 20
MIB = 1 << 20
HEAD = 64  # bytes that hold version and size of memory
_VERSION = re.compile(rb"(\d{1,4})\.(\d{1,4})\.(\d{1,4})")
# debug registers, local APIC, MP state, registers, special registers, events: sizes of KVM's structs
VCPU = (128, 1024, 4, kvm.REGS.size, kvm.SREGS_SIZE, 64)
CPUS_MAX = 32


class State(NamedTuple):
    version: int
    memory: int  # bytes
    registers: tuple[Registers, ...]


def read_state(fd: int, path: str) -> State:
    """Raises BadFormat."""
    size = os.fstat(fd).st_size
    data = pread(fd, size, 0) if size <= STATE_MAX else b""
    if len(data) < 32 or crc64(data[:-8]) != int.from_bytes(data[-8:], "little"):
        raise BadFormat(f"{path}: a state of Firecracker, cut short or garbled: its checksum is wrong")
    version, mib = _begin(data)
    if version is None:
        raise BadFormat(f"{path}: a state of Firecracker of an unknown version")
    if not 0 < mib < 1 << 24:
        raise BadFormat(f"{path}: a state of Firecracker of an unknown version ({mib} MiB of memory)")
    return State(version, mib * MIB, _vcpus(data))


def claimed_memory(fd: int) -> int | None:
    """The bytes of memory that a file says it is the state of; None when it begins as none does. This is
    quickly had, and nothing is proven by it."""
    data = pread(fd, HEAD, 0)
    version, mib = _begin(data) if data.startswith(MAGIC) else (None, 0)
    return None if version is None else mib * MIB


def _begin(data: bytes) -> tuple[int | None, int]:
    """(major version, MiB of memory); (None, 0) when they can't be told."""
    if len(data) < 32:
        return None, 0
    (length,) = struct.unpack_from("<Q", data, 8)
    version = _VERSION.fullmatch(data[16 : 16 + min(length, 32)])
    if version is None or len(data) < 16 + length + 8 + 8:
        return None, 0
    return int(version[1]), int.from_bytes(data[16 + length : 16 + length + 8], "little")


def _vcpus(data: bytes) -> tuple[Registers, ...]:
    """Where KVM's structs follow each other as in struct VcpuState."""
    found: list[Registers] = []
    first = struct.pack("<Q", VCPU[0])
    at = data.find(first)
    while at >= 0 and len(found) < CPUS_MAX:
        parts, position = [], at
        for size in VCPU:
            if data[position : position + 8] != struct.pack("<Q", size):
                break
            parts.append(data[position + 8 : position + 8 + size])
            position += 8 + size
        if len(parts) == len(VCPU) and len(parts[-1]) == VCPU[-1]:
            found.append(Registers(kvm.registers(parts[3], parts[4]), "snapshot", len(found)))
            at = data.find(first, position)
        else:
            at = data.find(first, at + 1)
    return tuple(found)
