"""Cloud Hypervisor's snapshot: a directory of config.json, state.json and memory-ranges.

Source: vm-migration/src/lib.rs, vmm/src/memory_manager.rs, vmm/src/cpu.rs and hypervisor/src/kvm/x86_64 of
Cloud Hypervisor. state.json is a tree of snapshots; each leaf's state is JSON in a string. memory-ranges
holds the ranges that the memory manager lists, one after the other.
"""

import json
import os
import re
from typing import Any

from uniobs.cores import kvm
from uniobs.cores.core import Core
from uniobs.cores.pieces import cut_notice, within
from uniobs.errors import BadFormat, UniobsError
from uniobs.memory.blocks import Block
from uniobs.memory.file import FileMemory, open_file
from uniobs.model.guest import Registers

KIND = "cloud-hypervisor"
STATE, MEMORY = "state.json", "memory-ranges"
STATE_MAX = 64 << 20
ROOM_MAX = 48 << 20  # bytes of memory that one look at JSON may cost
TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\Z)', re.DOTALL)
RANGES_MAX = 1 << 12
CPUS_MAX = 4096
BAD = (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError)


def read(fd: int, path: str) -> Core:
    """``fd`` is one of the directory's JSON files. Raises BadFormat."""
    core = read_directory(os.path.dirname(path) or ".", path)
    os.close(fd)
    return core


def is_directory(path: str) -> bool:
    return all(os.path.isfile(os.path.join(path, name)) for name in (STATE, MEMORY))


def read_directory(directory: str, path: str) -> Core:
    """``path``: what the user named. Raises BadFormat."""
    if not is_directory(directory):
        raise BadFormat(f"{path}: no snapshot of Cloud Hypervisor: {STATE} and {MEMORY} belong together")
    state = _load(os.path.join(directory, STATE))
    fd = open_file(os.path.join(directory, MEMORY))
    try:
        blocks, missing = within(_blocks(state, path), os.fstat(fd).st_size)
        memory = FileMemory(fd, blocks)
    except UniobsError:
        os.close(fd)
        raise
    notices = list(cut_notice(path, missing))
    registers = _registers(state)
    if not registers:
        notices.append(f"{path}: its vCPUs' registers can't be read")
    return Core(KIND, directory, memory, registers, notices=tuple(notices))


def _load(path: str) -> Any:
    fd = open_file(path)
    with os.fdopen(fd, "rb") as file:
        data = file.read(STATE_MAX + 1)
    if len(data) > STATE_MAX:
        raise BadFormat(f"{path}: more than {STATE_MAX >> 20} MiB")
    try:
        return _json(data)
    except (ValueError, RecursionError) as error:
        why = "it would take too much memory" if "room" in str(error) else "no JSON"
        raise BadFormat(f"{path}: cut short or garbled: {why}") from None


def _json(data: bytes) -> Any:
    """Raises ValueError and RecursionError: for what would take much more memory than its text, too."""
    bare = TEXT.sub(b'"', data)
    room = 80 * (bare.count(b"[") + bare.count(b"{") + bare.count(b'"')) + 40 * bare.count(b",")
    if room > ROOM_MAX:
        raise ValueError("no room for so many values")
    return json.loads(data)


def _part(state: Any, name: str) -> Any:
    """A snapshot in the tree: at its root, or below one node of it."""
    children = state["snapshots"]
    if name in children:
        return children[name]
    return next(child["snapshots"][name] for child in children.values() if name in child["snapshots"])


def _told(snapshot: Any) -> Any:
    """A leaf's state: JSON as text, or as numbers of bytes in earlier versions."""
    state = snapshot["snapshot_data"]["state"]
    return _json(state.encode() if isinstance(state, str) else _bytes(state))


def _bytes(numbers: Any) -> bytes:
    if not isinstance(numbers, list):
        raise TypeError("no list of bytes")
    return bytes(numbers)


def _blocks(state: Any, path: str) -> list[Block]:
    blocks: list[Block] = []
    at = 0
    try:
        ranges = _told(_part(state, "memory-manager"))["memory_ranges"]["data"]
        for one in ranges[:RANGES_MAX]:
            start, size = one["gpa"], one["length"]
            if type(start) is not int or type(size) is not int or start < 0 or size <= 0:
                raise ValueError("a range of memory")
            if start + size > 1 << 63 or at + size > 1 << 63:
                raise ValueError("a range of memory")
            blocks.append(Block(start, size, at))
            at += size
        if len(ranges) > RANGES_MAX:
            raise ValueError("ranges of memory")
    except (*BAD, StopIteration) as error:
        raise BadFormat(f"{path}: garbled, or of an unknown version: it doesn't tell its memory") from error
    if not blocks:
        raise BadFormat(f"{path}: its memory isn't in the snapshot: it was the file of a memory zone")
    return blocks


def _registers(state: Any) -> tuple[Registers, ...]:
    """None at all unless every vCPU's can be read."""
    found = []
    try:
        cpus = _part(state, "cpu-manager")["snapshots"]
        for name in sorted(cpus, key=int)[:CPUS_MAX]:
            told = _told(cpus[name])
            told = told.get("Kvm", told)
            found.append(Registers(_values(told["regs"], told["sregs"]), "snapshot", int(name)))
    except (*BAD, StopIteration):
        return ()
    return tuple(found)


def _values(regs: Any, sregs: Any) -> dict[str, int]:
    if isinstance(regs, dict):
        return kvm.named_registers(regs, sregs)
    regs, sregs = _bytes(regs), _bytes(sregs)
    if len(regs) != kvm.REGS.size or len(sregs) != kvm.SREGS_SIZE:
        raise ValueError("registers")
    return kvm.registers(regs, sregs)
