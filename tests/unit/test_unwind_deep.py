"""A stack of thousands of frames: each as gdb sees it, the same whether it is climbed quickly or by steps."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.support import build
from tests.support.linuxcore import LinuxCore
from uniobs.image.climb import Climb, Climber
from uniobs.image.module import Module
from uniobs.image.unwind import unwind
from uniobs.model.guest import Frame

SOURCE = Path(__file__).parents[1] / "guest" / "image" / "deep.c"
VARIANTS = {
    "omit": ("-O2", "-fomit-frame-pointer"),
    "keep": ("-O1", "-fno-omit-frame-pointer"),
    "O0": ("-O0",),
    "debug_frame": ("-O2", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables"),
}
SCRIPT = """
import gdb, json
for line in ("set confirm off", "set debuginfod enabled off", "set backtrace past-main on",
             "set backtrace limit unlimited", "run 900 >/dev/null", "gcore %(core)s"):
    gdb.execute(line, to_string=True)
frame, rows = gdb.newest_frame(), []
while frame is not None:
    sp = int(frame.read_register("rsp")) & (1 << 64) - 1
    rows.append([frame.pc(), sp, frame.name(), frame.type() == gdb.INLINE_FRAME])
    frame = frame.older()
open("%(answer)s", "w").write(json.dumps(rows))
gdb.execute("kill")
"""
Stack = tuple[list[Module], LinuxCore, list[tuple[int, int, str | None, bool]]]


@pytest.fixture(scope="module", params=VARIANTS)
def deep(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    build.need("gdb")
    folder = tmp_path_factory.mktemp("deep")
    program = build.compile_c(folder, "deep", [SOURCE], "-g", *VARIANTS[request.param], compiler="gcc")
    core, answer, script = folder / "core", folder / "gdb.json", folder / "walk.py"
    script.write_text(SCRIPT % {"core": core, "answer": answer})
    command = ["gdb", "-q", "-nx", "-batch", "-x", str(script), str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if not answer.exists():
        if "not permitted" in done.stderr:
            pytest.skip("gdb may not trace processes here")
        raise RuntimeError(done.stdout + done.stderr)
    held = LinuxCore(core)
    files = [(Path(path), start) for path, start in held.images().items() if Path(path).is_file()]
    modules = [Module.load(path, start) for path, start in files if path.read_bytes()[:4] == b"\x7fELF"]
    return modules, held, [tuple(row) for row in json.loads(answer.read_text())]


def walked(deep: Stack, limit: int) -> tuple[tuple[Frame, ...], str | None]:
    modules, core, _ = deep
    (registers,) = core.threads.values()
    return unwind(modules, core, registers, limit=limit)


@pytest.mark.timeout(60)
def test_every_frame_is_gdbs(deep: Stack) -> None:
    frames, note = walked(deep, 1 << 20)
    theirs = deep[2]
    assert len(frames) > 1000 and note is None
    assert [f.pc for f in frames] == [row[0] for row in theirs]
    assert [f.sp for f in frames] == [row[1] for row in theirs]
    assert [f.inlined_into is not None for f in frames] == [row[3] for row in theirs]
    assert [f.function for f in frames[2:-3]] == [row[2] for row in theirs[2:-3]]
    assert {f.trust for f in frames[1:]} == {"cfi"}
    physical = [f for f in frames if f.inlined_into is None]
    assert [f.cfa for f in physical[:-1]] == [f.sp for f in physical[1:]]


@pytest.mark.parametrize("limit", [8, 128, 1 << 20])
def test_quickly_or_by_steps(deep: Stack, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = walked(deep, limit)
    monkeypatch.setattr(Climber, "up", lambda self, pc, registers, *_: Climb([], [], pc, registers))
    assert walked(deep, limit) == quick


def test_a_hole_in_the_middle_is_said(deep: Stack) -> None:
    """The stack isn't held from some page on: what was climbed stays, and the note says where it ends."""
    modules, core, _ = deep
    (registers,) = core.threads.values()
    whole, _ = unwind(modules, core, registers, limit=1 << 20)
    cut = (whole[len(whole) // 2].cfa or 0) & -4096

    class Holed:
        def translate(self, address: int) -> int:
            return address

        def read(self, address: int, size: int) -> bytes:
            if address + size > cut and address >= whole[0].sp - 65536:
                from uniobs.errors import UnknownMemory

                raise UnknownMemory(max(address, cut), size)
            return core.read(address, size)

    frames, note = unwind(modules, Holed(), registers, limit=1 << 20)
    assert 100 < len(frames) < len(whole)
    assert frames[:-1] == whole[: len(frames) - 1]
    assert note is not None and "held" in note
