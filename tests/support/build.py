"""C programs compiled for a test."""

import shutil
import subprocess
from pathlib import Path

import pytest


def compile_c(folder: Path, name: str, sources: list[Path], *flags: str, compiler: str = "gcc") -> Path:
    """The program; skips the test when the compiler isn't installed."""
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} isn't installed")
    out = folder / name
    subprocess.run([compiler, *flags, *map(str, sources), "-o", str(out)], check=True, cwd=folder)
    return out


def need(*tools: str) -> None:
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} isn't installed")
