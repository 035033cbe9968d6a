"""Firecracker's snapshots: a memory file without a header, and the microVM's state in another.

Source: src/vmm/src/snapshot/mod.rs, src/vmm/src/persist.rs, src/vmm/src/arch/x86_64/{layout,mod,vcpu}.rs of
Firecracker. The file says nothing of where the guest sees it: the version of the state does.
"""

import os
from collections.abc import Iterator, Sequence

from uniobs.cores.core import Core
from uniobs.cores.firecracker_state import MAGIC, State, claimed_memory, read_state
from uniobs.cores.pieces import pread
from uniobs.errors import BadFormat, UniobsError, UnknownMemory
from uniobs.memory.blocks import Block
from uniobs.memory.file import EXTENTS_MAX, FileMemory, data_extents, open_file
from uniobs.memory.paging import PageTables
from uniobs.model.guest import Registers

KIND = "firecracker"
SIBLINGS_MAX = 1 << 10
STATES_MAX = 4  # that are read whole
EFER_LMA = 1 << 10
MIB, GIB = 1 << 20, 1 << 30
OLD_LOW, NEW_LOW = 4 * GIB - 768 * MIB, 3 * GIB  # RAM below 4 GiB
OLD_LAST, NEW_FIRST = 6, 8  # versions of the format: v1.12 and earlier, v1.13 and later
HIGH_HOLE = (256 * GIB, 512 * GIB)


def read(fd: int, path: str) -> Core:
    """``fd`` is the state's file. Raises BadFormat."""
    state = read_state(fd, path)
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
    siblings = _siblings(path)
    claiming = [name for name in siblings if _claims(name) == size]
    if len(claiming) > STATES_MAX or (claiming and len(_of_size(siblings, size)) > 0):
        claiming = [name for name in claiming if _stem(name) == _stem(path)]
    fitting = list(_states(claiming[:STATES_MAX]))
    if len(fitting) > 1:
        fitting = [(name, state) for name, state in fitting if _stem(name) == _stem(path)]
    if len(fitting) != 1:
        return None
    name, state = fitting[0]
    return _core(fd, path, name, state)


def _claims(name: str) -> int | None:
    try:
        fd = open_file(name)
    except UniobsError:
        return None
    try:
        return claimed_memory(fd)
    finally:
        os.close(fd)


def _states(names: Sequence[str]) -> Iterator[tuple[str, State]]:
    """Those that are states as a whole."""
    for name in names:
        try:
            fd = open_file(name)
        except UniobsError:
            continue
        try:
            yield name, read_state(fd, name)
        except BadFormat:
            continue
        finally:
            os.close(fd)


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
    return [name for name in names if _size(name) == size]


def _size(path: str) -> int | None:
    try:
        return os.stat(path).st_size
    except OSError:
        return None


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
