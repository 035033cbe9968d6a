"""The hosted demo: serves, and leaves in its region what it did and how it died."""

from __future__ import annotations

import contextlib
import http.client
import mmap
import os
import resource
import signal
import subprocess
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from tests.guest.build import make
from uniobs.region import _abi as abi

pytestmark = pytest.mark.live


class Hosted:
    """A running demo-hosted whose region lies in a file."""

    def __init__(self, process: subprocess.Popen[str], port: int, region: Path) -> None:
        self.process, self.port, self.region = process, port, region

    def ask(self, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def wait(self) -> int:
        return self.process.wait(10)

    def read(self) -> bytes:
        with self.region.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as at:
            return at[:]

    def section(self, kind: int, index: int = 0) -> tuple[bytes, abi.Section]:
        data = self.read()
        header = abi.Header._make(abi.HEADER.unpack_from(data))
        for i in range(header.section_count):
            section = abi.Section._make(abi.SECTION.unpack_from(data, abi.DIRECTORY_OFFSET + 32 * i))
            if (section.kind, section.index) == (kind, index):
                return data[section.offset : section.offset + section.size], section
        raise LookupError(kind)

    def threads(self) -> dict[str, abi.Thread]:
        data, section = self.section(abi.SECTION_THREADS)
        rows = [abi.Thread._make(abi.THREAD.unpack_from(data, i * 192)) for i in range(section.entry_count)]
        return {text(row.name): row for row in rows if row.state}

    def locks(self) -> dict[str, abi.Lock]:
        data, section = self.section(abi.SECTION_LOCKS)
        rows = [abi.Lock._make(abi.LOCK.unpack_from(data, i * 96)) for i in range(section.entry_count)]
        return {text(row.name): row for row in rows if row.kind}

    def live(self) -> abi.HeaderLive:
        return abi.HeaderLive._make(abi.HEADER_LIVE.unpack_from(self.read(), abi.LIVE_OFFSET))

    def panic(self) -> abi.Panic:
        return abi.Panic._make(abi.PANIC.unpack_from(self.section(abi.SECTION_PANIC)[0]))


def text(field: bytes) -> str:
    return field.split(b"\0")[0].decode()


def assert_nothing_torn(hosted: Hosted) -> None:
    for kind, size in ((abi.SECTION_THREADS, 192), (abi.SECTION_LOCKS, 96), (abi.SECTION_SOCKETS, 192)):
        data, section = hosted.section(kind)
        rows = [data[i * size : (i + 1) * size] for i in range(section.entry_count)]
        assert not [row for row in rows if row[0] & 1]
        assert [int.from_bytes(row[4:8], "little") for row in rows] == [check_word(row[8:]) for row in rows]
    live = hosted.read()[abi.LIVE_OFFSET :][:100]
    assert int.from_bytes(live[96:], "little") == check_word(live[:96])


def check_word(data: bytes) -> int:
    """SPEC.md, "Check words"."""
    total = 0
    for i in range(0, len(data), 8):
        total = (total ^ int.from_bytes(data[i : i + 8], "little")) * 0x9E3779B97F4A7C15 & (1 << 64) - 1
    return total >> 32


def until(what: str, condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.02)


@pytest.fixture
def hosted(tmp_path: Path) -> Iterator[Hosted]:
    region = tmp_path / "region"
    env = os.environ | {"UNIOBS_REGION_FILE": str(region)}
    (tmp_path / "data").mkdir()
    command = [str(make("demo-hosted")), "0", str(tmp_path / "data")]
    with subprocess.Popen(
        command, stdout=-1, stderr=subprocess.DEVNULL, text=True, env=env, cwd=tmp_path
    ) as process:
        try:
            assert process.stdout
            yield Hosted(process, int(process.stdout.readline().rsplit(":", 1)[1]), region)
        finally:
            process.kill()


def test_serves_and_describes_itself(hosted: Hosted) -> None:
    assert hosted.ask("PUT", "/kv/a", "hello") == (201, b"OK")
    assert hosted.ask("GET", "/kv/a") == (200, b"hello")
    assert hosted.ask("GET", "/kv/b")[0] == 404
    assert hosted.ask("GET", "/kv/..%2fetc")[0] == 400
    assert hosted.ask("DELETE", "/kv/a")[0] == 200
    data = hosted.read()
    header = abi.Header._make(abi.HEADER.unpack_from(data))
    assert header.magic == abi.MAGIC
    directory = data[abi.DIRECTORY_OFFSET : abi.DIRECTORY_OFFSET + 32 * header.section_count]
    assert header.crc == zlib.crc32(directory, zlib.crc32(data[:252]))
    assert (header.size, header.os_pid, header.flags) == (len(data), hosted.process.pid, abi.FLAG_HOSTED)
    maps = Path(f"/proc/{hosted.process.pid}/maps").read_text().splitlines()
    assert any(line.startswith(f"{header.self_pa:x}-") and str(hosted.region) in line for line in maps)
    assert any(line.startswith(f"{header.image_bias:x}-") and line.endswith("demo-hosted") for line in maps)
    notes = subprocess.run(["readelf", "-n", make("demo-hosted")], capture_output=True, text=True, check=True)
    assert header.image_id[: header.image_id_len].hex() in notes.stdout
    # A row is there before its thread first runs, and tells Linux its number.
    until("every thread ran", lambda: all(row.os_tid for row in hosted.threads().values()))
    threads = hosted.threads()
    assert set(threads) == {"main", "worker-1", "worker-2", "worker-3", "worker-4", "ticker"}
    for name, row in threads.items():
        assert Path(f"/proc/{hosted.process.pid}/task/{row.os_tid}").exists(), name
    until("main in accept", lambda: hosted.threads()["main"].wait == abi.WAIT_ACCEPT)


def test_clock_agrees_with_linux(hosted: Hosted) -> None:
    """The tick's time, through the region's clock and anchor, lies between two looks at the wall clock."""
    before_ns, ticks = time.time_ns(), hosted.live().tick_count
    until("a tick", lambda: hosted.live().tick_count > ticks + 1)
    live, after_ns = hosted.live(), time.time_ns()
    header = abi.Header._make(abi.HEADER.unpack_from(hosted.read()))
    wall = header.anchor_wall_ns + (live.tick_tsc - header.anchor_tsc) * 1_000_000 // header.tsc_khz
    slack = 20_000_000
    assert before_ns - slack <= wall <= after_ns + slack


def test_deadlock_is_in_the_rows(hosted: Hosted) -> None:
    assert hosted.ask("GET", "/break/deadlock")[0] == 200

    def stuck() -> bool:
        rows = hosted.threads()
        return all(n in rows and rows[n].wait == abi.WAIT_MUTEX for n in ("transfer-a", "transfer-b"))

    until("the deadlock", stuck)
    threads, locks = hosted.threads(), hosted.locks()
    a, b = threads["transfer-a"], threads["transfer-b"]
    assert (locks["account-a"].owner_tid, locks["account-b"].owner_tid) == (a.tid, b.tid)
    assert (a.wait_obj, b.wait_obj) == (locks["account-b"].va, locks["account-a"].va)
    assert locks["account-a"].waiters == 1
    bias = abi.Header._make(abi.HEADER.unpack_from(hosted.read())).image_bias
    where = subprocess.run(
        ["addr2line", "-f", "-e", make("demo-hosted"), hex(locks["account-a"].acquire_pc - bias - 1)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.startswith("transfer\n")
    assert "break.c:" in where.stdout
    assert hosted.ask("GET", "/")[0] == 200


@pytest.mark.parametrize(
    ("how", "sig", "kind", "function"),
    [
        ("null", signal.SIGSEGV, abi.PANIC_EXCEPTION, "break_null"),
        ("overflow", signal.SIGSEGV, abi.PANIC_STACK_OVERFLOW, "break_overflow"),
        ("abort", signal.SIGABRT, abi.PANIC_ABORT, None),
    ],
)
def test_death_is_recorded(hosted: Hosted, how: str, sig: int, kind: int, function: str | None) -> None:
    assert hosted.ask("GET", f"/break/{how}")[0] == 200
    assert hosted.wait() == -sig
    panic = hosted.panic()
    assert (hosted.live().state, panic.kind) == (abi.STATE_PANICKED, kind)
    assert_nothing_torn(hosted)
    names = {row.tid: name for name, row in hosted.threads().items()}
    assert names[panic.tid].startswith("worker-")
    if function:
        bias = abi.Header._make(abi.HEADER.unpack_from(hosted.read())).image_bias
        where = subprocess.run(
            ["addr2line", "-f", "-e", make("demo-hosted"), hex(panic.rip - bias)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert where.stdout.startswith(function)


def test_clean_exit_is_recorded(hosted: Hosted) -> None:
    assert hosted.ask("GET", "/break/exit")[0] == 200
    assert hosted.wait() == 0
    assert (hosted.live().state, hosted.live().exit_code) == (abi.STATE_EXITED, 0)
    assert hosted.panic().kind == abi.PANIC_NONE
    assert_nothing_torn(hosted)


def test_bad_arguments() -> None:
    done = subprocess.run([make("demo-hosted")], capture_output=True, text=True)
    assert done.returncode == 2
    assert "usage: demo-hosted PORT" in done.stderr


def test_core_holds_region_and_text(hosted: Hosted) -> None:
    """The signal handler doesn't keep the kernel from making a core, and nothing of use is left out of it."""
    if Path("/proc/sys/kernel/core_pattern").read_text().strip() != "core":
        pytest.skip("cores don't go to the working directory here")
    _, hard = resource.prlimit(hosted.process.pid, resource.RLIMIT_CORE)
    if hard == 0:
        pytest.skip("cores are forbidden here")
    resource.prlimit(hosted.process.pid, resource.RLIMIT_CORE, (hard, hard))
    header = abi.Header._make(abi.HEADER.unpack_from(hosted.read()))
    assert hosted.ask("GET", "/break/null")[0] == 200
    assert hosted.wait() == -signal.SIGSEGV
    (core,) = hosted.region.parent.glob("core*")
    with core.open("rb") as file:
        segments = {s["p_vaddr"]: s for s in ELFFile(file).iter_segments("PT_LOAD")}
        region = segments[header.self_pa].data()
        assert region[:256] == hosted.read()[:256]
        assert abi.HeaderLive._make(abi.HEADER_LIVE.unpack_from(region, 256)).state == abi.STATE_PANICKED
        rip = hosted.panic().rip
        assert any(at <= rip < at + s["p_filesz"] for at, s in segments.items())
