"""Builds the C side of these tests, once a run and apart from what a user builds."""

from __future__ import annotations

import functools
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STUBS = ROOT / "guest-stubs"


@functools.cache
def make(program: str, cc: str = "gcc", cflags: str = "-O2", extra: str = "", out: str = "tests") -> Path:
    """Build a program of guest-stubs/Makefile; its path."""
    where = STUBS / "build" / out
    env = {
        k: v
        for k, v in os.environ.items()
        if k not in ("MAKEFLAGS", "MAKELEVEL", "CFLAGS", "CPPFLAGS", "LDFLAGS")
    }
    options = [f"CC={cc}", f"CFLAGS={cflags}", f"EXTRA={extra}", f"OUT={where}"]
    done = subprocess.run(
        ["make", "-s", "-C", str(STUBS), *options, str(where / program)],
        capture_output=True,
        text=True,
        env=env,
    )
    assert done.returncode == 0, done.stderr
    return where / program
