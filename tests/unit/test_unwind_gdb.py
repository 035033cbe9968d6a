"""Unwinding of real threads' stacks, frame by frame as gdb sees them."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import build, gdbstacks
from tests.support.gdbstacks import same_name
from tests.support.linuxcore import LinuxCore
from uniobs.image.module import Module
from uniobs.image.unwind import unwind
from uniobs.model.guest import Frame

SOURCE = Path(__file__).parents[1] / "guest" / "image" / "threads.c"
VARIANTS = {
    "gcc": ("gcc", "-O2", "-g", "-fomit-frame-pointer"),
    "gcc-O0-dwarf4": ("gcc", "-O0", "-gdwarf-4"),
    "gcc-debug_frame": ("gcc", "-O2", "-g", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables"),
    "clang": ("clang", "-O2", "-g", "-fomit-frame-pointer"),
}


@dataclass
class Run:
    program: Path
    core: LinuxCore
    gdb: dict[int, list[tuple[int, str | None, int | None, bool]]]

    def modules(self, program: Path | None = None) -> list[Module]:
        found = []
        for path, start in self.core.images().items():
            if Path(path).is_file() and Path(path).read_bytes()[:4] == b"\x7fELF":
                use = program if program and path == str(self.program) else path
                found.append(Module.load(use, start))
        return found


@pytest.fixture(scope="module", params=VARIANTS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    build.need("gdb")
    folder = tmp_path_factory.mktemp("unwind")
    compiler, *flags = VARIANTS[request.param]
    program = build.compile_c(folder, "threads", [SOURCE], *flags, "-pthread", compiler=compiler)
    core, stacks = gdbstacks.run(program, folder)
    return Run(program, LinuxCore(core), stacks)


@pytest.mark.timeout(60)
def test_every_frame_is_gdbs(run: Run) -> None:
    modules = run.modules()
    assert len(run.core.threads) == 5
    trusts = set()
    for module in modules:
        assert module.prove(run.core).proven
    for tid, registers in run.core.threads.items():
        frames, note = unwind(modules, run.core, registers)
        theirs = run.gdb[tid]
        assert [f.pc for f in frames] == [row[0] for row in theirs]
        assert [f.inlined_into is not None for f in frames] == [row[3] for row in theirs]
        for frame, row in zip(frames, theirs, strict=True):
            assert same_name(frame.function, row[1]), (frame, row)
            assert frame.line == row[2] or frame.module != "threads", (frame, row)
            assert not frame.unproven
        assert [f.level for f in frames] == list(range(len(frames)))
        assert note is None
        assert frames[0].trust == "registers"
        trusts |= {f.trust for f in frames[1:] if f.pc != frames[0].pc}
    assert trusts == {"cfi"}
    crashed = next(fs for fs in map(list, run.gdb.values()) if any(row[1] == "fault" for row in fs))
    assert any(
        "restore_rt" in (row[1] or "") or row[1] == "<signal handler called>" for row in crashed
    ) or any(row[1] == "on_signal" for row in crashed)


@pytest.mark.timeout(60)
def test_a_limit_shows_both_ends(run: Run) -> None:
    modules = run.modules()
    for registers in run.core.threads.values():
        whole = unwind(modules, run.core, registers)[0]
        if len(whole) < 60:
            continue
        frames, note = unwind(modules, run.core, registers, limit=20)
        assert frames == whole[:16] + whole[-4:]
        assert (
            note == f"{len(whole) - 20} of {len(whole)} frames not shown, between #15 and #{len(whole) - 4}"
        )
        return
    pytest.fail("no deep stack")


def frames_without_tables(
    tmp_path: Path, flags: tuple[str, ...]
) -> list[tuple[tuple[Frame, ...], tuple[Frame, ...], str | None]]:
    """Of each thread: its frames by CFI; the same without any of the program's tables; the note."""
    build.need("gdb", "objcopy")
    import subprocess

    program = build.compile_c(
        tmp_path, "threads", [SOURCE], "-O2", "-g", "-fno-asynchronous-unwind-tables", *flags, "-pthread"
    )
    core, stacks = gdbstacks.run(program, tmp_path)
    bare = tmp_path / "bare"
    remove = ["-R", ".eh_frame", "-R", ".eh_frame_hdr", "--strip-debug"]
    subprocess.run(["objcopy", *remove, str(program), str(bare)], check=True)
    found = Run(program, LinuxCore(core), stacks)
    result = []
    for registers in found.core.threads.values():
        expected = unwind(found.modules(), found.core, registers)[0]
        frames, note = unwind(found.modules(bare), found.core, registers)
        result.append((expected, frames, note))
    return result


@pytest.mark.timeout(60)
def test_frame_pointers_without_tables(tmp_path: Path) -> None:
    rows = frames_without_tables(tmp_path, ("-fno-omit-frame-pointer",))
    used = 0
    for expected, frames, _ in rows:
        physical = list(dict.fromkeys((f.pc, f.cfa) for f in expected if f.module == "threads"))
        mine = [f.pc for f in frames if f.module == "bare"]
        assert mine == [pc for pc, _ in physical][: len(mine)]
        assert len(mine) == len(physical) or frames[-1].trust == "scan"
        used += sum(f.trust == "frame-pointer" for f in frames)
        assert all(f.trust in ("registers", "cfi", "frame-pointer") for f in frames[: len(mine)])
    assert used > 60


@pytest.mark.timeout(60)
def test_scanning_is_the_last_resort_and_says_so(tmp_path: Path) -> None:
    rows = frames_without_tables(tmp_path, ("-fomit-frame-pointer",))
    scanned = right = 0
    for expected, frames, _ in rows:
        known = {f.pc for f in expected}
        once = False
        for frame in frames:
            once = once or frame.trust == "scan"
            assert not once or frame.trust == "scan"  # nothing after a guess is better than a guess
            if frame.trust == "scan":
                scanned += 1
                right += frame.pc in known
    assert scanned > 60
    assert right > scanned * 0.8
