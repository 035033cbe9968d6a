"""Stacks as crashes leave them: jumps to nothing, overwritten, endless, circular, half held."""

import itertools
import subprocess
import time
from pathlib import Path

import pytest

from tests.support import build
from tests.support.flatspace import FlatSpace
from uniobs.image.module import Module
from uniobs.image.unwind import unwind
from uniobs.model.guest import Registers

SOURCE = Path(__file__).parents[1] / "guest" / "image" / "threads.c"
BIAS = 0x7F0000000000
STACK, SIZE = 0x10000, 1 << 20


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Module:
    folder = tmp_path_factory.mktemp("hostile")
    return Module.load(build.compile_c(folder, "threads", [SOURCE], "-O2", "-g", "-pthread"), BIAS)


@pytest.fixture
def space(module: Module) -> FlatSpace:
    areas = {address + BIAS: bytes(text) for address, text in module.elf.text}
    return FlatSpace(areas | {STACK: bytes(SIZE)})


def after_call(module: Module, function: str, callee: str) -> int:
    """The return address of the first call of ``callee`` in ``function``."""
    start, size = module.symbol(function) or (0, 0)
    command = ["objdump", "-d", "--no-show-raw-insn", f"--start-address={start - BIAS:#x}"]
    command += [f"--stop-address={start - BIAS + size:#x}", str(module.path)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    rows = [line.split("\t") for line in lines if line.startswith("    ") and "\t" in line]
    for row, following in itertools.pairwise(rows):
        if row[1].startswith("call") and callee in row[1]:
            return BIAS + int(following[0].strip(" :"), 16)
    raise AssertionError(f"no call of {callee} in {function}")


def cfa_offset(module: Module, pc: int) -> int:
    rules = module.cfi(pc - 1)
    assert rules is not None
    assert isinstance(rules.cfa, tuple)
    assert rules.cfa[0] == 7
    return rules.cfa[1]


def recursion(module: Module, space: FlatSpace, depth: int, last: int) -> dict[str, int]:
    """Registers of a stack with ``depth`` frames of deep(), the outermost of which returns to ``last``."""
    pc = after_call(module, "deep", "deep")
    step = cfa_offset(module, pc)
    at = STACK + 4096
    for number in range(depth):
        space.write(at + step * (number + 1) - 8, pc if number + 1 < depth else last)
    return {"rip": pc - 5, "rsp": at}


def test_a_jump_to_nothing(module: Module, space: FlatSpace) -> None:
    pc = after_call(module, "main", "fault")
    space.write(STACK + 4096, pc)
    space.write(STACK + 4104 + cfa_offset(module, pc) - 8, 0)
    frames, note = unwind([module], space, {"rip": 0, "rsp": STACK + 4096})
    assert [(f.pc, f.function, f.trust) for f in frames] == [
        (0, None, "registers"),
        (pc, "main", "return-address"),
    ]
    assert note is None


def test_overwritten_return_addresses_are_not_frames(module: Module, space: FlatSpace) -> None:
    for value in (0x4141414141414141, (module.symbol("main") or (0, 0))[0] + 3, STACK):
        registers = recursion(module, space, 2, value)
        frames, note = unwind([module], space, registers)
        assert [f.function for f in frames] == ["deep", "deep"]
        assert note is not None
        assert f"{value:#x}" in note


def test_a_runaway_recursion_is_bounded_and_counted(module: Module, space: FlatSpace) -> None:
    registers = recursion(module, space, 10_000, 0)
    frames, note = unwind([module], space, registers, limit=32)
    assert len(frames) == 32
    assert frames[27].level == 27
    assert frames[-1].level == 9_999
    assert note == "9968 of 10000 frames not shown, between #27 and #9996"


def test_a_stack_that_is_not_held(module: Module, space: FlatSpace) -> None:
    registers = recursion(module, space, 4, 0)
    step = cfa_offset(module, registers["rip"] + 5)
    for area in list(space.areas):
        if area == STACK:
            space.areas[area] = space.areas[area][: 4096 + 2 * step]
    frames, note = unwind([module], space, registers)
    assert len(frames) == 3
    assert note is not None
    assert "held" in note


def test_it_ends_where_the_stack_runs_in_a_circle(module: Module, space: FlatSpace) -> None:
    """Frame pointers that lead back: code without tables, as a kernel's assembly is."""
    pc = after_call(module, "deep", "deep")
    space.write(STACK + 64, STACK + 64)
    space.write(STACK + 72, pc)
    bare = Module.load(module.path, BIAS)
    bare.cfi = lambda pc: None
    frames, note = unwind([bare], space, {"rip": pc, "rsp": STACK, "rbp": STACK + 64}, limit=50)
    assert len(frames) < 5
    assert note is not None


def test_a_frame_pointer_of_zero_reads_nothing(module: Module) -> None:
    """Page 0 may be mapped: rbp = 0 must not become a frame from its bytes."""
    pc = after_call(module, "deep", "deep")
    space = FlatSpace({0: pc.to_bytes(8, "little") * 512, STACK: bytes(8192)})
    bare = Module.load(module.path, BIAS)
    bare.cfi = lambda pc: None
    frames, note = unwind([bare], space, {"rip": pc, "rsp": STACK, "rbp": 0}, stack=(STACK, STACK + 8192))
    assert len(frames) == 1
    assert note is not None


def test_a_function_that_differs_is_unproven(module: Module, space: FlatSpace) -> None:
    mine = Module.load(module.path, BIAS)
    start = (mine.symbol("deep") or (0, 0))[0]
    space.write(start + 16, 0x9090909090909090)
    proof = mine.prove(space)
    assert [name for _, _, name in proof.differing] == ["deep"]
    assert proof.proven
    assert proof.note == "deep differs in memory from the image"
    frames, _ = unwind([mine], space, recursion(mine, space, 3, 0))
    assert all(f.unproven for f in frames)


def test_switched_out_threads_stand_after_their_call(module: Module, space: FlatSpace) -> None:
    pc = after_call(module, "main", "fault")
    registers = Registers({"rip": pc, "rsp": STACK + 4096}, source="saved by the scheduler")
    saved = unwind([module], space, registers)[0][0]
    running = unwind([module], space, registers.values)[0][0]
    assert saved.function == running.function == "main"
    assert saved.line is not None
    assert running.line is not None
    assert saved.line < running.line


def test_unknown_registers_are_said(module: Module, space: FlatSpace) -> None:
    assert unwind([module], space, {}) == ((), "its registers aren't known (no rip)")
    frames, note = unwind([module], space, {"rip": (module.symbol("deep") or (0, 0))[0]})
    assert len(frames) == 1
    assert note == "the stack pointer isn't known"


def test_stopped_inside_inline_assembly_that_pushes(tmp_path: Path) -> None:
    source = SOURCE.with_name("irq.c")
    mine = Module.load(build.compile_c(tmp_path, "irq", [source], "-O2", "-g", "-fomit-frame-pointer"), BIAS)
    masked, size = mine.symbol("masked") or (0, 0)
    pushf = masked + mine.text(masked, size).index(b"\x9c")
    space = FlatSpace({STACK: bytes(8192)})
    pc, last = after_call(mine, "outer", "masked"), after_call(mine, "main", "outer")
    at = STACK + 4096
    space.write(at, pc)
    space.write(at + cfa_offset(mine, pc), last)
    space.write(at + cfa_offset(mine, pc) + cfa_offset(mine, last), 0)
    before = unwind([mine], space, {"rip": pushf, "rsp": at})
    assert [f.function for f in before[0] if not f.inlined_into] == ["masked", "outer", "main"]
    space.write(at - 8, 0x246)
    within = unwind([mine], space, {"rip": pushf + 1, "rsp": at - 8})
    assert [f.function for f in within[0] if not f.inlined_into] == ["masked", "outer", "main"]
    assert [f.cfa for f in within[0]] == [f.cfa for f in before[0]]
    assert before[1] is within[1] is None


def test_a_return_address_of_zero_far_below_the_end(module: Module, space: FlatSpace) -> None:
    registers = recursion(module, space, 3, 0)
    frames, note = unwind([module], space, registers, stack=(STACK, STACK + SIZE))
    assert len(frames) == 3
    assert note is not None
    assert "is 0" in note


def test_callers_past_an_overwritten_return_address_are_marked(module: Module, space: FlatSpace) -> None:
    registers = recursion(module, space, 3, 0x6161616161616161)
    pc = after_call(module, "main", "fault")
    last = STACK + 4096 + 3 * cfa_offset(module, registers["rip"] + 5)
    space.write(last + 128, pc)
    frames, note = unwind([module], space, registers, stack=(STACK, STACK + SIZE))
    assert [(f.function, f.trust) for f in frames][-2:] == [("deep", "cfi"), ("main", "scan")]
    assert note is not None
    assert note.startswith("smashed: the return address at ") and "(0x6161616161616161)" in note
    assert "searching" in note


def test_code_of_an_unknown_module_is_a_frame_without_a_name(module: Module, space: FlatSpace) -> None:
    """A caller in a plugin of which no image is known: its call tells; then the frame pointer leads on."""
    plugin, frame = 0x600000, STACK + 0x8000
    areas = {plugin: b"\x90" * 32 + b"\xe8\x00\x01\x00\x00" + b"\x90" * 32}
    held = FlatSpace({a + BIAS: bytes(text) for a, text in module.elf.text} | areas | {STACK: bytes(SIZE)})
    registers = recursion(module, held, 3, plugin + 37) | {"rbp": frame}
    outer = after_call(module, "main", "fault")
    held.write(frame, 0)
    held.write(frame + 8, outer)
    held.write(frame + 16 + cfa_offset(module, outer) - 8, 0)
    frames, note = unwind([module], held, registers)
    assert [f.function for f in frames] == ["deep", "deep", "deep", None, "main"]
    assert [f.trust for f in frames][2:] == ["cfi", "cfi", "frame-pointer"]
    assert frames[3].pc == plugin + 37 and frames[3].module is None
    assert "smashed" not in (note or "")
    registers = recursion(module, held, 3, plugin + 30) | {"rbp": frame}  # no call ends there
    assert "smashed" in (unwind([module], held, registers)[1] or "")


@pytest.mark.parametrize("frames", [0, 3])
def test_a_smashed_frame_pointer_leads_into_nobody_elses_stack(tmp_path: Path, frames: int) -> None:
    """rbp was overwritten with a pointer into a neighbour's stack, where frames lie that are in order."""
    flags = ("-O1", "-g", "-pthread", "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls")
    module = Module.load(build.compile_c(tmp_path, "threads", [SOURCE], *flags), BIAS)
    pc = after_call(module, "deep", "deep")
    rules = module.cfi(pc - 1)
    assert rules is not None
    assert rules.cfa == (6, 16)  # rbp + 16
    areas = {address + BIAS: bytes(text) for address, text in module.elf.text}
    space = FlatSpace(areas | {STACK: bytes(SIZE)})
    mine, neighbour = STACK + 0x4000, STACK + 0x8000
    chain = [mine - 0x400 + 0x80 * number for number in range(frames + 1)]
    for number, rbp in enumerate(chain):
        last = number == frames
        space.write(rbp, neighbour + 0x80 if last else chain[number + 1])
        space.write(rbp + 8, pc)
    for number in range(1, 5):
        space.write(neighbour + 0x80 * number, neighbour + 0x80 * (number + 1))
        space.write(neighbour + 0x80 * number + 8, pc)
    registers = {"rip": pc - 5, "rsp": chain[0] - 0x40, "rbp": chain[0]}
    found, note = unwind([module], space, registers, stack=(mine - 0x1000, mine))
    assert all(frame.sp is None or frame.sp <= mine for frame in found)
    assert not [frame for frame in found[frames + 2 :] if frame.trust != "scan"]
    assert note is not None
    assert "leads out of its stack" in note


ODD = """
long odd(void) { long made; __asm__ volatile("movabs $0x07060504030201e8, %0" : "=r"(made)); return made; }
int main(void) { return (int)odd() + 1; }
"""


def test_a_number_that_ends_inside_an_instruction_is_no_return_address(tmp_path: Path) -> None:
    """Bytes of an instruction may look like a call: what a search finds must follow a real one."""
    (tmp_path / "odd.c").write_text(ODD)
    program = build.compile_c(tmp_path, "odd", [tmp_path / "odd.c"], "-O1", "-g", "-fno-inline")
    module = Module.load(program, BIAS)
    odd = b"\xe8\x01\x02\x03\x04"
    inside = next(
        BIAS + low + bytes(text).index(odd) + 5
        for low, text in module.elf.text
        if odd in bytes(text)
    )
    call = after_call(module, "main", "odd")
    areas = {address + BIAS: bytes(text) for address, text in module.elf.text}
    space = FlatSpace(areas | {STACK: bytes(4096)})
    space.write(STACK + 64, inside)
    space.write(STACK + 128, call)
    frames, _ = unwind([module], space, {"rip": 0x10, "rsp": STACK})
    assert [frame.function for frame in frames[:2]] == [None, "main"]


def test_a_stack_of_numbers_that_nearly_are_return_addresses_takes_no_time(tmp_path: Path) -> None:
    """Each is looked at in its function's instructions: that function is disassembled once."""
    (tmp_path / "long.S").write_text(
        ".globl long, main\n.type long, @function\nlong:\n"
        + ".rept 12000\n.byte 0xb8, 0xe8, 0, 0, 0\n.endr\nret\n.size long, . - long\n"
        + '.type main, @function\nmain: ret\n.size main, 1\n.section .note.GNU-stack,"",@progbits\n'
    )
    module = Module.load(build.compile_c(tmp_path, "long", [tmp_path / "long.S"]), BIAS)
    start = (module.symbol("long") or (0,))[0]
    areas = {address + BIAS: bytes(text) for address, text in module.elf.text}
    words = b"".join((start + 5 * number + 6).to_bytes(8, "little") for number in range(7000, 7000 + 4096))
    space = FlatSpace(areas | {STACK: words})
    began = time.process_time()
    frames, note = unwind([module], space, {"rip": 0x10, "rsp": STACK + 8})
    assert time.process_time() - began < 5
    assert len(frames) == 1
    assert note is not None
