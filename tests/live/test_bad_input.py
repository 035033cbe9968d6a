"""What can't be read: one line, the right exit code, no traceback, and the guest's memory unchanged."""

import hashlib
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import boot
from support.cli import UNIOBS, uniobs
from support.qemu import demo_elf, physical
from support.ways import boot_shared

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]

MIB = 1 << 20
READERS = (
    ("ps",),
    ("netstat", "-a"),
    ("ss", "-a"),
    ("counters",),
    ("strace", "--last"),
    ("tcpdump", "--last"),
    ("dmesg",),
    ("vmstat",),
    ("bt",),
    ("top", "-n1"),
    ("why",),
)
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="becomes another user: needs root")


@pytest.fixture(scope="module")
def parked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[boot.Guest]:
    with boot_shared("microvm") as guest:
        boot.traffic(guest, 4)
        guest.poke("/park?ms=600000")
        guest.wait_console("@dump end\n")
        yield guest


@pytest.fixture(scope="module")
def core(parked: boot.Guest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("core") / "kv.core"
    uniobs("core", "take", parked.pid, "-o", path)
    return path


def test_no_command_changes_the_guest(parked: boot.Guest, tmp_path: Path) -> None:
    """Every byte of RAM, by QEMU's own reading, before and after all commands."""

    def ram() -> str:
        return hashlib.sha256(physical(parked, 0, 64 * MIB)).hexdigest()

    # A parked guest's network card still takes packets: the last ones of a slow client change its RAM.
    parked.qmp("set_link", name="n0", up=False)
    before = ram()
    for _ in range(20):
        before, last = ram(), before
        if before == last:
            break
    for words in (*READERS, ("doctor",)):
        uniobs(*words, parked.pid, expect=(0, 1, 4))
    uniobs("core", "take", parked.pid, "-o", tmp_path / "core")
    uniobs("tcpdump", "--last", "-w", tmp_path / "kv.pcapng", parked.pid)
    assert ram() == before


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("1", 3),
        ("999999999", 3),
        ("no-such-guest", 3),
        ("/no/such/file", 3),
        ("/dev/null", 3),
        ("/etc/passwd", 3),
        ("/usr", 3),
        ("serial:///no/such/socket", 3),
        ("", 3),
    ],
)
def test_not_a_guest(target: str, code: int) -> None:
    for words in (("ps",), ("why",), ("bt",), ("strace",)):
        ran = uniobs(*words, "-g", target, expect=(2, code) if not target else code)
        ran.one_line()
        assert not ran.out


def test_a_process_that_is_no_vmm() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert str(process.pid) in uniobs("ps", process.pid, expect=3).one_line()


@needs_root
def test_somebody_elses_vmm(parked: boot.Guest) -> None:
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all")
    can = subprocess.run([*nobody, UNIOBS, "--version"], capture_output=True, check=False)
    if can.returncode:
        pytest.skip("another user can't run this Python environment")
    line = uniobs("ps", parked.pid, expect=3, prefix=nobody).one_line()
    assert "user" in line or "ptrace" in line
    guests = uniobs("ls", "--json", expect=(0, 4), prefix=nobody).rows
    assert all(row.get("state") in (None, "unknown") for row in guests if row["pid"] == parked.pid)


def test_a_core_cut_anywhere(core: Path, tmp_path: Path) -> None:
    """Cut inside every structure at its head, and at random: an error, or rows that are the whole core's."""
    whole = {row["tid"]: row for row in uniobs("ps", "--json", core).rows}
    size = core.stat().st_size
    rng = random.Random(20)
    cuts = [0, 1, 4, 16, 63, 64, 100, 120, 200, 1000, 4095, 4096, size - 1, size - MIB]
    cuts += [rng.randrange(size) for _ in range(12)]
    short = tmp_path / "short.core"
    shutil.copyfile(core, short)
    for cut in sorted(cuts, reverse=True):
        os.truncate(short, cut)
        ran = uniobs("ps", "--json", short, expect=(0, 3, 4, 5))
        lines = ran.err.splitlines()
        assert len(lines) <= 2 and all(line.startswith("uniobs: ") for line in lines), ran.describe()
        assert lines or cut == size - 1, ran.describe()
        if ran.out:
            for row in ran.rows:
                mine = whole[row["tid"]]
                for key, value in row.items():
                    assert value in (mine[key], None, "-", "?"), (cut, key, value, mine)
        uniobs("why", short, expect=(0, 1, 3, 4, 5))


