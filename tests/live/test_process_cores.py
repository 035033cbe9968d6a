"""Cores of processes that know nothing of uniobs, as gdb, Linux and (without the list of files) Nanos write
them: the stacks are gdb's.
"""

import os
import re
import resource
import struct
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from support.cli import uniobs
from uniobs.cores import open_core
from uniobs.cores.elf import NT_AUXV, NT_FILE, NT_PRSTATUS, PT_NOTE, ElfCore
from uniobs.errors import BadFormat

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

SOURCE = Path(__file__).resolve().parents[1] / "guest" / "process.c"
LINKS = {"pie": ("-pie", "-fPIE"), "exec": ("-no-pie",), "static-pie": ("-static-pie", "-fPIE")}
# how it dies -> what is said; an exception is named only where the signal can't mean anything else
DEATHS = {
    "null": "page fault in deref",
    "abort": "abort in ",
    "bus": "SIGBUS (signal 7) in behind_the_end",
    "sent-ill": "SIGILL (signal 4), sent by the process itself in ",
    "sent-segv": "SIGSEGV (signal 11), sent by the process itself in ",
    "no-address": "general protection fault in deref",
    "no-stack": "SIGSEGV (signal 11) in deep",
    "int3": "breakpoint in die",
}
ENDLESS = ("no-stack",)  # recursion: deeper than is shown
OWN = {"deref", "die", "main", "work", "sleeps", "behind_the_end"}  # functions of the program itself


@pytest.fixture(scope="module", params=list(LINKS))
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp(request.param) / "process"
    flags = ("-O1", "-g", "-fno-optimize-sibling-calls", "-pthread", "-Wl,--build-id", *LINKS[request.param])
    subprocess.run(["gcc", *flags, "-o", path, SOURCE], check=True, capture_output=True)
    return path


