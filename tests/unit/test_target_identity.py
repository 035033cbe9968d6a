"""A position-independent kernel on identity-mapped memory is found where its loader put it."""

import struct
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from support.bare_guest import boot, needs_qemu
from support.cli import uniobs
from tests.support.region_builder import FakeMemory
from uniobs.image.module import Module
from uniobs.memory.paging import Identity
from uniobs.target.guest import Guest
from uniobs.target.origin import Origin
from uniobs.target.slide import place_identity

SOURCE = """
static int numbers[64];
int *const table[] = {numbers, numbers + 1, numbers + 2, numbers + 3};
int work(int n) { int s = 0; for (int i = 0; i < n; i++) s += *table[i & 3] * i; return s; }
void _start(void) { for (;;) numbers[work(9) & 63]++; }
"""
SHIFT = 0x40000
SIZE = 0x80000


def build(directory: Path) -> Path:
    source, elf = directory / "pie.c", directory / "pie.elf"
    source.write_text(SOURCE)
    subprocess.run(
        ["gcc", "-g", "-O2", "-static-pie", "-fPIE", "-nostdlib", "-ffreestanding", "-o", elf, source],
        check=True,
        capture_output=True,
    )
    return elf


def loaded(module: Module, elf: Path, shift: int) -> bytes:
    """Memory as a loader leaves it: the file at 64 KiB, and what was loaded and relocated from it."""
    memory = bytearray(SIZE)
    data = elf.read_bytes()
    memory[0x10000 : 0x10000 + len(data)] = data
    for segment in module.elf.segments:
        if segment.type == 1:
            at = segment.vaddr + shift
            memory[at : at + segment.filesz] = data[segment.offset : segment.offset + segment.filesz]
    for section in module.elf.sections:
        if section.type == 4:
            for where, info, addend in struct.iter_unpack("<QQq", module.elf.content(section)):
                assert info == 8
                struct.pack_into("<q", memory, where + shift, addend + shift)
    return bytes(memory)


def guest_of(memory: FakeMemory) -> Guest:
    return Guest(Origin("pie", "core", "core", memory, False, lambda hint: None, identity=True))


def test_found_by_its_relocated_words(tmp_path: Path) -> None:
    elf = build(tmp_path)
    with closing(guest_of(FakeMemory(loaded(Module.load(elf), elf, SHIFT), 0))) as guest:
        assert isinstance(guest.space, Identity)
        module = Module.load(elf)
        assert place_identity(guest, module)
        assert module.bias == SHIFT


def test_the_files_copy_alone_is_not_taken(tmp_path: Path) -> None:
    elf = build(tmp_path)
    data = elf.read_bytes()
    memory = bytes(0x10000) + data
    with closing(guest_of(FakeMemory(memory.ljust(SIZE, b"\0"), 0))) as guest:
        assert not place_identity(guest, Module.load(elf))


@needs_qemu
@pytest.mark.live
def test_a_kernel_that_nobody_knows_shows_where_its_vcpu_is(tmp_path: Path) -> None:
    with boot(tmp_path, region=bytes(8192), region_expected=False) as guest:
        end = time.monotonic() + 15
        ran = uniobs("bt", guest.pid, "--image", guest.elf, expect=None)
        while "spin" not in ran.out and time.monotonic() < end:  # until it halts
            ran = uniobs("bt", guest.pid, "--image", guest.elf, expect=None)
        assert ran.code == 4, ran.describe()
        assert ran.out.splitlines()[0] == "vCPU 0"
        assert "spin" in ran.out
        assert "carries no region" in ran.err
        (row,) = uniobs("bt", guest.pid, "--image", guest.elf, "--json", expect=(4,)).rows
        assert (row["cpu"], row["frames"][0]["function"]) == (0, "spin")
