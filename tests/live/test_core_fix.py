"""`uniobs core fix` on the reference guest: stock gdb and drgn show each thread, each frame, true values."""

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import boot
from tests.support import build
from tests.support.cli import UNIOBS, uniobs
from tests.support.drgncore import drgn
from tests.support.gdbcore import compare, gdb, plain
from tests.support.qemu import MACHINES, booted, demo_elf, dumped, physical

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]
HEAD, THREAD, MAPPING = 32 << 10, 400, 56  # bytes that a fix may add at most


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Images that nobody else remembers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def running(guest: boot.Guest) -> None:
    boot.traffic(guest)
    guest.poke("/park?ms=600000")


def deadlocked(guest: boot.Guest) -> None:
    boot.traffic(guest)
    guest.poke("/break/deadlock")
    for _ in range(40):
        if any(row["name"] == "deadlock" for row in uniobs("why", "--json", guest.pid, expect=(0, 1)).rows):
            break
    guest.poke("/park?ms=600000")


def crashed(guest: boot.Guest) -> None:
    boot.traffic(guest)
    guest.poke("/break/null")


STATES: dict[str, Callable[[boot.Guest], None]] = {
    "running": running,
    "deadlocked": deadlocked,
    "crashed": crashed,
}


class Fixed:
    """A core of a guest that stood still, its fixed copy, and what guest and QEMU say of its memory."""

    def __init__(self, machine: str, state: str, directory: Path) -> None:
        build.need("gdb")
        self.state, self.directory = state, directory
        self.core, self.copy = directory / "pay.core", directory / "pay.gdb.core"
        with booted(machine) as guest:
            guest.wait_ready()
            STATES[state](guest)
            guest.wait_console("@dump end\n")
            guest.qmp("stop")
            guest.qmp("dump-guest-memory", paging=False, protocol=f"file:{self.core}")
            self.threads = {int(row["tid"]): row for row in dumped(guest.console)["threads"]}
            self.image = physical(guest, 1 << 20, 1 << 20)
        self.hash = hashlib.sha256(self.core.read_bytes()).digest()
        self.ran = uniobs("core", "fix", self.core, "-o", self.copy, "--json", "--image", demo_elf())

    @property
    def words(self) -> list[str]:
        """gdb's command line, as it was offered."""
        return [str(demo_elf()), str(self.copy)]


@pytest.fixture(scope="module", params=[f"{m}-{s}" for m in MACHINES for s in STATES])
def fixed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Fixed:
    machine, state = request.param.split("-")
    return Fixed(machine, state, tmp_path_factory.mktemp("fixed"))


def test_gdb_shows_the_guests_threads_and_values(fixed: Fixed) -> None:
    slots = range(16)
    asked = [f"threads[{n}].{field}" for n in slots for field in ("tid", "switches", "name", "stack_lo")]
    told = gdb(fixed.words, printing=[*asked, "current->tid"], memory=[(1 << 20, 1 << 20)])
    assert "warning: core file may not match" not in told["said"]
    row = fixed.ran.rows[0]
    left_out = {entry["thread"].split()[0] for entry in row["left_out"]}
    assert {thread["id"] for thread in told["threads"]} == fixed.threads.keys() - set(map(int, left_out))
    assert not left_out
    assert told["selected"] == int(told["printed"]["current->tid"])
    seen = 0
    for n in slots:
        tid, switches, name, low = (
            told["printed"][f"threads[{n}].{field}"] for field in ("tid", "switches", "name", "stack_lo")
        )
        said = fixed.threads.get(int(tid))
        if said is None or int(low) != int(said["stack_lo"], 0):
            continue  # a free slot
        seen += 1
        assert int(switches) == int(said["switches"])
        assert name.split('"')[1] == said["name"]
    assert seen == len(fixed.threads)
    assert bytes.fromhex(told["memory"][1 << 20]) == fixed.image
    if fixed.state == "crashed":
        assert "SIGSEGV" in told["said"]
        top = told["threads"][0]["frames"][0]
        assert top["function"] == "poke"


def test_every_frame_is_gdbs(fixed: Fixed, tmp_path: Path) -> None:
    build.need("llvm-symbolizer", "readelf")
    compared = compare(fixed.core, [demo_elf()], tmp_path / "fixed.core")
    assert compared.wrong == []
    assert compared.stacks == len(fixed.threads) and not compared.left_out
    assert compared.frames > 3 * compared.stacks


