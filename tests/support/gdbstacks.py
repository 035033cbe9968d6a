"""gdb as the oracle: runs a program until a signal ends it, writes its core, tells every thread's frames."""

import json
import subprocess
from pathlib import Path

import pytest

_SCRIPT = """
import gdb, json
gdb.execute("set pagination off"); gdb.execute("set confirm off"); gdb.execute("set debuginfod enabled off")
gdb.execute("set backtrace past-main on"); gdb.execute("handle SIGSEGV nostop noprint pass")
gdb.execute("run >/dev/null")
gdb.execute("gcore %(core)s")
out = {}
for thread in gdb.selected_inferior().threads():
    thread.switch()
    frame, rows = gdb.newest_frame(), []
    while frame is not None:
        sal = frame.find_sal()
        if frame.type() != gdb.TAILCALL_FRAME:  # those are gdb's guesses: no such frame is on the stack
            rows.append([frame.pc(), frame.name(), sal.line or None, frame.type() == gdb.INLINE_FRAME])
        frame = frame.older()
    out[thread.ptid[1]] = rows
open("%(answer)s", "w").write(json.dumps(out))
gdb.execute("kill")
"""


def run(
    program: Path, folder: Path
) -> tuple[Path, dict[int, list[tuple[int, str | None, int | None, bool]]]]:
    """(core file, {tid: [(pc, function, line, inlined)]})."""
    core, answer, script = folder / "core", folder / "gdb.json", folder / "stacks.py"
    script.write_text(_SCRIPT % {"core": core, "answer": answer})
    command = ["gdb", "-q", "-nx", "-batch", "-x", str(script), str(program)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
    )
    if not answer.exists():
        if "not permitted" in done.stderr:
            pytest.skip("gdb may not trace processes here")
        raise RuntimeError(done.stdout + done.stderr)
    return core, {
        int(tid): [tuple(row) for row in rows] for tid, rows in json.loads(answer.read_text()).items()
    }


def same_name(mine: str | None, theirs: str | None) -> bool:
    """Whether they're one function: gdb calls some of libc's by another name than the public one."""
    if mine == theirs:
        return True
    if mine is None or theirs is None:
        return False
    return theirs.strip("_") == mine.strip("_") or theirs.endswith(f"_{mine}")
