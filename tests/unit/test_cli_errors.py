"""Each way to ask for what can't be: one line on stderr, its exit code, nothing else."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from support.cli import UNIOBS, uniobs
from support.shop import crashed, shop, write


@pytest.fixture
def guest(tmp_path: Path) -> Path:
    return write(tmp_path / "shop.mem", shop())


def test_a_pid_that_is_no_vmm() -> None:
    line = uniobs("ps", os.getpid(), expect=3).one_line()
    assert f"pid {os.getpid()}" in line
    assert "no VMM" in line


def test_a_pid_that_is_not_there() -> None:
    assert "4194999" in uniobs("ps", 4194999, expect=3).one_line()


def test_no_such_guest() -> None:
    assert "nosuchguest" in uniobs("why", "nosuchguest", expect=3).one_line()


def test_no_such_file() -> None:
    assert "no such file" in uniobs("bt", "/nowhere/at.all", expect=3).one_line()


def test_a_file_of_garbage(tmp_path: Path) -> None:
    path = tmp_path / "garbage"
    path.write_bytes(os.urandom(1 << 16))
    uniobs("ps", path, expect=(3, 5)).one_line()


@pytest.mark.parametrize("size", [0, 1, 64, 4095])
def test_a_core_cut_short(tmp_path: Path, size: int) -> None:
    path = tmp_path / "cut.core"
    path.write_bytes((b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x04\0\x3e\0" + bytes(5000))[:size])
    uniobs("ps", path, expect=(3, 5)).one_line()


def test_a_region_that_is_garbled(guest: Path) -> None:
    with guest.open("r+b") as file:
        file.seek(0x200000 + 100)
        file.write(b"\xff\xff")
    uniobs("ps", guest, expect=(3, 5)).one_line()


@pytest.mark.parametrize("command", ["bt", "why", "ps"])
def test_an_image_that_is_another(guest: Path, command: str) -> None:
    ran = uniobs(command, guest, "--image", "/bin/true", expect=(4, 7))
    assert len(ran.err.splitlines()) <= 2, ran.describe()


def test_an_image_that_is_none(guest: Path) -> None:
    uniobs("bt", guest, "--image", __file__, expect=3).one_line()


@pytest.mark.parametrize(
    "argv",
    [
        ["ps", "GUEST", "-o", "tid,color"],
        ["ps", "GUEST", "--sort", "color"],
        ["ps", "GUEST", "nonsense"],
        ["ss", "GUEST", "state", "happy"],
        ["vmstat", "GUEST", "0"],
        ["vmstat", "GUEST", "1", "2", "3"],
        ["tcpdump", "GUEST", "no such filter"],
        ["tcpdump", "GUEST", "-i", "eth9"],
        ["strace", "GUEST", "-e", "nonsense=1"],
        ["strace", "GUEST", "-z", "-Z"],
        ["dmesg", "GUEST", "-l", "loud"],
        ["top", "GUEST", "-d", "0"],
        ["why", "GUEST", "more"],
        ["core"],
        ["core", "take", "GUEST"],
        ["bt", "GUEST", "x"],
    ],
)
def test_usage(guest: Path, argv: list[str]) -> None:
    ran = uniobs(*[str(guest) if word == "GUEST" else word for word in argv], expect=2)
    assert not ran.out
    lines = [line for line in ran.err.splitlines() if " is dead " not in line]
    assert len(lines) == 1, ran.describe()


def test_a_thread_that_is_not_there(guest: Path) -> None:
    assert "no thread 99" in uniobs("bt", guest, 99, expect=3).one_line()


def test_what_the_guest_does_not_offer(tmp_path: Path) -> None:
    build = shop()
    build.rings.clear()
    path = write(tmp_path / "plain.mem", build)
    for command in ("strace", "tcpdump", "dmesg"):
        line = uniobs(command, path, expect=5).one_line()
        assert "offer" in line or "without" in line


def test_a_full_disk(guest: Path) -> None:
    with open("/dev/full", "wb") as full:
        ran = uniobs("ps", guest, expect=3, stdout=full)
    assert "No space left on device" in ran.err.splitlines()[-1]
    ran = uniobs("tcpdump", guest, "-w", "/dev/full", expect=3)
    assert ran.err.splitlines()[-1].startswith("uniobs: can't write to /dev/full: No space left")


def test_a_reader_that_goes_away(guest: Path) -> None:
    read, write_end = os.pipe()
    os.close(read)
    try:
        ran = uniobs("ps", guest, expect=3, stdout=write_end)
    finally:
        os.close(write_end)
    assert "Broken" not in ran.err
    assert "Exception" not in ran.err


def test_a_bug_is_one_line_too(tmp_path: Path) -> None:
    site = tmp_path / "sitecustomize.py"
    site.write_text("import uniobs.cli.args as a\na.parse = lambda *_: 1 / 0\n")
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ran = subprocess.run([UNIOBS, "ps"], env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 3
    assert len(ran.stderr.splitlines()) == 1
    assert "this is a bug in uniobs (ZeroDivisionError" in ran.stderr
    env["UNIOBS_DEBUG"] = "1"
    ran = subprocess.run([UNIOBS, "ps"], env=env, capture_output=True, text=True, check=False)
    assert "Traceback" in ran.stderr


def test_interrupt_is_130(tmp_path: Path) -> None:
    """Ctrl-C while it waits for a file that is a pipe nobody writes to."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    process = subprocess.Popen(
        [UNIOBS, "tcpdump", "-r", str(pipe)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "Traceback" not in err


def test_a_core_is_not_taken_over_a_file(tmp_path: Path) -> None:
    guest = write(tmp_path / "dead.mem", crashed(shop()))
    assert "a core is taken of a running guest" in uniobs("core", "take", guest, expect=2).one_line()
