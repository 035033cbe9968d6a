"""Firecracker's snapshots: a memory file without a header, and the microVM's state in another.

Source: src/vmm/src/snapshot/mod.rs, src/vmm/src/persist.rs, src/vmm/src/arch/x86_64/{layout,mod,vcpu}.rs of
Firecracker. Up to v1.14 the state is bincode: u64 magic, the format's version as text, the memory's size in
MiB, ..., CRC-64. A vCPU's registers lie in it as KVM gave them, each struct behind its size: a row of sizes
that nothing else has. Later versions (bitcode) tell nothing that could be found for certain.
"""

import os
import re
import struct
from typing import NamedTuple

from uniobs.cores import kvm
from uniobs.cores.core import Core
from uniobs.cores.firecracker_crc import crc64
from uniobs.cores.pieces import pread
from uniobs.errors import BadFormat, UniobsError, UnknownMemory
from uniobs.memory.blocks import Block
from uniobs.memory.file import EXTENTS_MAX, FileMemory, data_extents, open_file
from uniobs.memory.paging import PageTables
from uniobs.model.guest import Registers

KIND = "firecracker"
MAGIC = struct.pack("<Q", 0x0710_1984_8664_0000)
MAGIC_ARM = struct.pack("<Q", 0x0710_1984_AAAA_0000)
STATE_MAX = 10 << 20
SIBLINGS_MAX = 1 << 10
EFER_LMA = 1 << 10
MIB, GIB = 1 << 20, 1 << 30
OLD_LOW, NEW_LOW = 4 * GIB - 768 * MIB, 3 * GIB  # RAM below 4 GiB
OLD_LAST, NEW_FIRST = 6, 8  # versions of the format: v1.12 and earlier, v1.13 and later
HIGH_HOLE = (256 * GIB, 512 * GIB)
_VERSION = re.compile(rb"(\d{1,4})\.(\d{1,4})\.(\d{1,4})")
# debug registers, local APIC, MP state, registers, special registers, events: sizes of KVM's structs
VCPU = (128, 1024, 4, kvm.REGS.size, kvm.SREGS_SIZE, 64)
CPUS_MAX = 32


class State(NamedTuple):
    version: int
    memory: int  # bytes
    registers: tuple[Registers, ...]


def read(fd: int, path: str) -> Core:
    """``fd`` is the state's file. Raises BadFormat."""
    state = _state(fd, path)
    memory = _memory_of(path, state.memory)
    other = open_file(memory)
    try:
        core = _core(other, memory, path, state)
    except UniobsError:
        os.close(other)
        raise
    os.close(fd)
    return core


def beside(fd: int, path: str) -> Core | None:
    """The snapshot whose memory file this is: by the one state in its directory that tells its size."""
    size = os.fstat(fd).st_size
    found: list[tuple[str, State]] = []
    for name in _siblings(path):
        try:
            other = open_file(name)
        except UniobsError:
            continue
        try:
            if pread(other, len(MAGIC), 0) == MAGIC:
                found.append((name, _state(other, name)))
        except BadFormat:
            continue
        finally:
            os.close(other)
    fitting = [(name, state) for name, state in found if state.memory == size]
    if len(fitting) > 1 or (fitting and len(_of_size(_siblings(path), size)) > 0):
        stem = _stem(path)
        fitting = [(name, state) for name, state in fitting if _stem(name) == stem]
    if len(fitting) != 1:
        return None
    name, state = fitting[0]
    return _core(fd, path, name, state)


def is_directory(path: str) -> bool:
    return any(_begins(name, MAGIC) for name in _files(path))


def read_directory(path: str) -> Core:
    """Raises BadFormat."""
    states = [name for name in _files(path) if _begins(name, MAGIC)]
    if len(states) != 1:
        raise BadFormat(f"{path}: {len(states)} snapshots of Firecracker: name one's memory or state")
    fd = open_file(states[0])
    try:
        return read(fd, states[0])
    except BaseException:
        os.close(fd)
        raise


def _state(fd: int, path: str) -> State:
    size = os.fstat(fd).st_size
    data = pread(fd, size, 0) if size <= STATE_MAX else b""
    if len(data) < 32 or crc64(data[:-8]) != int.from_bytes(data[-8:], "little"):
        raise BadFormat(f"{path}: a state of Firecracker, cut short or garbled: its checksum is wrong")
    (length,) = struct.unpack_from("<Q", data, 8)
    version = _VERSION.fullmatch(data[16 : 16 + min(length, 32)])
    if version is None or len(data) < 16 + length + 8 + 8:
        raise BadFormat(f"{path}: a state of Firecracker of an unknown version")
    (mib,) = struct.unpack_from("<Q", data, 16 + length)
    if not 0 < mib < 1 << 24:
        raise BadFormat(f"{path}: a state of Firecracker of an unknown version ({mib} MiB of memory)")
    return State(int(version[1]), mib * MIB, _vcpus(data))


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


