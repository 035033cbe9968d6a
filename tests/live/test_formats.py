"""One guest, taken once, in every format: ps, bt, why and dmesg say the same of each.

QEMU's own files are real (ELF; kdump-compressed, flattened); so are makedumpfile's, where it is installed.
The others are written from their published layouts, with the ELF core's memory and registers.
"""

import shutil
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import boot
from support.cli import uniobs
from support.corewriters import Snapshot, elf, snapshot
from support.corewriters.every import WRITERS
from support.qemu import demo_elf
from uniobs.cores import open_core

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]
Answers = dict[str, Any]
WITHOUT_REGISTERS = ("lime",)
KEYS = "tid,name,stat,wchan,pcpu,cpu_time_ns,stack_used,comm,state,saved_sp,current"


def answers(target: Path) -> Answers:
    """What the commands say, less the target's name and where it lies."""
    image = ("--image", demo_elf())
    why = uniobs("why", "--json", *image, target, expect=(0, 1, 4)).json
    return {
        "ps": uniobs("ps", "--json", "-o", KEYS, *image, target).rows,
        "bt": uniobs("bt", "--json", *image, target, expect=(0, 4)).rows,
        "why": [{key: why.get(key) for key in ("rows", "status", "last_calls", "last_log", "unknown")}],
        "dmesg": _nameless(uniobs("dmesg", "--json", *image, target).lines),
    }


def _nameless(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != "target"} for row in rows]


class Taken:
    """A guest's real files, a snapshot of it, and what is said of its ELF core."""

    def __init__(self, state: str, directory: Path) -> None:
        self.state = state
        self.files: dict[str, Path] = {}
        with boot.boot(boot.Machine(machine="microvm", elf=demo_elf())) as guest:
            boot.traffic(guest)
            STATES[state](guest)
            guest.wait_console("@dump end\n")
            guest.qmp("stop")
            offered = guest.qmp("query-dump-guest-memory-capability")["formats"]
            for kind in ("elf", *sorted(kind for kind in offered if kind.startswith("kdump-"))):
                self.files[kind] = directory / f"qemu.{kind}"
                guest.qmp("dump-guest-memory", paging=False, protocol=f"file:{self.files[kind]}", format=kind)
            self.own = directory / "own"
            uniobs("core", "take", "-z", "-o", self.own, guest.pid)
        core = open_core(str(self.files["elf"]))
        with closing(core.memory):
            self.snapshot = ram_of(snapshot(core))
        self.wanted = answers(self.files["elf"])


def ram_of(whole: Snapshot) -> Snapshot:
    """Without what QEMU has beside RAM (firmware below 4 GiB)."""
    blocks = tuple(block for block in whole.blocks if block.end <= 0xC0000000)
    return whole._replace(blocks=blocks, contents=tuple(one for one in whole.contents if one[0] < 0xC0000000))


def parked(guest: boot.Guest) -> None:
    guest.poke("/park?ms=600000")


def crashed(guest: boot.Guest) -> None:
    guest.poke("/break/null")


STATES: dict[str, Callable[[boot.Guest], None]] = {"parked": parked, "crashed": crashed}


@pytest.fixture(scope="module", params=STATES)
def taken(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Taken:
    return Taken(request.param, tmp_path_factory.mktemp(request.param))


def test_there_is_something_to_compare(taken: Taken) -> None:
    assert {row["name"] for row in taken.wanted["ps"]} > {"main", "idle", "tcpip", "worker-1"}
    assert any(frame["function"] == "worker" for row in taken.wanted["bt"] for frame in row["frames"])
    assert taken.wanted["dmesg"]


def test_kdump_of_qemu(taken: Taken) -> None:
    real = {kind: path for kind, path in taken.files.items() if kind.startswith("kdump-")}
    assert "kdump-zlib" in real
    for kind, path in real.items():
        assert path.read_bytes().startswith(b"makedumpfile"), "QEMU writes it flattened"
        assert answers(path) == taken.wanted, kind


def test_core_take_compressed(taken: Taken) -> None:
    assert taken.own.stat().st_size < taken.files["elf"].stat().st_size // 10
    assert answers(taken.own) == taken.wanted


@pytest.fixture
def makedumpfile() -> str:
    tool = shutil.which("makedumpfile") or shutil.which("makedumpfile", path="/usr/sbin")
    if tool is None:
        pytest.skip("needs makedumpfile")
    return tool


def test_kdump_that_makedumpfile_put_together(taken: Taken, makedumpfile: str, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    with taken.files["kdump-zlib"].open("rb") as flat:
        subprocess.run([makedumpfile, "-R", plain], stdin=flat, check=True, capture_output=True)
    assert plain.read_bytes().startswith(b"KDUMP   ")
    assert answers(plain) == taken.wanted


@pytest.mark.parametrize("options", ["-c -d 0", "-l -d 0", "-l -d 1", "-F -c -d 0"])
def test_kdump_of_makedumpfile(options: str, taken: Taken, makedumpfile: str, tmp_path: Path) -> None:
    """zlib, lzo, lzo without zeros, flattened. It wants program headers right behind the ELF header."""
    plain, packed = tmp_path / "elf", tmp_path / "packed"
    elf.write_qemu(plain, taken.snapshot)
    command = [makedumpfile, *options.split(), plain]
    if "-F" in options:
        with packed.open("wb") as out:
            subprocess.run(command, stdout=out, stderr=subprocess.PIPE, check=True)
    else:
        subprocess.run([*command, packed], check=True, capture_output=True)
    begin = packed.read_bytes()[:12]
    assert begin == b"makedumpfile" if "-F" in options else begin.startswith(b"KDUMP   ")
    assert answers(packed) == taken.wanted


@pytest.mark.parametrize("kind", [kind for kind in WRITERS if kind not in WITHOUT_REGISTERS])
def test_the_same_in_every_format(kind: str, taken: Taken, tmp_path: Path) -> None:
    said = answers(WRITERS[kind](tmp_path / "guest", taken.snapshot))
    for command, rows in taken.wanted.items():
        assert said[command] == rows, command


@pytest.mark.parametrize("kind", WITHOUT_REGISTERS)
def test_without_registers(kind: str, taken: Taken, tmp_path: Path) -> None:
    """All but what a running thread's registers tell; a dead guest recorded its own."""
    path = WRITERS[kind](tmp_path / "guest", taken.snapshot)
    assert uniobs("ps", "--json", "-o", KEYS, path).rows == taken.wanted["ps"]
    assert _nameless(uniobs("dmesg", "--json", path).lines) == taken.wanted["dmesg"]
    rows = uniobs("bt", "--json", "--image", demo_elf(), path, expect=(0, 4)).rows
    if taken.state == "crashed":
        assert rows == taken.wanted["bt"]
    else:
        running = [row["tid"] for row in taken.wanted["ps"] if row["current"]]
        assert len(running) == 1
        others = [row for row in taken.wanted["bt"] if row["tid"] not in running]
        assert [row for row in rows if row["tid"] not in running] == others
