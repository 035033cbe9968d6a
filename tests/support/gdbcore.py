"""Stock gdb on a core: every thread's frames, and what it prints; and the same of uniobs, to be compared."""

import functools
import itertools
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support import symbolizers
from uniobs.cli import debuggers
from uniobs.export import gdbcore_file, gdbcore_view
from uniobs.target import open_target

_SCRIPT = """
import gdb, json, os, re
orders = json.loads(os.environ["UNIOBS_GDB"])
gdb.execute("set backtrace past-main on"); gdb.execute("set backtrace past-entry on")
gdb.execute("set backtrace limit 200"); gdb.execute("set print address off")
gdb.execute("set print inferior-events off"); gdb.execute("set width 0")
threads = []
selected = gdb.selected_thread()
for thread in sorted(gdb.selected_inferior().threads(), key=lambda one: one.num):
    thread.switch()
    frames, frame = [], gdb.newest_frame()
    while frame is not None:
        sal = frame.find_sal()
        frame.select()
        try:
            place = re.search(r"frame at (0x[0-9a-f]+)", gdb.execute("info frame", to_string=True))
        except gdb.error:  # the caller isn't in memory
            place = None
        if frame.type() != gdb.TAILCALL_FRAME:  # those are gdb's guesses: no such frame is on the stack
            frames.append({
                "pc": frame.pc(), "function": frame.name(), "line": sal.line or None,
                "file": sal.symtab.fullname() if sal.symtab else None,
                "inline": frame.type() == gdb.INLINE_FRAME, "cfa": int(place[1], 16) if place else None,
            })
        try:
            frame = frame.older()
        except gdb.error:
            break
    threads.append({"id": thread.ptid[1], "name": thread.name, "frames": frames})
selected.switch()
printed = {}
for words in orders["print"]:
    try:
        printed[words] = gdb.execute("print " + words, to_string=True).split(" = ", 1)[1].strip()
    except gdb.error as error:
        printed[words] = "error: " + str(error)
memory = {}
for address, size in orders["memory"]:
    try:
        memory[address] = bytes(gdb.selected_inferior().read_memory(address, size)).hex()
    except gdb.MemoryError:
        memory[address] = None
with open(orders["answer"], "w") as file:
    answer = {"selected": selected.ptid[1], "threads": threads, "printed": printed, "memory": memory}
    json.dump(answer, file)
"""


class Row(NamedTuple):
    """A frame as both tell it; ``line`` and ``file`` None: not known."""

    pc: int
    function: str | None
    file: str | None
    line: int | None
    cfa: int | None


def gdb(
    words: Sequence[str],
    *,
    printing: Sequence[str] = (),
    memory: Sequence[tuple[int, int]] = (),
    command: Sequence[str] = ("gdb",),
    timeout: float = 100,
) -> dict[str, Any]:
    """What gdb says: {"selected": id, "threads": [...], "printed": {expression: text}, "memory": {...}}.

    ``words`` are its own command line; ``command`` may be another that becomes gdb with them.
    """
    with tempfile.TemporaryDirectory(prefix="uniobs-gdb-") as folder:
        answer, script = Path(folder) / "answer", Path(folder) / "script.py"
        script.write_text(_SCRIPT)
        orders = {"print": list(printing), "memory": [list(row) for row in memory], "answer": str(answer)}
        options = ["-q", "-nx", "-batch", "-iex", "set debuginfod enabled off"]
        done = subprocess.run(
            [*command, *options, *words, "-x", str(script)],
            env={**os.environ, "UNIOBS_GDB": json.dumps(orders)},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=timeout, check=False,
        )  # fmt: skip
        assert answer.exists(), f"{words}\n{done.stdout}\n{done.stderr}"
        told: dict[str, Any] = json.loads(answer.read_text())
    told["said"] = done.stdout + done.stderr
    told["memory"] = {int(address): data for address, data in told["memory"].items()}
    return told


def theirs(thread: dict[str, Any]) -> list[Row]:
    """gdb's frames, less what it makes up past the outermost one."""
    rows = [
        Row(one["pc"], plain(one["function"]), path(one["file"]), one["line"], one["cfa"])
        for one in thread["frames"]
    ]
    while len(rows) > 1 and rows[-1].function is None:
        rows.pop()
    return rows


def ours(stack: Any) -> list[Row]:
    return [Row(one.pc, plain(one.function), path(one.file), one.line, one.cfa) for one in stack.frames]


def plain(name: str | None) -> str | None:
    """The function's own name: namespaces, arguments and clones' suffixes are told by one or by both."""
    if name is None:
        return None
    name = re.sub(r"\.(cold|part|isra|constprop|lto_priv|localalias)(\.\d+)?.*$", "", name)
    name = re.sub(r"\[abi:\w+\]|\(anonymous namespace\)::", "", name)
    name = re.sub(r"\{[^{}]*\}", "lambda", name)
    if "operator" in name:
        return "operator"
    while (shorter := re.sub(r"<[^<>]*>|\([^()]*\)( const)?", "", name)) != name:
        name = shorter
    return name.rpartition("::")[2].rpartition(" ")[2]


