"""Every frame of every thread of guests that died or hung in several ways is gdb's on the fixed core."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import boot
from tests.support import build
from tests.support.cli import uniobs
from tests.support.qemu import demo_elf
from uniobs.target import open_target

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]
WAYS = ("null", "assert", "spin", "deadlock", "overflow")
SCRIPT = """
import gdb, json
for line in ("set pagination off", "set debuginfod enabled off", "set backtrace past-main on"):
    gdb.execute(line)
out = {}
for thread in gdb.selected_inferior().threads():
    thread.switch()
    frame, rows = gdb.newest_frame(), []
    while frame is not None and len(rows) < 4096:
        sal = frame.find_sal()
        if frame.type() != gdb.TAILCALL_FRAME:  # gdb's guess: no such frame is on the stack
            rows.append([frame.pc(), frame.name(), sal.line or None, frame.type() == gdb.INLINE_FRAME])
        frame = frame.older()
    out[thread.ptid[1]] = rows
open("%(answer)s", "w").write(json.dumps(out))
"""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    build.need("gdb")
    with tempfile.TemporaryDirectory(prefix="uniobs-") as name:
        shutil.copy(demo_elf(), Path(name) / "demo.elf")  # nobody rebuilds it meanwhile
        yield Path(name)


def crashed(folder: Path, way: str) -> Path:
    """A core of a guest after ``way``, fixed in place."""
    core = folder / f"{way}.core"
    with boot.boot(boot.Machine(elf=folder / "demo.elf")) as guest:
        boot.traffic(guest, 3)
        guest.poke(f"/break/{way}")
        if way in ("spin", "deadlock"):
            open_target(str(guest.pid)).status(watch=0.5)
        else:
            guest.wait_console("@dump end")
        guest.qmp("stop")
        guest.qmp("dump-guest-memory", paging=False, protocol=f"file:{core}")
    core.chmod(0o600)
    return core


def gdbs(folder: Path, core: Path) -> dict[int, list[tuple[int, str | None, int | None, bool]]]:
    answer, script = folder / "gdb.json", folder / "stacks.py"
    script.write_text(SCRIPT % {"answer": answer})
    command = ["gdb", "-q", "-nx", "-batch", "-x", str(script), str(folder / "demo.elf"), str(core)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert answer.exists(), done.stdout + done.stderr
    found = {int(tid): [tuple(row) for row in rows] for tid, rows in json.loads(answer.read_text()).items()}
    answer.unlink()
    return found


def test_every_frame_is_gdbs(folder: Path) -> None:
    stacks = frames = 0
    for way in WAYS:
        core = crashed(folder, way)
        done = uniobs("core", "fix", "--in-place", "--image", str(folder / "demo.elf"), str(core))
        assert done.code == 0, done.err
        theirs = gdbs(folder, core)
        with closing(open_target(str(core), [str(folder / "demo.elf")])) as target:
            image, threads = target.modules[0], target.walker("threads").threads()
            assert {t.tid for t in threads} == theirs.keys()
            for thread in threads:
                mine, rows = target.stack(thread), theirs[thread.tid]
                assert mine.error is None
                for frame in mine.frames:  # of a very long one not all are shown, but each has its number
                    row = rows[frame.level]
                    line = frame.line
                    # gdb takes these two return addresses for the instruction: what a switched-out thread
                    # goes on with, and an interrupt's entry code behind its call
                    rules = image.cfi(frame.pc - 1)
                    if (frame.level == 0 and not thread.current) or (rules is not None and rules.signal):
                        line = image.symbolise(frame.pc)[0].line
                    assert (frame.pc, frame.function, line, frame.inlined_into is not None) == row
                    assert frame.trust in ("registers", "cfi") and not frame.unproven
                assert mine.frames[-1].level == len(rows) - 1
                stacks, frames = stacks + 1, frames + len(mine.frames)
        core.unlink()
    assert stacks >= 50
    assert frames > 5 * stacks
