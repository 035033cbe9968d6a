"""Targets from files: cores, raw images, the shared RAM that a VMM left behind."""

import os
from collections.abc import Sequence

from uniobs.cores import Core, NoCore, open_core, solo5_elf
from uniobs.errors import NotOffered, UniobsError
from uniobs.memory.blocks import Block
from uniobs.memory.file import FileMemory
from uniobs.model.guest import Registers
from uniobs.region._abi import FLAG_HOSTED, HEADER_OFFSETS
from uniobs.region.header import read_header
from uniobs.target import scan
from uniobs.target.current import certain
from uniobs.target.origin import MappedImage, Origin

AT_ENTRY = 9
HOSTED = ("linux-elf", "minidump")  # processes: memory by virtual address, registers by thread
LOW_SURE = 2 << 30  # RAM that every machine puts at address 0
LOW_SIZES = (0xC0000000, 0x80000000, 0xB0000000, 0xD0000000, 0xE0000000)


def file_origin(path: str, name: str | None = None, images: Sequence[str] = ()) -> Origin:
    """``images`` were named as the guest's. Raises NoSuchTarget, AccessDenied or BadFormat."""
    try:
        core = open_core(path)
    except NoCore as error:
        core = _ram_behind_elf(path, error)
    try:
        return _raw(core, name) if core.kind == "raw" else _core(core, name, images)
    except BaseException:
        core.memory.close()
        raise


def _ram_behind_elf(path: str, error: NoCore) -> Core:
    """A loader may leave an ELF header in the guest's first page: a region tells RAM from an image."""
    try:
        core = open_core(path, raw_only=True)
    except UniobsError:
        raise error from None
    if core.kind != "raw":
        return core  # what lies beside it says that it is RAM
    flat = _flat(core)
    blocks, _ = _layout(flat, flat.blocks[0].size, path, [])
    try:
        if scan.find_region(FileMemory(flat.fd, blocks)) is not None:
            return core
    except UniobsError:
        pass
    core.memory.close()
    raise error from None


def _core(core: Core, name: str | None, images: Sequence[str]) -> Origin:
    base = os.path.basename(os.path.abspath(core.path))
    hosted = core.kind in HOSTED
    program = main_program(core) if hosted else None

    def registers() -> Sequence[Registers]:
        if hosted:
            raise NotOffered("a hosted guest has no vCPUs: its threads' registers are in the core")
        if not core.registers:
            raise NotOffered(f"{base} doesn't tell registers")
        return core.registers

    return Origin(
        name=name or base,
        kind="core",
        vmm=base,
        memory=core.memory,
        live=False,
        find_region=lambda hint: scan.find_region(core.memory, hint, certain(core, images)),
        registers=registers,
        image_hint=program,
        mapped_images=tuple(
            MappedImage(file.path, file.start)
            for file in core.files
            if not file.offset and file.path != program
        ),
        thread_registers=core.threads,
        identity=hosted or core.identity or core.kind == solo5_elf.KIND,
        notices=core.notices,
        backend=core.path,
        machine=core.machine,
        process=core.process,
        entry=core.auxv.get(AT_ENTRY),
        frames=core.frames,
    )


def main_program(core: Core) -> str | None:
    """The file whose mapping holds the program's entry point."""
    entry = core.auxv.get(AT_ENTRY)
    if entry is None:
        return core.files[0].path if core.files else None
    return next((file.path for file in core.files if file.start <= entry < file.end), None)


def _raw(core: Core, name: str | None) -> Origin:
    base = os.path.basename(core.path)
    flat = _flat(core)
    notices: list[str] = []
    blocks, hosted = _layout(flat, flat.blocks[0].size, core.path, notices)
    memory = FileMemory(flat.fd, blocks)
    return Origin(
        name=name or os.path.splitext(base)[0] or base,
        kind="memory",
        vmm=base,
        memory=memory,
        live=False,
        find_region=lambda hint: scan.find_region(memory, hint),
        identity=hosted,
        notices=tuple(notices),
        backend=core.path,
    )


def _flat(core: Core) -> FileMemory:
    """A raw image's file, as one block."""
    assert isinstance(core.memory, FileMemory)
    return core.memory


def _layout(flat: FileMemory, size: int, path: str, notices: list[str]) -> tuple[list[Block], bool]:
    """Where the guest sees a raw file's bytes, and whether it is a hosted guest's region alone.

    The region's own address decides: at its offset in the file (RAM from 0), above 4 GiB (how much lies
    below follows), or anywhere (a hosted guest's region file).
    """
    from uniobs.target import ram

    offsets = scan.candidates(flat)
    for offset in offsets:
        own = int.from_bytes(flat.read(offset + HEADER_OFFSETS["self_pa"], 8), "little")
        if own >= ram.FOUR_GIB:
            split = [ram.layout(size, below, 0) for below in LOW_SIZES if below < size]
        else:
            split = [ram.layout(size, size, 0)] if size <= LOW_SURE else []
        for blocks in split:
            if any(
                block.start - block.where == own - offset and block.start <= own < block.end
                for block in blocks
            ):
                return blocks, False
        if own % scan.PAGE == 0 and own != offset and _is_hosted(flat, own, offset, size):
            return [Block(own, size - offset, offset)], True
    if size > LOW_SURE:
        notices.append(f"{path}: how the machine laid out memory above 2 GiB isn't known, so it isn't shown")
        return [Block(0, LOW_SURE, 0)], False
    return [Block(0, size, 0)], False


def _is_hosted(flat: FileMemory, own: int, offset: int, size: int) -> bool:
    try:
        header, _ = read_header(FileMemory(flat.fd, [Block(own, size - offset, offset)]), own)
    except UniobsError:
        return False
    return bool(header.flags & FLAG_HOSTED)