@contextmanager
def running(program: Path) -> Iterator[int]:
    with subprocess.Popen([program, "wait"], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield process.pid
        finally:
            process.kill()


def gdb(*words: object) -> str:
    command = ["gdb", "-nx", "-batch", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    return done.stdout


def own(functions: list[str], wanted: set[str] = OWN) -> list[str]:
    return [name for name in functions if name in wanted]


def gdb_stacks(program: Path, core: Path, wanted: set[str] = OWN) -> dict[int, list[str]]:
    """The program's own functions on each thread's stack."""
    found: dict[int, list[str]] = {}
    tid = 0
    for line in gdb("-ex", "thread apply all bt", program, core).splitlines():
        if (thread := re.match(r"Thread \d+ .*\(LWP (\d+)\)|Thread \d+ \(LWP (\d+)\)", line)) is not None:
            tid = int(thread[1] or thread[2])
            found[tid] = []
        elif tid and (frame := re.match(r"#\d+\s+(?:0x[0-9a-f]+ in )?(\w+) ", line)) is not None:
            found[tid].append(frame[1])
    return {tid: own(functions, wanted) for tid, functions in found.items()}


def stacks(core: Path, *words: object) -> dict[int, list[str]]:
    rows = uniobs("bt", "--json", *words, core, expect=(0, 4)).rows
    known = {row["tid"]: [frame for frame in row["frames"] if frame["trust"] != "scan"] for row in rows}
    return {tid: own([frame["function"] or "" for frame in frames]) for tid, frames in known.items()}


def without(core: Path, *kinds: int) -> Path:
    """A copy whose notes of these types are of a type that nobody knows."""
    data = bytearray(core.read_bytes())
    with core.open("rb") as file:
        notes = [segment for segment in ElfCore(file.fileno(), "core").segments if segment.type == PT_NOTE]
    for segment in notes:
        at = segment.offset
        while at < segment.offset + segment.filesz:
            namesz, descsz, kind = struct.unpack_from("<III", data, at)
            if kind in kinds:
                struct.pack_into("<I", data, at + 8, 0x7777)
            at += 12 + (namesz + 3 & ~3) + (descsz + 3 & ~3)
    path = core.with_suffix(".less")
    path.write_bytes(data)
    return path


@pytest.fixture(scope="module")
def waiting(program: Path) -> Path:
    core = program.parent / "core.waiting"
    with running(program) as pid:
        subprocess.run(["gcore", "-o", core, str(pid)], check=True, capture_output=True)
        core.with_name(f"{core.name}.{pid}").rename(core)
    return core


@pytest.fixture(scope="module")
def crashed(program: Path) -> Path:
    core = program.parent / "core.crashed"
    gdb("-ex", "run null >/dev/null", "-ex", f"generate-core-file {core}", program)
    return core


def test_threads_and_stacks_are_gdbs(program: Path, waiting: Path) -> None:
    told = gdb_stacks(program, waiting)
    assert len(told) == 4
    assert sorted(len(functions) for functions in told.values()) == [2, 3, 4, 5]
    assert stacks(waiting) == told
    threads = uniobs("ps", "--json", waiting).rows
    assert {row["tid"] for row in threads} == told.keys()
    assert "DEAD" not in uniobs("why", waiting, expect=(0, 4)).out


def test_what_a_process_does_not_offer_is_said(waiting: Path) -> None:
    said = {"dmesg": "keeps no log", "netstat": "are its kernel's", "counters": "counts nothing"}
    for tool, why in said.items():
        assert why in uniobs(tool, waiting, expect=5).err


def test_the_crash_of_one(program: Path, crashed: Path) -> None:
    told = gdb_stacks(program, crashed)
    assert stacks(crashed) == told
    why = uniobs("why", crashed, expect=1).out
    assert "is DEAD: page fault in deref (process.c:" in why
    assert "access to 0x0: a null pointer" in why


def as_gdb(program: Path, core: Path, seen: dict[int, list[str]]) -> None:
    """Who stopped in a shared library, which nobody names now, can't be followed: nothing is said then."""
    told = gdb_stacks(program, core)
    assert seen.keys() == told.keys()
    whole = [tid for tid in told if seen[tid] == told[tid]]
    assert len(whole) == (4 if program.parent.name.startswith("static") else 1)
    assert "deref" in told[whole[0]] or len(whole) == 4
    assert not any(seen[tid] for tid in told if tid not in whole)


def test_without_the_list_of_files(program: Path, crashed: Path) -> None:
    """As Nanos dumps its program: the image is named, and placed by the auxiliary vector's entry point."""
    core = without(crashed, NT_FILE)
    opened = open_core(str(core))
    opened.memory.close()
    assert not opened.files
    image = ("--image", program)
    as_gdb(program, crashed, stacks(core, *image))
    assert "deref (process.c:" in uniobs("why", *image, core, expect=1).out


def test_without_its_threads_or_vector(program: Path, crashed: Path) -> None:
    core = without(crashed, NT_PRSTATUS)
    with pytest.raises(BadFormat, match="no notes of vCPUs or threads"):
        open_core(str(core))
    core = without(crashed, NT_FILE, NT_AUXV)
    ran = uniobs("bt", "--image", program, core, expect=None)
    if ran.code:  # it isn't known where it lies
        assert program.parent.name.startswith(("pie", "static-pie"))
        assert "image" in ran.err, ran.describe()
    else:
        as_gdb(program, crashed, stacks(core, "--image", program))


def test_linux_own_core(program: Path, tmp_path: Path) -> None:
    pattern = Path("/proc/sys/kernel/core_pattern").read_text().strip()
    if pattern != "core" or Path("/proc/sys/kernel/core_uses_pid").read_text().strip() != "0":
        pytest.skip(f"this system's cores go to {pattern!r}, not to the process's folder")

    def unlimited() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (1 << 28, 1 << 28))

    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    if hard != resource.RLIM_INFINITY and hard < 1 << 28:
        pytest.skip("cores may not be written here")
    for way, said in DEATHS.items():
        subprocess.run([program, way], cwd=tmp_path, check=False, capture_output=True, preexec_fn=unlimited)
        (core,) = tmp_path.glob("core*")
        if way not in ENDLESS:
            assert stacks(core) == gdb_stacks(program, core), way
        assert said in uniobs("why", core, expect=1).out
        os.unlink(core)


def test_a_debuggers_stop_is_no_death(program: Path, tmp_path: Path) -> None:
    core = tmp_path / "core.stopped"
    gdb("-ex", "break deref", "-ex", "run null >/dev/null", "-ex", f"generate-core-file {core}", program)
    assert "DEAD" not in uniobs("why", core, expect=(0, 4)).out


def test_closed(waiting: Path) -> None:
    with closing(open_core(str(waiting)).memory) as memory:
        assert memory.ranges()
