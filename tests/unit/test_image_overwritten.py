"""A file that is cut while it is mapped ends the process with one line."""

import subprocess
import sys
from pathlib import Path

from support.crashlog import kernel

PROGRAM = """
import os, sys
from uniobs.image.module import Module
from uniobs.image.overwritten import guard
guard()
module = Module.load(sys.argv[1])
os.truncate(sys.argv[1], 0)
print(module.symbolise(0x101000))
"""


def test_one_line_and_exit_code_3(tmp_path: Path) -> None:
    path = kernel(tmp_path).path
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, path], capture_output=True, text=True, check=False, timeout=20
    )
    assert done.returncode == 3, done
    assert done.stdout == "" and len(done.stderr.splitlines()) == 1
    assert "overwritten or cut in place" in done.stderr
