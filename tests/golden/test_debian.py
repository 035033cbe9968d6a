"""Where our tables overlap with Debian's ps, netstat, ss and vmstat: the same headers, the same grammar."""

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.shop import shop, write
from uniobs.cli.main import main

Capture = pytest.CaptureFixture[str]
# the fourth: an IPv4 address as IPv6 has it, of which a host may have connections too
ADDRESS = r"(?:\d+\.\d+\.\d+\.\d+|\[?[0-9a-f:]+\]?|\*|\[?::ffff:\d+\.\d+\.\d+\.\d+\]?)(?:%\S+)?:(?:\d+|\*)"
NETSTAT = re.compile(rf"(tcp|udp)6? +\d+ +\d+ {ADDRESS} +{ADDRESS} *[A-Z_12]* *")
SS = re.compile(rf"(?:[A-Z0-9-]+|UNCONN) +\d+ +\d+ +{ADDRESS} +{ADDRESS}(?: +users:\(\(.*\)\))? *")
PS = re.compile(r" *\d+ [A-Za-z][<NLsl+]* .+ +\d+\.\d+ +(?:\d+[:.])+\d+ \S.*")


def real(*command: str) -> list[str]:
    path = shutil.which(command[0])
    if path is None:
        pytest.skip(f"{command[0]} isn't installed")
    done = subprocess.run(
        [path, *command[1:]], capture_output=True, text=True, check=True, env={"LC_ALL": "C"}
    )
    return done.stdout.splitlines()


@pytest.fixture
def guest(tmp_path: Path) -> str:
    return str(write(tmp_path / "shop.mem", shop()))


@pytest.fixture
def connection() -> Iterator[None]:
    """Something for the real tools to show."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        yield None


def ours(capture: Capture, *argv: str) -> list[str]:
    assert main(list(argv)) == 0
    return capture.readouterr().out.splitlines()


def starts(header: str, words: list[str]) -> list[int]:
    return [header.index(word) for word in words]


@pytest.mark.usefixtures("connection")
def test_netstat(guest: str, capsys: Capture) -> None:
    theirs, mine = real("netstat", "-tuan"), ours(capsys, "netstat", "-tuan", guest)
    assert mine[0] == theirs[0]
    assert mine[1] == theirs[1].rstrip()
    columns = ["Proto", "Recv-Q", "Send-Q", "Local Address", "Foreign Address", "State"]
    assert starts(mine[1], columns) == starts(theirs[1], columns)
    for line in (*theirs[2:], *mine[2:]):
        assert NETSTAT.fullmatch(line), line
    assert "PID/Program name" in ours(capsys, "netstat", "-tanp", guest)[1]


def test_netstat_interfaces_and_routes(guest: str, capsys: Capture) -> None:
    theirs, mine = real("netstat", "-i"), ours(capsys, "netstat", "-i", guest)
    assert mine[0] == theirs[0]
    ours_only = {"RX-BYTES", "TX-BYTES", "Address", "HWaddr"}
    theirs_only = {"RX-OVR", "TX-OVR", "Flg"}
    assert [w for w in mine[1].split() if w not in ours_only] == [
        w for w in theirs[1].split() if w not in theirs_only
    ]
    assert main(["netstat", "-rn", guest]) == 4
    mine = capsys.readouterr().out.splitlines()
    theirs = real("netstat", "-rn")
    assert mine[0] == theirs[0]
    assert mine[1].split() == [w for w in theirs[1].split() if w not in ("MSS", "Window", "irtt")]


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("flags", ["-tan", "-tanp"])
def test_ss(guest: str, capsys: Capture, flags: str) -> None:
    theirs, mine = real("ss", flags), ours(capsys, "ss", flags, guest)
    words = theirs[0].replace("PortProcess", "Port Process").split()
    assert mine[0].split() == words
    for line in (*theirs[1:], *mine[1:]):
        assert SS.fullmatch(line), line
    assert len(ours(capsys, "ss", "-tanH", guest)) == len(mine) - 1


def test_ss_of_several_kinds_begins_with_netid(guest: str, capsys: Capture) -> None:
    theirs, mine = real("ss", "-tuan"), ours(capsys, "ss", "-tuan", guest)
    assert mine[0].split()[0] == theirs[0].split()[0] == "Netid"


def test_ps(guest: str, capsys: Capture) -> None:
    columns = "tid,stat,wchan,pcpu,time,comm"
    theirs, mine = real("ps", "-eo", columns), ours(capsys, "ps", guest, "-eo", columns)
    assert mine[0].split() == theirs[0].split()
    for line in (*theirs[1:], *mine[1:]):
        assert PS.fullmatch(line), line


def test_vmstat(guest: str, capsys: Capture) -> None:
    theirs, mine = real("vmstat"), ours(capsys, "vmstat", guest)
    assert mine[0].startswith("procs ")
    assert theirs[0].startswith("procs ")
    shared = [word for word in mine[1].split() if word in theirs[1].split()]
    assert shared == ["r", "b", "free", "in", "cs", "us", "id"]
    assert shared == [word for word in theirs[1].split() if word in shared]
    assert len(mine) == len(theirs) == 3