def path(name: str | None) -> str | None:
    return os.path.normpath(name) if name else None


class Compared(NamedTuple):
    """Stacks and frames that were compared, and what nobody explains."""

    stacks: int
    frames: int
    wrong: list[str]
    left_out: tuple[tuple[str, str], ...]


def compare(core: Path, images: Sequence[Path], copy: Path) -> Compared:
    """Every frame of every thread: uniobs' beside stock gdb's on the fixed core, written to ``copy``.

    A thread that gave up the CPU goes on behind the call in which it did. uniobs looks at the call, gdb at
    what is behind it: so gdb is shown the call's last byte here. Where gdb tells another line of an address,
    llvm-symbolizer has to be with uniobs (gdb leaves out lines that begin no statement); where it tells
    another name, that has to be one of the same function.
    """
    target = open_target(str(core), images=[str(image) for image in images])
    try:
        rows = {row.tid: row for row in target.walker("threads").threads()}
        stacks = {tid: target.stack(row) for tid, row in rows.items()}
        called: set[int] = set()

        def inside(guest: Any) -> Any:
            seen = gdbcore_view.view(guest)
            states = []
            for state in seen.threads:
                pc = state.values["rip"]
                found = next((m.function(pc) for m in target.modules if m.holds(pc)), None)
                if state.pid in seen.partial and (found is None or found[1] != pc):
                    called.add(state.pid)
                    state = state._replace(values=state.values | {"rip": pc - 1})
                states.append(state)
            return seen._replace(threads=tuple(states))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(gdbcore_file, "view", inside)
            done = gdbcore_file.fix_copy(target, str(copy))
        told = gdb(debuggers.gdb(str(copy), target.modules))
        wrong: list[str] = []
        frames = 0
        for thread in told["threads"]:
            mine, other = ours(stacks[thread["id"]]), theirs(thread)
            if thread["id"] in called and other:
                first = other[0].pc
                other = [row._replace(pc=row.pc + 1) if row.pc == first else row for row in other]
            frames += len(mine)
            for text in _differences(target.modules, mine, other, stacks[thread["id"]]):
                wrong.append(f"{core.name} thread {thread['id']}: {text}")
        return Compared(len(told["threads"]), frames, wrong, done.view.left_out)
    finally:
        target.close()


def _differences(modules: Sequence[Any], mine: list[Row], other: list[Row], stack: Any) -> Iterator[str]:
    trusts = [frame.trust for frame in stack.frames]
    for number, (one, two) in enumerate(itertools.zip_longest(mine, other)):
        if two is None and "scan" in trusts[: number + 1]:
            return  # gdb ends where nothing but a scan goes on, which each frame says
        if one is None or two is None:
            yield f"uniobs {one}, gdb {two} (note: {stack.note})"
            continue
        if one.pc != two.pc or (one.cfa and two.cfa and one.cfa != two.cfa):
            yield f"uniobs {one}, gdb {two}"
            continue
        if one.function != two.function and not _aliases(modules, one.pc, one.function, two.function):
            yield f"uniobs {one}, gdb {two}"
        elif one[2:4] != two[2:4] and one[2:4] not in _judged(modules, one.pc):
            yield f"uniobs {one}, gdb {two}, llvm-symbolizer {_judged(modules, one.pc)}"


@functools.cache
def _judge(image: Path, address: int) -> list[tuple[str | None, int | None]]:
    found = symbolizers.llvm(image, [address - 1, address])
    return [(path(file), line) for rows in found for _, file, line in rows]


def _judged(modules: Sequence[Any], pc: int) -> list[tuple[str | None, int | None]]:
    """What llvm-symbolizer says of the call before ``pc``, and of ``pc``."""
    module = next(module for module in modules if module.holds(pc))
    return _judge(module.path, pc - module.bias)


def _aliases(modules: Sequence[Any], pc: int, *names: str | None) -> bool:
    """Whether all are names of one function, by readelf; or one is another mangled, by c++filt."""
    if any(name and name.startswith("_Z") for name in names):
        said = subprocess.run(["c++filt", *map(str, names)], capture_output=True, text=True, check=True)
        return len({plain(line) for line in said.stdout.splitlines()}) == 1
    module = next((module for module in modules if module.holds(pc)), None)
    if module is None:
        return False
    places = [_symbols(module.path).get(name or "", set()) for name in names]
    return bool(set.intersection(*places))


@functools.cache
def _symbols(image: Path) -> dict[str, set[int]]:
    said = subprocess.run(["readelf", "-sW", image], capture_output=True, text=True, check=True).stdout
    found: dict[str, set[int]] = {}
    for line in said.splitlines():
        words = line.split()
        if len(words) == 8 and words[3] in ("FUNC", "NOTYPE", "IFUNC"):
            found.setdefault(words[7].partition("@")[0], set()).add(int(words[1], 16))
    return found
