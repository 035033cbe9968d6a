"""Sizes and instruction counts of the library, exactly: no clock is involved."""

from __future__ import annotations

import re
import subprocess
import tempfile
import tomllib
from pathlib import Path

from tests.guest.build import STUBS, make

FIGURES = Path(__file__).with_name("figures.toml")
STRICT = ["-std=c11", "-ffreestanding", "-Wall", "-Wextra", "-Werror"]
SOURCES = sorted((STUBS / "src").glob("*.c"))
INCLUDES = [f"-I{STUBS / 'include'}", f"-I{STUBS / 'ports' / 'demo'}"]
TURNS = 1000


def recorded() -> dict[str, dict[str, float]]:
    return tomllib.loads(FIGURES.read_text())


def compile_all(cc: str, options: list[str], where: Path) -> list[Path]:
    """Compile every source for the demo guest's port; the objects."""
    done = subprocess.run(
        [cc, *STRICT, *options, *INCLUDES, "-c", *map(str, SOURCES)],
        cwd=where,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [where / source.with_suffix(".o").name for source in SOURCES]


def code_and_rodata(options: list[str]) -> int:
    """Bytes of code and constants (those that hold addresses too) with gcc -Os, as a guest links them."""
    total = 0
    with tempfile.TemporaryDirectory() as tmp:
        objects = compile_all("gcc", ["-Os", "-fno-pic", *options], Path(tmp))
        listing = subprocess.run(
            ["size", "-A", *map(str, objects)], capture_output=True, text=True, check=True
        )
    for line in listing.stdout.splitlines():
        if found := re.match(r"\.(?:text|rodata|data\.rel\.ro)\S*\s+(\d+)", line):
            total += int(found[1])
    return total


def instructions(mode: str) -> float:
    """Instructions a turn of cost.c's loop: callgrind's count, less the empty loop's."""
    return (_collect(mode) - _collect("empty")) / TURNS


def _collect(mode: str) -> int:
    program = make("cost")
    with tempfile.TemporaryDirectory() as tmp:
        valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={tmp}/out"]
        done = subprocess.run(
            [*valgrind, f"--toggle-collect=turn_{mode}", str(program), mode, str(TURNS)],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        found = re.search(r"^(?:summary|totals): (\d+)", Path(tmp, "out").read_text(), re.MULTILINE)
    assert found
    return int(found[1])
