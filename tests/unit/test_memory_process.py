"""Another process's memory: a child that holds known bytes."""

import ctypes
import mmap
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from uniobs.errors import AccessDenied, TargetGone, UnknownMemory
from uniobs.memory.base import Range
from uniobs.memory.blocks import Block
from uniobs.memory.maps import parse_maps, read_maps
from uniobs.memory.process import ProcessMemory, gather

CHILD = """
import ctypes, mmap, sys
m = mmap.mmap(-1, 8 * 4096)
for page in range(8): m[page * 4096] = page + 1
print(ctypes.addressof(ctypes.c_char.from_buffer(m)), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def child() -> Iterator[tuple["subprocess.Popen[str]", int]]:
    with subprocess.Popen(
        [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process, int(process.stdout.readline())
        process.kill()


def test_blocks_of_another_process(child: tuple["subprocess.Popen[str]", int]) -> None:
    process, base = child
    memory = ProcessMemory(process.pid, [Block(0, 4096, base), Block(1 << 32, 4096, base + 3 * 4096)])
    assert memory.read(0, 2) == b"\1\0"
    assert memory.read(1 << 32, 1) == b"\4"
    assert memory.ranges() == [Range(0, 4096), Range(1 << 32, 4096)]
    with pytest.raises(UnknownMemory):
        memory.read(4095, 2)
    process.kill()
    process.wait()
    with pytest.raises(TargetGone, match="is gone"):
        memory.read(0, 2)
    memory.close()


def test_a_process_that_is_its_own_guest(child: tuple["subprocess.Popen[str]", int]) -> None:
    process, base = child
    memory = ProcessMemory(process.pid)
    assert memory.read(base + 4095, 2) == b"\0\2"
    assert any(part.start <= base < part.end for part in memory.ranges())
    for address, size in ((0, 1), (1 << 63, 8), ((1 << 64) - 1, 4), (base, 1 << 40), (-4096, 8)):
        with pytest.raises(UnknownMemory):
            memory.read(address, size)
    memory.close()
    with pytest.raises(TargetGone):
        memory.read(base, 1)


def test_a_read_that_ends_in_a_hole() -> None:
    with mmap.mmap(-1, 3 * 4096) as area:
        base = ctypes.addressof(ctypes.c_char.from_buffer(area))
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.mprotect(ctypes.c_void_p(base + 4096), ctypes.c_size_t(4096), 0) == 0
        memory = ProcessMemory(os.getpid())
        assert memory.read(base, 4096) == bytes(4096)
        with pytest.raises(UnknownMemory, match="4097 bytes"):
            memory.read(base, 4097)
        pages = [base, base + 4096, base + 8192]
        assert gather(os.getpid(), pages, 16) == bytes(48)
        memory.close()
        assert libc.mprotect(ctypes.c_void_p(base + 4096), ctypes.c_size_t(4096), 3) == 0


def test_gathering_goes_on_after_what_cannot_be_read(child: tuple["subprocess.Popen[str]", int]) -> None:
    process, base = child
    pages = [base, 4096, base + 4096, 8192, 12288, base + 7 * 4096] * 500
    assert gather(process.pid, pages, 1) == b"\1\0\2\0\0\10" * 500


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_users_process(child: tuple["subprocess.Popen[str]", int]) -> None:
    process, _ = child
    ours, theirs = os.pipe()
    if (pid := os.fork()) == 0:  # all is imported already: nobody need not be able to read our files
        try:
            os.setuid(65534)
            ProcessMemory(process.pid).read(4096, 8)
        except AccessDenied as error:
            os.write(theirs, str(error).encode())
        finally:
            os._exit(0)
    os.close(theirs)
    with open(ours, "rb") as said:
        text = said.read().decode()
    os.waitpid(pid, 0)
    assert text == f"pid {process.pid} belongs to another user: run as that user or give cap_sys_ptrace"


def test_no_such_process() -> None:
    with pytest.raises(TargetGone):
        ProcessMemory(2**22 + 1)
    with pytest.raises(TargetGone):
        read_maps(2**22 + 1)


def test_maps_of_any_form() -> None:
    text = b"7f00-8f00 rw-s 00001000 00:01 42 /dev/shm/a b.ram (deleted)\nwhat\n1-2 x\n10-20 r--p 0 0:0 0\n"
    first, second = parse_maps(text)
    assert (first.start, first.size, first.shared, first.path) == (
        0x7F00,
        0x1000,
        True,
        "/dev/shm/a b.ram (deleted)",
    )
    assert (second.path, second.readable, second.shared) == ("", True, False)
    assert AccessDenied.exit_code == 3
