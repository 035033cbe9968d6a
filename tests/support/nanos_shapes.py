"""A guest of RAM alone, laid out as Nanos lays itself out: a relocated kernel (tests/guest/nanos/kernel.c) in
the upper half, a program at its own addresses, page tables and an IDT that lead to both."""

import functools
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from uniobs.errors import NotOffered, UnknownMemory
from uniobs.image.module import Module
from uniobs.memory.base import Range
from uniobs.model.guest import Registers
from uniobs.target.guest import Guest
from uniobs.target.origin import Origin

SOURCES = Path(__file__).resolve().parents[1] / "guest" / "nanos"
PAGE = 4096
SLIDE = 0xFFFFFFFF9B07B000
RAM = 4 << 20
KERNEL_AT, PROGRAM_AT, IDT_AT, TABLES_AT = 0x100000, 0x200000, 0x3000, 0x10000  # physical
IDT = 0xFFFFC00000003000
WHOLE = 0xFFFFC00000000000  # all of RAM is mapped there too
KERNEL = "-static-pie -fpie -Wl,-Ttext-segment=0x200000".split()
PROGRAM = (
    "-static -no-pie -Wl,-Ttext=0x401000 -Wl,--section-start=.waits=0x400100"
    " -Wl,--section-start=.lock_a=0x500000 -Wl,--section-start=.lock_b=0x500040"
).split()
COMMON = (
    "-std=gnu11 -ffreestanding -nostdlib -O1 -g -Wall -Wextra -Werror -fno-stack-protector"
    " -fcf-protection=none -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-e,_start -Wl,--no-dynamic-linker"
).split()

needs_gcc = pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")


@functools.cache
def _folder() -> Path:
    import atexit

    folder = tempfile.mkdtemp(prefix="uniobs-nanos-")
    atexit.register(shutil.rmtree, folder, True)
    return Path(folder)


@functools.cache
def built(name: str, *more: str) -> Path:
    """ "kernel" or "program"."""
    path = _folder() / f"{name}{len(more)}.elf"
    flags = KERNEL if name == "kernel" else PROGRAM
    command = ["gcc", *COMMON, *flags, *more, "-o", str(path), str(SOURCES / f"{name}.c")]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return path


class Ram:
    """Physical memory from 0."""

    live = False

    def __init__(self, size: int = RAM) -> None:
        self.data = bytearray(size)

    def read(self, address: int, size: int) -> bytes:
        if address < 0 or address + size > len(self.data):
            raise UnknownMemory(address, size)
        return bytes(self.data[address : address + size])

    def ranges(self) -> Sequence[Range]:
        return [Range(0, len(self.data))]

    def close(self) -> None:
        pass

    def word(self, address: int, value: int) -> None:
        struct.pack_into("<Q", self.data, address, value & (1 << 64) - 1)


class Machine:
    """``kernel`` and ``program`` are loaded when it is made; both may be changed afterwards."""

    def __init__(self, slide: int = SLIDE, registers: bool = True, idt: bool = True) -> None:
        self.ram = Ram()
        self.slide = slide
        self.kernel, self.program = Module.load(built("kernel")), Module.load(built("program"))
        self._tables = TABLES_AT
        self._root = self._table()
        self._has_registers, self._has_idt = registers, idt
        for at in range(0, RAM, PAGE):
            self.map(WHOLE + at, at)
        self._load(self.kernel, KERNEL_AT, slide, user=False)
        self._load(self.program, PROGRAM_AT, 0, user=True)
        symbol = self.kernel.elf.symbols.find("interrupt14")
        assert symbol is not None
        handler = symbol.address + slide
        gate = handler & 0xFFFF | 8 << 16 | 0x8E << 40 | (handler >> 16 & 0xFFFF) << 48
        self.ram.word(IDT_AT + 14 * 16, gate)
        self.ram.word(IDT_AT + 14 * 16 + 8, handler >> 32)

    def guest(self, *images: Path, started_from: Path | None = None) -> Guest:
        def registers() -> Sequence[Registers]:
            if not self._has_registers:
                raise NotOffered("registers can't be had: nobody keeps them")
            values = {"cr0": 0x80000001, "cr3": self._root, "cr4": 0x20, "idt_base": IDT, "rip": 0, "rsp": 0}
            if not self._has_idt:
                del values["idt_base"]
            return [Registers(values, "a test", 0)]

        origin = Origin("shaped", "core", "test", self.ram, False, lambda hint: None, registers,
                        image_hint=str(started_from) if started_from else None)  # fmt: skip
        return Guest(origin, [str(image) for image in images])

    def _table(self) -> int:
        self._tables += PAGE
        return self._tables - PAGE

    def map(self, virtual: int, physical: int, *, user: bool = False, code: bool = False) -> None:
        table = self._root
        flags = 3 | (4 if user else 0)
        for level in (3, 2, 1):
            slot = table + 8 * (virtual >> (12 + 9 * level) & 511)
            entry = int.from_bytes(self.ram.read(slot, 8), "little")
            if not entry:
                entry = self._table() | 7
                self.ram.word(slot, entry)
            table = entry & -PAGE
        self.ram.word(table + 8 * (virtual >> 12 & 511), physical | flags | (0 if code else 1 << 63))

    def _load(self, module: Module, at: int, bias: int, *, user: bool) -> None:
        loads = [s for s in module.elf.segments if s.type == 1]
        low = min(s.vaddr for s in loads) & -PAGE
        for s in loads:
            start = at + s.vaddr - low
            self.ram.data[start : start + s.filesz] = module.elf.read(s.vaddr, s.filesz)
            for page in range(s.vaddr & -PAGE, s.vaddr + s.memsz, PAGE):
                self.map(page + bias, at + page - low, user=user, code=bool(s.flags & 1))
        for section in module.elf.sections:
            if section.type == 4 and section.flags & 2:
                rows = module.elf.content(section)
                for where, info, addend in struct.iter_unpack("<QQq", rows):
                    if info & 0xFFFFFFFF == 8:
                        self.ram.word(at + where - low, addend + bias)

    def at(self, name: str, member: str = "") -> int:
        """Physical address of a kernel's variable, or of a member of it."""
        address, made = self.kernel.types.locate(name)
        low = min(s.vaddr for s in self.kernel.elf.segments if s.type == 1) & -PAGE
        return KERNEL_AT + address - self.kernel.bias - low + (made.offset(member) if member else 0)

    def put(self, name: str, member: str, value: int, size: int = 8) -> None:
        where = self.at(name, member)
        self.ram.data[where : where + size] = value.to_bytes(size, "little")
