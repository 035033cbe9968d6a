"""Through interrupt and exception frames of which no table tells; overflown stacks say so."""

import struct
import subprocess

import pytest

from tests.support.flatspace import FlatSpace
from uniobs.image.interrupted import pushed
from uniobs.image.module import Module
from uniobs.image.unwind import unwind
from uniobs.model.guest import Registers

STACK, SIZE, OTHER = 0x40000, 1 << 16, 0x80000
CODE = """
.text
.macro FUNCTION name, callee
.globl \\name
.type \\name, @function
\\name:
    .cfi_startproc
    sub $24, %rsp
    .cfi_adjust_cfa_offset 24
    call \\callee
    add $24, %rsp
    .cfi_adjust_cfa_offset -24
    ret
    .cfi_endproc
.size \\name, . - \\name
.endm
.globl entry
.type entry, @function
entry:                      # as kernels write it: no call table at all
    push %rax
    push %rcx
    push %rdx
    call handler
    pop %rdx
    pop %rcx
    pop %rax
    iretq
.size entry, . - entry
.globl described
.type described, @function
described:                  # a table, but without .cfi_signal_frame
    .cfi_startproc
    push %rax
    .cfi_adjust_cfa_offset 8
    call handler
    pop %rax
    iretq
    .cfi_endproc
.size described, . - described
.globl work
.type work, @function
work:
    .cfi_startproc
    push %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_offset %rbx, -16
    nop
    nop
    pop %rbx
    ret
    .cfi_endproc
.size work, . - work
FUNCTION handler, work
FUNCTION _start, work
"""


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Module:
    folder = tmp_path_factory.mktemp("interrupted")
    (folder / "code.S").write_text(CODE)
    flags = ["-nostdlib", "-static", "-Wl,-Ttext=0x100000", "-Wl,--build-id"]
    subprocess.run(["gcc", *flags, "-o", "code", "code.S"], cwd=folder, check=True, capture_output=True)
    return Module.load(folder / "code")


def at(module: Module, function: str, offset: int) -> int:
    return (module.symbol(function) or (0, 0))[0] + offset


def returns(module: Module, function: str) -> int:
    """Behind the one call of a function."""
    start, size = module.symbol(function) or (0, 0)
    return start + module.text(start, size).index(b"\xe8") + 5


class Interrupted:
    """Stack of ``work``, called by _start and interrupted; the handler, called by ``entry``, stands in it."""

    def __init__(self, module: Module, entry: str = "entry", other_stack: bool = False) -> None:
        self.module = module
        areas = {address: bytes(text) for address, text in module.elf.text}
        self.space = FlatSpace(areas | {STACK: bytes(SIZE), OTHER: bytes(SIZE)})
        rsp = STACK + 0x4008  # rbx was pushed
        self.put(rsp, 0xB, returns(module, "_start"), 0, 0, 0, 0)
        self.rip = at(module, "work", 2)
        self.frame = ((OTHER + 0x8000 if other_stack else rsp) & -16) - 40
        self.put(self.frame, self.rip, 8, 0x202, rsp, 0x10)
        pushes = 3 if entry == "entry" else 1
        top = self.frame - 8 * pushes
        self.put(top, *range(0x11, 0x11 + pushes))
        self.put(top - 8, returns(module, entry))
        self.registers = {"rip": at(module, "handler", 0), "rsp": top - 8, "rbx": 0xBB}

    def put(self, address: int, *words: int) -> None:
        for number, word in enumerate(words):
            self.space.write(address + 8 * number, word)

    def walk(self, **options: object) -> tuple[list[str | None], str | None]:
        frames, note = unwind([self.module], self.space, self.registers, **options)
        self.frames = frames
        return [frame.function for frame in frames], note


@pytest.mark.parametrize("other_stack", [False, True])
def test_entry_code_without_a_table(module: Module, other_stack: bool) -> None:
    interrupted = Interrupted(module, other_stack=other_stack)
    names, note = interrupted.walk()
    assert names == ["handler", "entry", "work", "_start"]
    assert [f.trust for f in interrupted.frames] == ["registers", "cfi", "scan", "scan"]
    assert interrupted.frames[2].pc == interrupted.rip
    assert note is not None and f"pushed at {interrupted.frame:#x}" in note


def test_a_table_that_does_not_say_signal(module: Module) -> None:
    interrupted = Interrupted(module, "described")
    names, note = interrupted.walk()
    assert names == ["handler", "described", "work", "_start"]
    assert {f.trust for f in interrupted.frames[1:]} == {"cfi"} and note is None


@pytest.mark.parametrize(
    ("word", "value"),
    [(0, 0x1234), (1, 0), (1, 12), (1, 1 << 16), (2, 0), (2, 1 << 30), (2, 0x2A), (3, 1 << 60), (4, 1 << 17)],
)
def test_what_is_no_such_frame(module: Module, word: int, value: int) -> None:
    interrupted = Interrupted(module)
    good = [int.from_bytes(interrupted.space.read(interrupted.frame + 8 * n, 8), "little") for n in range(5)]

    def holds(words: list[int]) -> bool:
        interrupted.put(interrupted.frame, *words)
        read = interrupted.space.read
        found = pushed(
            interrupted.frame, lambda a: struct.unpack("<Q", read(a, 8))[0], lambda pc: module.holds(pc)
        )
        return found is not None

    assert holds(good)
    good[word] = value
    assert not holds(good)
    names, _ = interrupted.walk()
    assert names[:2] == ["handler", "entry"]


def test_an_overflown_stack_says_so(module: Module) -> None:
    interrupted = Interrupted(module)
    sp = interrupted.registers["rsp"]
    below = ((sp + 64, "64 bytes below its stack"), (sp - 64, None), (sp + (4 << 20), "isn't in its"))
    for low, wanted in below:
        _, note = interrupted.walk(stack=(low, low + SIZE))
        assert (wanted in (note or "")) if wanted else "overflow" not in (note or "")
    for source, told in (("panic record", True), ("QMP", False)):
        values = interrupted.registers | {"cr2": sp - 72}
        registers = Registers(values, source)
        _, note = unwind([module], interrupted.space, registers, stack=(sp - 64, sp + SIZE))
        assert ("stack overflow: it faulted 8 bytes below" in (note or "")) is told