def test_drgn_opens_it_with_every_thread(fixed: Fixed, tmp_path: Path) -> None:
    pytest.importorskip("drgn")
    values = [
        "prog['current'].tid.value_()",
        "[int(t.switches) for t in prog['threads'] if t.state and t.tid]",
    ]
    told = drgn(fixed.copy, tmp_path, values)
    assert {thread["id"] for thread in told["threads"]} == fixed.threads.keys()
    assert not told["said"], told["said"]
    current, switches = told["values"].values()
    assert current in fixed.threads
    assert set(map(int, (row["switches"] for row in fixed.threads.values()))) <= set(switches)
    other = {thread["id"]: thread["frames"] for thread in gdb(fixed.words)["threads"]}
    for thread in told["threads"]:
        mine = [plain(frame["function"]) for frame in thread["frames"]]
        theirs = [plain(frame["function"]) for frame in other[thread["id"]]]
        known = mine[: next((n for n, name in enumerate(mine) if not name), len(mine))]
        assert known and known == theirs[: len(known)], thread["id"]


def test_what_it_adds_is_bounded(fixed: Fixed) -> None:
    row = fixed.ran.rows[0]
    assert row["added"] <= HEAD + THREAD * len(row["threads"]) + MAPPING * row["mappings"]
    assert fixed.copy.stat().st_size <= fixed.core.stat().st_size + row["added"] + 16
    # zeros aren't copied
    assert fixed.copy.stat().st_blocks <= fixed.core.stat().st_blocks


QUESTIONS = (["bt"], ["ps", "-o", "tid,name,state,wait,switches"], ["netstat", "-a"], ["why"], ["dmesg"])


def answers(core: Path) -> list[Any]:
    said = []
    for words in QUESTIONS:
        ran = uniobs(*words, "--json", core, expect=(0, 1, 4))
        said.append(
            [{k: v for k, v in json.loads(line).items() if k != "target"} for line in ran.out.splitlines()]
        )
    return said


def test_in_place_and_back(fixed: Fixed) -> None:
    before = answers(fixed.core)
    size = fixed.core.stat().st_size
    try:
        row = uniobs("core", "fix", "--in-place", "--json", fixed.core).rows[0]
        assert fixed.core.stat().st_size <= size + row["added"] + 16
        assert answers(fixed.core) == before
        told = gdb([str(demo_elf()), str(fixed.core)])
        assert {thread["id"] for thread in told["threads"]} == fixed.threads.keys()
        assert uniobs("core", "fix", "--in-place", "--json", fixed.core).rows[0]["fixed_before"]
    finally:
        uniobs("core", "fix", "--undo", fixed.core)
    assert hashlib.sha256(fixed.core.read_bytes()).digest() == fixed.hash
    assert "not fixed" in uniobs("core", "fix", "--undo", fixed.core).out


def test_the_copy_answers_as_the_core(fixed: Fixed) -> None:
    def nameless(rows: list[Any]) -> str:
        return (
            json.dumps(rows)
            .replace(fixed.copy.name, fixed.core.name)
            .replace(str(fixed.copy), str(fixed.core))
        )

    assert nameless(answers(fixed.copy)) == nameless(answers(fixed.core))


def test_gdb_in_one_step(fixed: Fixed) -> None:
    here = sorted(os.listdir(fixed.directory))
    told = gdb([], command=[UNIOBS, "gdb", str(fixed.core), "--"])
    names = {thread["id"]: thread["name"] for thread in told["threads"]}
    assert names == {tid: row["name"] for tid, row in fixed.threads.items()}
    assert sorted(os.listdir(fixed.directory)) == here
    assert hashlib.sha256(fixed.core.read_bytes()).digest() == fixed.hash
    printed = uniobs("gdb", "--print", fixed.core).out.splitlines()
    assert printed[0].startswith(f"uniobs core fix {fixed.core} -o pay.gdb.core")
    assert printed[1].endswith(f"{demo_elf()} pay.gdb.core")


def test_taken_and_fixed_at_once(tmp_path: Path) -> None:
    build.need("gdb")
    with booted() as guest:
        guest.wait_ready()
        core = tmp_path / "taken.core"
        mine = tmp_path / "taken.core.part"
        mine.write_text("somebody's own")
        ran = uniobs("core", "take", "--fix", guest.pid, "-o", core)
        assert mine.read_text() == "somebody's own"
        assert core.stat().st_mode & stat.S_IWUSR  # QEMU leaves it read-only
        assert f"{core}: " in ran.out and f"gdb {demo_elf()} {core}" in ran.out
        assert "it runs on" in ran.err
        assert guest.http("GET", "/")[0] == 200
        threads = {row["tid"] for row in uniobs("ps", "--json", core).rows}
    told = gdb([str(demo_elf()), str(core)])
    assert {thread["id"] for thread in told["threads"]} == threads
    assert uniobs("core", "take", "--fix", "-z", "nobody", expect=2).one_line()
