"""The demo runs through without a terminal, every command with the exit code it should have."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import boot
from support.qemu import demo_elf

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]


def play(environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, str(boot.HERE / "scenes.py")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "Traceback" not in done.stdout
    return done.stdout


def test_under_qemu() -> None:
    demo_elf()
    said = play(dict(os.environ))
    for fact in ("DEADLOCKED threads", "is DEAD: page fault in poke", "packets captured", "LISTEN"):
        assert fact in said, fact


def test_without_qemu(tmp_path: Path) -> None:
    """PATH holds everything but QEMU: the hosted guest plays."""
    guest_stubs = boot.HERE.parent
    subprocess.run(["make", "-s", "-C", str(guest_stubs), "build/demo-hosted"], check=True)
    for directory in reversed(os.environ["PATH"].split(os.pathsep)):
        if not os.path.isdir(directory):
            continue
        for name in os.listdir(directory):
            link = tmp_path / name
            if not name.startswith("qemu-"):
                link.unlink(missing_ok=True)
                link.symlink_to(os.path.join(directory, name))
    said = play({**os.environ, "PATH": str(tmp_path)})
    for fact in ("No QEMU here", "DEADLOCKED threads", "is DEAD: page fault"):
        assert fact in said, fact
