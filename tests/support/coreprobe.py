"""Any file, opened as a core: one of our errors in one line, or bytes."""

import os
from contextlib import closing
from pathlib import Path

from uniobs.cores import open_core
from uniobs.errors import UniobsError
from uniobs.target import open_target

LINE_MAX = 700
PART_MAX = 1 << 20  # bytes of a range of memory that are read


def descriptors() -> int:
    """How many files this process has open."""
    return len(os.listdir("/proc/self/fd"))


def one_line(error: UniobsError) -> None:
    text = str(error)
    assert text
    assert "\n" not in text
    assert len(text) < LINE_MAX


def look(path: Path) -> None:
    """Open it and read a little of everything."""
    try:
        core = open_core(str(path))
    except UniobsError as error:
        one_line(error)
        return
    with closing(core.memory) as memory:
        for part in list(memory.ranges())[:8]:
            whole = (part.start, min(part.size, PART_MAX))
            for address, size in ((part.start, 64), (part.end - 8, 16), whole):
                try:
                    assert len(memory.read(address, size)) == size
                except UniobsError as error:
                    one_line(error)
        for registers in (*core.registers, *core.threads.values()):
            assert all(0 <= value < 1 << 64 for value in registers.values.values())
        for file in core.files:
            assert isinstance(file.path, str)


def walk(path: Path) -> None:
    """Ask a target of it what a command would."""
    try:
        target = open_target(str(path))
    except UniobsError as error:
        one_line(error)
        return
    with closing(target):
        try:
            target.status(0)
            for thread in target.walker("threads").threads():
                target.stack(thread)
            target.registers()
            target.space.read(0x1000, 64)
        except UniobsError as error:
            one_line(error)
