"""Builds the native symbol indexer into the package. Without a C compiler the package is pure Python.

`python hatch_build.py` builds it in place, as an editable install does.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NATIVE = Path("uniobs", "image", "native")
PROGRAM = NATIVE / "symbol-index"
FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-fstack-protector-strong", "-s"]
LINKS = (["-static-pie", "-fPIE"], ["-static"], [])  # a program that needs no library starts soonest


def build(root: Path) -> str | None:
    """Compile it unless it is newer than its sources; why it couldn't be, or None."""
    program = root / PROGRAM
    sources = sorted((root / NATIVE).glob("*.c"))
    inputs = [*sources, *(root / NATIVE).glob("*.h"), Path(__file__)]
    if program.exists() and program.stat().st_mtime > max(path.stat().st_mtime for path in inputs):
        return None
    program.unlink(missing_ok=True)  # an old one could answer otherwise than its sources say
    if not sys.platform.startswith("linux"):
        return "it is made for Linux"
    names = (os.environ.get("CC", ""), "cc", "gcc", "clang")
    compiler = next((found for name in names if name and (found := shutil.which(name))), None)
    if compiler is None:
        return "there is no C compiler"
    with tempfile.TemporaryDirectory(dir=program.parent) as folder:
        made = Path(folder) / "program"
        for link in LINKS:
            command = [compiler, *FLAGS, *link, *map(str, sources), "-o", str(made)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                made.replace(program)  # whole, whoever builds it at the same time
                return None
    return (done.stderr.strip().splitlines() or [f"{compiler} failed"])[-1]


class CustomBuildHook(BuildHookInterface[Any]):
    """A wheel with the program is tagged with its platform, one without is pure."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before a wheel or an editable install is put together."""
        problem = build(Path(self.root))
        if problem is not None:
            self.app.display_warning(
                f"the native symbol indexer isn't built ({problem}): symbols are read slowly"
            )
        elif version != "editable":
            build_data["artifacts"].append(f"/{PROGRAM.as_posix()}")
            build_data["pure_python"] = False
            platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["tag"] = f"py3-none-{platform}"


if __name__ == "__main__":
    problem = build(Path(__file__).resolve().parent)
    if problem is not None:
        sys.stderr.write(f"the native symbol indexer isn't built ({problem}): symbols are read slowly\n")
