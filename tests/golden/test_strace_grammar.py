"""Our strace's lines against those of the real one, for the same calls with the same values."""

import errno
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.calls import CallWriter, Input, Output
from tests.support.region_builder import RegionBuilder, sockaddr
from uniobs.region import _abi
from uniobs.region.follow import TraceFollow
from uniobs.region.reader import Region
from uniobs_probes.views.strace import StraceFormatter, StraceOptions

SOURCE = Path(__file__).with_name("strace_calls.c")
TRACED = (
    "open,write,read,close,unlink,socket,setsockopt,bind,listen,accept,shutdown,sendto,recvfrom,nanosleep"
)
FD, SIZE, BUF, PTR, I64 = _abi.ARG_FD, _abi.ARG_SIZE, _abi.ARG_BUF, _abi.ARG_PTR, _abi.ARG_I64
FLAGS, MODE, MSG, ADDR = _abi.ARG_OPEN_FLAGS, _abi.ARG_MODE, _abi.ARG_MSG_FLAGS, _abi.ARG_SOCKADDR
LEVEL, OPT = _abi.ARG_SOCK_LEVEL, _abi.ARG_SOCK_OPT
REQUEST = b"GET /kv/user:42 HTTP/1.1\r\nHost: kv\r\n\r\n"
ODD = b'\0\1\2\x1f3\x7f\x80\xff\t"\\'
DIGITS = b"123456789012345678901234567890123"


def path(text: bytes) -> Input:
    return _abi.ARG_PATH, text


def buffer(data: bytes) -> Output:
    return 1, BUF, data


def write(fd: int, data: bytes) -> tuple[str, list[Input | None], int, list[Output]]:
    return "write", [(FD, fd), (BUF, data), (SIZE, len(data))], len(data), []


def read(fd: int, size: int, data: bytes) -> tuple[str, list[Input | None], int, list[Output]]:
    return "read", [(FD, fd), None, (SIZE, size)], len(data), [buffer(data)]


def calls(port: int) -> list[tuple[str, list[Input | None], int, list[Output]]]:
    """What strace_calls.c does."""
    rest = REQUEST[24:] + ODD + DIGITS[:32] + DIGITS
    stream, udp = 1 | 0o4000 | 0o2000000, 2
    anywhere, here = sockaddr(127, 0, 0, 1, 0), sockaddr(127, 0, 0, 1, port)
    domain, kind, proto = _abi.ARG_SOCK_DOMAIN, _abi.ARG_SOCK_TYPE, _abi.ARG_SOCK_PROTO
    return [
        ("open", [path(b"/nonexistent/user:42"), (FLAGS, 0), (MODE, 0)], -errno.ENOENT, []),
        ("open", [path(b"golden"), (FLAGS, 0o2 | 0o100 | 0o1000 | 0o2000 | 0o2000000), (MODE, 0o644)], 3, []),
        *(write(3, data) for data in (REQUEST, ODD, DIGITS[:32], DIGITS, b"")),
        ("close", [(FD, 3)], 0, []),
        ("open", [path(b"golden"), (FLAGS, 0o4000)], 3, []),
        *(read(3, 24, REQUEST[:24]), read(3, 4096, rest), read(3, 4096, b"")),
        ("close", [(FD, 3)], 0, []),
        ("close", [(FD, 3)], -errno.EBADF, []),
        ("unlink", [path(b"golden")], 0, []),
        ("socket", [(domain, 2), (kind, stream), (proto, 0)], 3, []),
        ("setsockopt", [(FD, 3), (LEVEL, 1), (OPT, 2), (I64, 1), (SIZE, 4)], 0, []),
        ("setsockopt", [(FD, 3), (LEVEL, 6), (OPT, 1), (I64, 1), (SIZE, 4)], 0, []),
        ("bind", [(FD, 3), (ADDR, anywhere), (SIZE, 16)], 0, []),
        ("listen", [(FD, 3), (I64, 5)], 0, []),
        ("accept", [(FD, 3), (PTR, 0), (PTR, 0)], -errno.EAGAIN, []),
        ("shutdown", [(FD, 3), (_abi.ARG_SHUT_HOW, 2)], 0, []),
        ("socket", [(domain, 2), (kind, udp), (proto, 17)], 4, []),
        ("bind", [(FD, 4), (ADDR, anywhere), (SIZE, 16)], 0, []),
        ("sendto", [(FD, 4), (BUF, b"ping"), (SIZE, 4), (MSG, 0x4040), (ADDR, here), (SIZE, 16)], 4, []),
        (
            "recvfrom",
            [(FD, 4), None, (SIZE, 4096), (MSG, 2)],
            4,
            [buffer(b"ping"), (4, ADDR, here), (5, SIZE, 16)],
        ),
        (
            "recvfrom",
            [(FD, 77), None, (SIZE, 16), (MSG, 0x60), (PTR, 0), (PTR, 0)],
            -errno.EBADF,
            [buffer(b"")],
        ),
        ("socket", [(domain, 10), (kind, 99), (proto, 0)], -errno.EINVAL, []),
        ("nanosleep", [(_abi.ARG_NS, 1_000_000), (PTR, 0)], 0, []),
    ]