def _core(fd: int, path: str, state_path: str, state: State) -> Core:
    """``fd`` is the memory's file, the core's unless this raises."""
    if OLD_LAST < state.version < NEW_FIRST and state.memory > NEW_LOW:
        raise BadFormat(f"{state_path}: where version {state.version} puts memory above 3 GiB isn't known")
    low = OLD_LOW if state.version <= OLD_LAST else NEW_LOW
    layout = _layout(state.memory, low, state.version >= NEW_FIRST)
    notices = [f"read together: {path} and {state_path}"]
    memory = FileMemory(fd, _held(fd, layout, path, notices))
    registers = state.registers
    if not registers:
        notices.append(f"{state_path}: registers can't be told of this version's state")
    elif not all(_fits(memory, known) for known in registers):
        notices.append(
            f"{state_path}: its registers don't fit this memory and are left out: of another snapshot?"
        )
        registers = ()
    return Core(KIND, path, memory, registers, notices=tuple(notices))


def _fits(memory: FileMemory, registers: Registers) -> bool:
    """Whether page tables in this memory map anything that a vCPU in 64-bit mode stands on.

    A table that a diff doesn't hold tells nothing.
    """
    if not (registers.get("efer") or 0) & EFER_LMA:
        return True
    space = PageTables(memory, registers.get("cr3") or 0, registers.get("cr4") or 0)
    for name in ("rip", "rsp", "gdt_base"):
        try:
            space.translate(registers.get(name) or 0)
        except UnknownMemory as error:
            if "not mapped" in str(error):
                continue
        return True
    return False


def _layout(size: int, low: int, high_hole: bool) -> list[Block]:
    blocks = [Block(0, min(size, low), 0)]
    left = size - low
    if left > 0:
        middle = min(left, HIGH_HOLE[0] - 4 * GIB) if high_hole else left
        blocks.append(Block(4 * GIB, middle, low))
        if left > middle:
            blocks.append(Block(HIGH_HOLE[1], left - middle, low + middle))
    return blocks


def _held(fd: int, layout: list[Block], path: str, notices: list[str]) -> list[Block]:
    """What the file holds: a full snapshot has no holes, and the holes of a diff are unchanged, not zero."""
    held: list[Block] = []
    for block in layout:
        for offset, size in data_extents(fd, block.where, block.size, EXTENTS_MAX + 1 - len(held)):
            held.append(Block(block.start + offset - block.where, size, offset))
    if len(held) > EXTENTS_MAX:
        raise BadFormat(f"{path}: more than {EXTENTS_MAX} pieces: merge it with snapshot-editor")
    missing = sum(block.size for block in layout) - sum(block.size for block in held)
    if missing:
        notices.append(
            f"{path} has holes ({missing >> 20} MiB), as diff snapshots have: what they hide isn't known "
            "(snapshot-editor edit-memory rebase puts it on its base)"
        )
    return held


def _files(directory: str) -> list[str]:
    try:
        with os.scandir(directory) as entries:
            names = [entry.path for entry, _ in zip(entries, range(SIBLINGS_MAX), strict=False)
                     if entry.is_file()]  # fmt: skip
    except OSError:
        return []
    return sorted(os.path.normpath(name) for name in names)


def _siblings(path: str) -> list[str]:
    own = os.path.basename(path)
    return [name for name in _files(os.path.dirname(path) or ".") if os.path.basename(name) != own]


def _of_size(names: list[str], size: int) -> list[str]:
    return [name for name in names if os.path.getsize(name) == size]


def _stem(path: str) -> str:
    return os.path.basename(path).split(".", 1)[0]


def _begins(path: str, magic: bytes) -> bool:
    try:
        fd = open_file(path)
    except UniobsError:
        return False
    try:
        return pread(fd, len(magic), 0) == magic
    finally:
        os.close(fd)


def _memory_of(path: str, size: int) -> str:
    """The one file beside the state that is as big as the guest's memory."""
    fitting = _of_size(_siblings(path), size)
    if len(fitting) > 1:
        fitting = [name for name in fitting if _stem(name) == _stem(path)]
    if len(fitting) != 1:
        raise BadFormat(
            f"{path}: a state of Firecracker without its memory: no one file of {size >> 20} MiB beside it"
        )
    return fitting[0]
