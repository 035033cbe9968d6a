"""Solo5 guests: found, read and told idle from busy with no flags. Small tenders and a guest of the published
shape here; real ones when $UNIOBS_GUESTS names a folder that has solo5/."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.cli import uniobs
from support.real_guests import wait_until

pytestmark = [pytest.mark.live, pytest.mark.timeout(60)]

SOURCES = Path(__file__).resolve().parents[1] / "guest" / "solo5"
REAL = Path(os.environ.get("UNIOBS_GUESTS", "/nonexistent"))
needs_real = pytest.mark.skipif(
    not (REAL / "images/solo5/solo5-spt").exists(), reason="UNIOBS_GUESTS names no folder with images/solo5"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with solo5-spt, solo5-hvt and app.elf."""
    folder = tmp_path_factory.mktemp("solo5")
    for name in ("solo5-spt", "solo5-hvt"):
        make("-O2", "-Wall", "-Werror", "-o", str(folder / name), str(SOURCES / "tender.c"))
    flags = "-O2 -g -fomit-frame-pointer -ffreestanding -nostdlib -static -no-pie -fcf-protection=none"
    flags += " -fno-stack-protector -Wall -Werror -Wl,-Ttext-segment=0x100000 -Wl,--build-id=none"
    make(*flags.split(), "-o", str(folder / "app.elf"), str(SOURCES / "kernel.c"))
    make(*flags.split(), "-DANSWER=43", "-o", str(folder / "other.elf"), str(SOURCES / "kernel.c"))
    return folder


def make(*words: str) -> None:
    done = subprocess.run(["gcc", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@contextmanager
def running(*words: str | Path, ready: bytes = b"ready") -> Iterator[int]:
    """A tender's pid, once it has said that it's ready."""
    with subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            while (line := process.stdout.readline()) and not line.startswith(ready):
                pass
            assert line
            yield process.pid
        finally:
            process.kill()


def spent(pid: int) -> int:
    """Clock ticks of CPU time in user mode (proc(5)): 100 a second."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])


def row_of(pid: int) -> dict[str, object]:
    (row,) = [row for row in uniobs("ls", "--json", expect=None).rows if row["pid"] == pid]
    return row


def functions(pid: int | Path, *words: str) -> list[str]:
    (stack,) = uniobs("bt", "--json", pid, *words).rows
    return [frame["function"] for frame in stack["frames"]]


def test_spt_that_waits(built: Path) -> None:
    with running(built / "solo5-spt", "--mem=16", built / "app.elf", "run") as pid:
        row = row_of(pid)
        told = {key: row[key] for key in ("name", "vmm", "memory", "unikernel", "state")}
        wanted = {
            "name": "app",
            "vmm": "solo5-spt",
            "memory": 16 << 20,
            "unikernel": "solo5",
            "state": "live",
        }
        assert told == wanted
        why = uniobs("why", pid).out
        assert why.startswith("app is fine: live, ") and "image app.elf, text proven" in why
        assert functions(pid)[:3] == ["solo5_yield", "solo5_app_main", "_start"]
        (thread,) = uniobs("ps", "--json", pid).rows
        assert thread["tid"] == 1 and thread["comm"] == "solo5_app_main"


def test_spt_that_spins_is_not_called_idle_and_not_hung(built: Path) -> None:
    with running(built / "solo5-spt", "--mem=16", built / "app.elf", "spin") as pid:
        wait_until(lambda: spent(pid) > 20, "it doesn't spin")  # first it waits three times
        why = uniobs("why", pid, "--json", "-w", "3", expect=4).json
        assert why["status"]["state"] == "unknown" and why["status"]["reason"].startswith(
            "busy: it never waited"
        )
        (stack,) = uniobs("bt", "--json", pid, expect=4).rows
        assert stack["frames"] == [] and "only while it waits" in stack["error"]


def test_hvt(built: Path) -> None:
    with running(built / "solo5-hvt", "--mem=16", built / "app.elf") as pid:
        row = row_of(pid)
        assert (row["name"], row["vmm"], row["memory"]) == ("app", "solo5-hvt", 16 << 20)
        assert "image app.elf, text proven" in uniobs("why", pid).out
        (stack,) = uniobs("bt", "--json", pid, expect=4).rows
        assert "solo5-hvt has no monitor" in stack["error"]


def test_another_image_is_refused(built: Path) -> None:
    with running(built / "solo5-spt", "--mem=16", built / "app.elf", "run") as pid:
        assert "other.elf" in uniobs("bt", "--image", built / "other.elf", pid, expect=7).one_line()


def test_core_of_a_fault(built: Path, tmp_path: Path) -> None:
    core = tmp_path / "core.solo5-hvt.1"
    command = [built / "solo5-hvt", f"--dumpcore={core}", "--mem=16", built / "app.elf", "crash"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=20)
    assert done.returncode == 255
    raw = core.read_bytes()
    assert int.from_bytes(raw[64 + 56 + 8 : 64 + 56 + 16], "little") == 0x214  # as in the real ones
    image = ("--image", str(built / "app.elf"))
    assert functions(core, *image) == ["deref", "crash_here", "solo5_app_main", "_start"]
    why = uniobs("why", core, *image, expect=1).out
    assert "is DEAD: exception in deref (kernel.c:" in why and "solo5 on core.solo5-hvt.1" in why
    core.write_bytes(raw[: len(raw) // 2])
    assert "is cut short" in uniobs("ps", core, *image, expect=None).err
    for cut in (0x214, 0x200, 0x100, 0x79, 0x40, 0x3F, 5):
        core.write_bytes(raw[:cut])
        assert uniobs("ps", core, *image, expect=(3, 4, 5, 7)).err


@needs_real
def test_real_spt() -> None:
    folder = REAL / "images/solo5"
    words = (folder / "solo5-spt", "--mem=64", folder / "obs.spt", "run")
    with running(*words, ready=b"obs: scenario run") as pid:
        row = row_of(pid)
        assert (row["name"], row["vmm"], row["memory"]) == ("obs", "solo5-spt", 64 << 20)
        assert "image obs.spt, text proven" in uniobs("why", pid).out
        assert functions(pid)[0] in ("sys_epoll_pwait", "solo5_yield")
        refused = uniobs("ps", "--image", folder / "test_time.spt", pid, expect=7)
        assert "obs.spt" in refused.err


@pytest.mark.skipif(not (REAL / "cores/solo5-virtio-run.core").exists(), reason="no cores of Solo5 on virtio")
@pytest.mark.parametrize(
    ("scenario", "code", "said"),
    [
        ("run", 4, "its state isn't known"),
        ("crash", 1, "is DEAD: page fault in deref (obs.c:16)"),
        ("assert", 1, "is DEAD: abort in assert_here (obs.c:31)"),
        ("spin", 1, "SPINNING"),
        ("exit", 0, "has EXITED"),
    ],
)
def test_real_virtio_cores(scenario: str, code: int, said: str) -> None:
    image = REAL / "images/solo5/obs.virtio"
    ran = uniobs("why", "--image", image, REAL / f"cores/solo5-virtio-{scenario}.core", expect=code)
    assert said in ran.out