def ours(port: int) -> list[str]:
    b = RegionBuilder()
    ring = b.trace(256)
    writer = CallWriter(b)
    for name, inputs, result, outputs in calls(port):
        names = ["", "", "", "optval"] if name == "setsockopt" else []
        writer.call(ring, 1, name, inputs, result, outputs, names)
    region = Region(b.memory(), b.base)
    follow = TraceFollow(region)
    formatter = StraceFormatter(StraceOptions(region.clock, arities=follow.arities()))
    lines = formatter.feed(follow.poll()) + formatter.close()
    assert follow.loss.torn == follow.loss.lost == 0
    return lines


def real(directory: Path) -> list[str]:
    program = directory / "calls"
    subprocess.run(["gcc", "-o", program, SOURCE], check=True, timeout=15)
    traced = subprocess.Popen(
        ["strace", "-e", f"trace={TRACED}", program, directory],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        _, out = traced.communicate(timeout=10)
    finally:
        if traced.poll() is None:
            os.killpg(traced.pid, signal.SIGKILL)
            traced.wait()
    lines = out.splitlines()
    begin = next((i for i, line in enumerate(lines) if "nonexistent" in line), None)
    if begin is None:
        pytest.skip("strace may not trace here")
    return [line for line in lines[begin:] if not line.startswith("+++")]


@pytest.mark.skipif(not (shutil.which("strace") and shutil.which("gcc")), reason="no strace, or no gcc")
def test_lines_are_those_of_strace(tmp_path: Path) -> None:
    # A buffer that the call didn't fill: strace shows its address, which a guest doesn't tell.
    expected = [re.sub(r"0x7f[0-9a-f]{10}", "?", line) for line in real(tmp_path)]
    port = next(int(m[1]) for line in expected if (m := re.match(r"sendto.*htons\((\d+)\)", line)))
    assert ours(port) == expected


@pytest.mark.skipif(not shutil.which("strace"), reason="strace isn't installed")
def test_the_summary_has_straces_layout(tmp_path: Path) -> None:
    out = subprocess.run(["strace", "-c", "-o", tmp_path / "c", "true"], check=False, timeout=10)
    if out.returncode:
        pytest.skip("strace may not trace here")
    lines = (tmp_path / "c").read_text().splitlines()
    b = RegionBuilder()
    ring = b.trace(256)
    writer = CallWriter(b)
    for name, inputs, result, outputs in calls(1):
        writer.call(ring, 1, name, inputs, result, outputs)
    region = Region(b.memory(), b.base)
    formatter = StraceFormatter(StraceOptions(region.clock, lines=False, summary=True))
    assert formatter.feed(TraceFollow(region).poll()) == []
    table = formatter.table()
    assert table[:2] == lines[:2]
    assert table[-2] == lines[-2]
    row = re.compile(r"^ *\d+\.\d\d +\d+\.\d{6} +\d+ +\d+ +(\d+ )?\w+$")
    assert all(row.match(line) for line in lines[2:-2])
    assert all(row.match(line) for line in table[2:-2])
    assert [line.rindex(" ") for line in table[2:-2]] == [lines[2].rindex(" ")] * len(table[2:-2])
    assert table[-1].split()[-3:] == [str(len(calls(1))), str(sum(1 for c in calls(1) if c[2] < 0)), "total"]
