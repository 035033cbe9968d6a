"""Console logs of real guests: what they printed when they crashed, named by their images.

Runs when UNIOBS_GUESTS names a folder with cores/GUEST-SCENARIO.serial.log and images/GUEST/.
The reference guest's console is read always.
"""

import os
import subprocess
from pathlib import Path

import pytest

from support import qemu
from support.cli import Ran, uniobs

GUESTS = Path(os.environ.get("UNIOBS_GUESTS", "/nonexistent"))
IMAGES, LOGS = GUESTS / "images", GUESTS / "cores"
pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]
real = pytest.mark.skipif(not LOGS.is_dir(), reason="needs cores and images in the folder $UNIOBS_GUESTS")
UNIKRAFT = "unikraft-base/appobs_qemu-x86_64.dbg"


def notes(ran: Ran) -> list[str]:
    return [line.rpartition("<- ")[2] for line in ran.out.splitlines()]


def symbolise(log: Path, *images: str, expect: int = 0) -> Ran:
    words = [word for name in images for word in ("--image", IMAGES / name)]
    return uniobs("symbolise", "--only", *words, log, expect=expect)


@real
@pytest.mark.parametrize("variant", ["base", "trace", "vmem"])
def test_unikraft(variant: str) -> None:
    image = f"unikraft-{variant}/appobs_qemu-x86_64.dbg"
    ran = symbolise(LOGS / f"unikraft-{variant}-crash.serial.log", image)
    assert notes(ran)[:1] == ["deref main.c:30"] and "worker_a main.c:77" in notes(ran)
    assert ran.err == ""


@real
@pytest.mark.parametrize("near", ["near-const", "near-fn", "nofp", "v016", "trace"])
def test_unikraft_and_another_build(near: str) -> None:
    log = LOGS / "unikraft-base-crash.serial.log"
    ran = symbolise(log, f"unikraft-{near}/appobs_qemu-x86_64.dbg", expect=7)
    assert "another build printed it" in ran.err and "main.c" not in ran.out


@real
def test_nanos() -> None:
    log = LOGS / "nanos-crash.serial.log"
    ran = symbolise(log, "nanos/kernel.elf", "nanos/obsprog")
    expected = ["deref obsprog.c:31", "crash_here obsprog.c:38", "worker_a obsprog.c:73"]
    assert notes(ran)[:3] == expected and ran.err == ""


@real
def test_nanos_assertion() -> None:
    ran = symbolise(LOGS / "nanos-assert.serial.log", "nanos/kernel.elf", "nanos/obsprog")
    assert [note.split("+")[0] for note in notes(ran)][1:3] == ["raise", "abort"] and ran.err == ""


@real
@pytest.mark.parametrize("near", ["near-fn", "fp"])
def test_nanos_and_another_build(near: str) -> None:
    ran = symbolise(LOGS / "nanos-crash.serial.log", f"nanos/obsprog-{near}", expect=7)
    assert "obsprog.c" not in ran.out and "words of a stack" in ran.err


@real
@pytest.mark.parametrize("scenario", ["crash", "assert"])
def test_osv(scenario: str) -> None:
    ran = symbolise(LOGS / f"osv-{scenario}.serial.log", "osv/loader.elf", "osv/obsprog")
    found = notes(ran)
    assert any(note.startswith("sched::thread::main() sched.cc:") for note in found)
    assert found[-1].startswith("thread_main entry.S:")
    if scenario == "assert":
        assert found[0] == "assert_here obsprog.c:46" and "is taken to lie at 0x100000000000" in ran.err
    else:
        assert "osv::handle_mmap_fault(unsigned long, int, exception_frame*) signal.cc:151" in found


@real
def test_hermit() -> None:
    found = notes(symbolise(LOGS / "hermit-crash.serial.log", "hermit/obs"))
    assert found[-2].startswith("core::ptr::write_volatile mod.rs:1574 (inlined into deref)")
    assert found[-1] == "deref main.rs:24"


@real
def test_solo5() -> None:
    log = GUESTS / "run" / "s5-crash" / "serial.log"
    if not log.exists():
        pytest.skip("needs run/s5-crash/serial.log")
    assert notes(symbolise(log, "solo5/obs.virtio")) == ["deref obs.c:16"]


@real
def test_dmesg_names_the_log_of_a_core() -> None:
    images = ("--image", IMAGES / "nanos/kernel.elf", "--image", IMAGES / "nanos/obsprog")
    ran = uniobs("dmesg", "-t", "--symbolise", LOGS / "nanos-crash.core", *images)
    assert "   rip: 0000000000401a00  <- deref obsprog.c:31\n" in ran.out
    rows = uniobs("dmesg", "--json", "--symbolise", LOGS / "nanos-crash.core", *images).lines
    (row,) = [row for row in rows if row["text"].startswith("   rip: ")]
    assert [frame["function"] for frame in row["names"][0]["frames"]] == ["deref"]


@real
def test_remembered_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    log = LOGS / "unikraft-base-crash.serial.log"
    for name in (UNIKRAFT, "unikraft-trace/appobs_qemu-x86_64.dbg"):
        symbolise(LOGS / f"{name.split('/')[0]}-crash.serial.log", name)
    symbolise(LOGS / "osv-crash.serial.log", "osv/loader.elf")
    assert "deref main.c:30" in notes(symbolise(log))
    assert "page_fault mmu.cc:43" in notes(symbolise(LOGS / "osv-crash.serial.log"))
    assert "no remembered image" in symbolise(LOGS / "hermit-crash.serial.log", expect=2).one_line()


@pytest.mark.parametrize("how", ["null", "assert", "overflow", "smash"])
def test_the_reference_guest(tmp_path: Path, how: str) -> None:
    """What addr2line says of the rip that the kernel printed."""
    with qemu.booted(append=f"break={how} break_after_ms=100") as guest:
        text = guest.wait_console("@dump end")
    log = tmp_path / "console"
    log.write_text(text)
    ran = uniobs("symbolise", "--image", qemu.demo_elf(), log)
    assert ran.err == ""
    (line,) = [line for line in ran.out.splitlines() if line.startswith("  rip ")]
    command = ["addr2line", "-f", "-e", qemu.demo_elf(), line.split()[1]]
    function, place = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert f"  <- {function} {place.rsplit('/', 1)[-1].split(' ')[0]}" in line
    assert "  <- worker main.c:" in ran.out, "the entries of its threads"
    plain = [line.partition("  <- ")[0] for line in ran.out.splitlines() if not line.startswith("    <- ")]
    assert plain == text.splitlines()