def test_an_image_that_is_another_one(parked: boot.Guest, core: Path, tmp_path: Path) -> None:
    """The same sources built otherwise, the same file with its code garbled, another program, no image."""
    make = ["make", "-s", "-C", str(boot.HERE), f"BUILD={tmp_path / 'build'}", "FRAME_POINTERS=1"]
    subprocess.run(make, check=True, capture_output=True)
    garbled = tmp_path / "demo.elf"
    garbled.write_bytes(xored(demo_elf(), 0, 1 << 30, step=16))
    for target in (parked.pid, core):
        for wrong in (tmp_path / "build" / "demo.elf", garbled, Path("/bin/true")):
            for words in (("bt",), ("why",)):
                uniobs(*words, "--image", wrong, target, expect=7).one_line()
    uniobs("bt", "--image", "/etc/passwd", parked.pid, expect=(2, 3)).one_line()


def test_an_image_that_differs_in_one_function(parked: boot.Guest, tmp_path: Path) -> None:
    """Patched code is no other image, but it's said which functions aren't proven."""
    patched = tmp_path / "demo.elf"
    patched.write_bytes(xored(demo_elf(), 0x100, 0x110))
    ran = uniobs("bt", "--image", patched, parked.pid, expect=(0, 4))
    assert "differ" in ran.err, ran.describe()


def xored(elf: Path, start: int, end: int, step: int = 1) -> bytes:
    """The file with bytes of its code changed, from start to end of .text."""
    from elftools.elf.elffile import ELFFile

    with elf.open("rb") as file:
        text = ELFFile(file).get_section_by_name(".text")
        offset, size = int(text["sh_offset"]), int(text["sh_size"])
    data = bytearray(elf.read_bytes())
    for at in range(offset + start, offset + min(end, size), step):
        data[at] ^= 0x55
    return bytes(data)


def test_a_region_with_garbled_bytes(parked: boot.Guest, tmp_path: Path) -> None:
    """The header garbled: refused. The rest garbled: no crash, no hang, text that is safe."""
    ram = bytearray(parked.files[0].read_bytes())
    region = ram.index(bytes.fromhex("8a556e694f62732d526567696f6e0d0a"))
    while region % 4096:
        region = ram.index(bytes.fromhex("8a556e694f62732d526567696f6e0d0a"), region + 1)
    rng = random.Random(21)
    path = tmp_path / "ram"
    for field in (16, 20, 24, 40, 48, 52, 56, 200, 252, 520, 528):
        bad = bytearray(ram)
        bad[region + field] ^= 0xA5
        path.write_bytes(bad)
        for words in (("ps",), ("why",)):
            uniobs(*words, path, expect=(3, 4, 5)).one_line()
    for _ in range(6):
        bad = bytearray(ram)
        for _ in range(2000):
            bad[region + 4096 + rng.randrange(512 * 1024)] = rng.randrange(256)
        path.write_bytes(bad)
        for words in READERS:
            ran = uniobs(*words, path, expect=(0, 1, 3, 4, 5))
            assert "\x1b" not in ran.out + ran.err
            assert "\x07" not in ran.out + ran.err


def test_the_guest_dies_between_two_reads() -> None:
    with boot.boot(boot.Machine(elf=demo_elf())) as guest:
        boot.traffic(guest)
        followers = [
            subprocess.Popen([UNIOBS, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for words in (
                ("strace", str(guest.pid)),
                ("tcpdump", str(guest.pid)),
                ("dmesg", "-w", str(guest.pid)),
                ("top", "-d", "0.2", str(guest.pid)),
                ("vmstat", str(guest.pid), "1"),
            )
        ]
        time.sleep(1)
        guest.kill()
        for process in followers:
            out, err = process.communicate(timeout=30)
            assert "Traceback" not in err and "bug in uniobs" not in err, (process.args, err)
            assert process.returncode in (0, 3), (process.args, out, err)


def test_a_full_disk(parked: boot.Guest) -> None:
    for words in (
        ("tcpdump", "--last", "-w", "/dev/full"),
        ("strace", "--last", "-o", "/dev/full"),
    ):
        ran = uniobs(*words, parked.pid, expect=3)
        errors = [line for line in ran.err.splitlines() if line.startswith("uniobs: ")]
        assert errors, ran.describe()
    with open("/dev/full", "w") as full:
        for words in READERS:
            uniobs(*words, parked.pid, expect=3, stdout=full)


@needs_root
def test_a_disk_that_fills_up_under_a_core(parked: boot.Guest, tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8M", "tmpfs", tmp_path], check=True)
    try:
        ran = uniobs("core", "take", parked.pid, "-o", tmp_path / "kv.core", expect=3)
        assert "space" in ran.err or "full" in ran.err, ran.describe()
        assert parked.qmp("query-status")["running"] is True
        assert not list(tmp_path.iterdir()), "half a core was left behind"
    finally:
        subprocess.run(["umount", tmp_path], check=True)
