"""What `core fix` writes: bytes that readelf and gdb read as meant; at any moment a core that opens."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from support.bare_core import MIB, core_of
from support.corewriters import elf, sparse
from support.nanos_shapes import SLIDE, Machine, built, needs_gcc
from tests.support import build
from tests.support.gdbcore import gdb
from uniobs.cli import debuggers
from uniobs.cores import fixed, open_core
from uniobs.cores.elf import ElfCore
from uniobs.errors import BadFormat, NotOffered, UsageError
from uniobs.export import drgn_plugin, gdbcore, gdbcore_file
from uniobs.export.gdbcore_view import LOADS_MAX, loads, view
from uniobs.memory.blocks import Block
from uniobs.memory.paging import PageTables
from uniobs.target import open_target
from uniobs.target.guest import Guest


@pytest.fixture
def core(tmp_path: Path) -> Path:
    return core_of(tmp_path / "bare.core")


@pytest.fixture
def guest(core: Path) -> Iterator[Guest]:
    with closing(open_target(str(core))) as target:
        yield target


def test_readelf_reads_it(core: Path, guest: Guest, tmp_path: Path) -> None:
    build.need("readelf")
    copy = tmp_path / "copy"
    done = gdbcore_file.fix_copy(guest, str(copy))
    assert (len(done.view.threads), done.mappings) == (1, 1)
    said = subprocess.run(["readelf", "-hnlW", copy], capture_output=True, text=True, check=True)
    assert not said.stderr
    assert "CORE (Core file)" in said.stdout
    assert said.stdout.count("NT_PRSTATUS") == 1 and "NT_AUXV" in said.stdout
    assert [line.split()[2:6] for line in said.stdout.splitlines() if " LOAD " in line] == [
        ["0x0000000000000000", "0x0000000000000000", "0x100000", "0x100000"]
    ]
    whole = copy.read_bytes()
    assert whole[64 : core.stat().st_size] == core.read_bytes()[64:]
    assert len(whole) - core.stat().st_size <= done.added + 16


def test_more_mappings_than_the_elf_header_counts(tmp_path: Path) -> None:
    build.need("readelf")
    many = 70_000
    mapped = [gdbcore.Load(0x400000 + n * 8192, n * 8192, 4096, 4096, 6) for n in range(many)]
    data, header = gdbcore.tail(8192, gdbcore.note("uniobs", fixed.STATE, b""), mapped)
    path = tmp_path / "core"
    path.write_bytes(header.ljust(8192, b"\0") + data)
    fd = os.open(path, os.O_RDONLY)
    try:
        assert len(ElfCore(fd, str(path)).segments) == many + 1
    finally:
        os.close(fd)
    said = subprocess.run(["readelf", "-hW", path], capture_output=True, text=True, check=True).stdout
    assert f"({many + 1})" in said
    assert len(data) < 56 * many + 256


def test_linux_cores_need_no_fix(tmp_path: Path) -> None:
    from support.region_core import linux_core

    path = tmp_path / "core"
    path.write_bytes(linux_core(MIB))
    with closing(open_target(str(path))) as target, pytest.raises((NotOffered, UsageError)):
        gdbcore_file.check(target)


def test_aarch64_is_refused(tmp_path: Path) -> None:
    path = elf.write_aarch64(tmp_path / "core", sparse([(0, MIB)], [], [{"pc": 1}]))
    with closing(open_target(str(path))) as target, pytest.raises(NotOffered, match="aarch64"):
        gdbcore_file.check(target)


GARBLED: dict[str, Callable[[bytes], bytes]] = {
    "short": lambda kept: kept[:40],
    "version": lambda kept: b"\x09" + kept[1:],
    "no ELF": lambda kept: kept[:16] + bytes(64),
    "itself": lambda kept: kept,
}


@pytest.mark.parametrize("how", GARBLED)
def test_a_garbled_marker(core: Path, guest: Guest, how: str) -> None:
    """A note that leads nowhere is said; one that leads to itself isn't followed for ever."""
    gdbcore_file.fix_in_place(guest)
    data = bytearray(core.read_bytes())
    kept = fixed.keep(bytes(64), 0)
    at = data.rindex(b"uniobs\0\0") + 8
    old = bytes(data[at : at + len(kept)])
    new = GARBLED[how](old)
    if how == "itself":
        new = old[:16] + data[:64]
    elif how == "short":
        data[at - 16 : at - 12] = (40).to_bytes(4, "little")
        new = old
    data[at : at + len(new)] = new
    core.write_bytes(data)
    with pytest.raises(BadFormat) as caught:
        open_core(str(core)).memory.close()
    assert "\n" not in str(caught.value)
    with pytest.raises(BadFormat):
        gdbcore_file.undo(str(core))
    assert core.read_bytes() == data


def test_mappings_are_bounded(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    from uniobs.export import gdbcore_view

    monkeypatch.setattr(gdbcore_view, "LOADS_MAX", 3)
    blocks = [Block(n * 8192, 4096, n * 4096) for n in range(8)]
    found, note = loads(guest, blocks)
    assert len(found) == 3 and note is not None and "3 mappings" in note
    assert LOADS_MAX < 1 << 17  # what ElfCore reads again, with the note


@needs_gcc
def test_a_slid_kernel_and_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """gdb has kernel and program at their places by the command line that is offered; memory of no file."""
    build.need("gdb")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    machine = Machine()
    target = machine.guest(built("kernel"), built("program"))
    assert isinstance(target.space, PageTables)
    assert len(view(target).threads) == 4
    copy = tmp_path / "shaped.gdb.core"
    done = gdbcore_file.fix_copy(target, str(copy))
    words = debuggers.gdb(str(copy), target.modules)
    assert any(f"-o {SLIDE:#x}" in word for word in words)
    told = gdb(words, printing=["worker_a.tid", "worker_b.name", "&worker_a"])
    assert told["printed"]["worker_a.tid"] == "3"
    assert told["printed"]["worker_b.name"].startswith('"worker-b')
    address = target.modules[0].symbol("worker_a")[0]
    assert address > SLIDE and "worker_a" in told["printed"]["&worker_a"]
    assert sorted(thread["id"] for thread in told["threads"]) == [2, 3, 4, 5]
    assert done.mappings >= 3
    with closing(open_core(str(copy)).memory) as memory:
        assert memory.read(0, 4 << 20) == bytes(machine.ram.data)


def test_hostile_thread_names_stay_words() -> None:
    names = {5: 'x"; shell rm', 6: "a\nshell id", 7: "ok-1 [2]", 8: " "}
    script = debuggers.thread_names(names, [5, 6, 7, 8])
    assert script.splitlines() == [
        "thread apply 1 -q thread name x?? shell rm",
        "thread apply 2 -q thread name a?shell id",
        "thread apply 3 -q thread name ok-1 [2]",
    ]


@needs_gcc
def test_drgn_places_the_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that was slid and a program: by drgn's own command line, with nothing on it."""
    pytest.importorskip("drgn")
    from tests.support.drgncore import drgn

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    images = [tmp_path / name for name in ("kernel.elf", "program.elf")]
    for image, name in zip(images, ("kernel", "program"), strict=True):
        shutil.copy(built(name), image)
    target = Machine().guest(*images)
    copy = tmp_path / "shaped.gdb.core"
    gdbcore_file.fix_copy(target, str(copy))
    address = target.modules[0].symbol("worker_a")[0]
    asked = ["int(prog['worker_a'].tid)", "prog['worker_a'].address_of_().value_()"]
    told = drgn(copy, tmp_path, asked)
    assert list(told["values"].values()) == [3, address] and address > SLIDE
    assert sorted(thread["id"] for thread in told["threads"]) == [2, 3, 4, 5]
    assert not told["said"]
    # an image without build-id that is another file by now isn't taken for it
    os.utime(images[0], (1, 1))
    with pytest.raises(AssertionError, match="is not the file any more"):
        drgn(copy, tmp_path, asked)
    images[0].unlink()
    os.mkfifo(images[0])
    assert sorted(thread["id"] for thread in drgn(copy, tmp_path)["threads"]) == [2, 3, 4, 5]


def test_drgns_plugin_leaves_others_alone(core: Path, guest: Guest, tmp_path: Path) -> None:
    assert drgn_plugin.images(str(core)) is None
    assert drgn_plugin.images(str(tmp_path / "nothing")) is None
    gdbcore_file.fix_in_place(guest)
    assert drgn_plugin.images(str(core)) == []
    data = core.read_bytes()
    at = data.rindex(b"uniobs\0\0[]") + 8
    for garbage in (b"[1", b"{}", b"\xff\xff", b"17"):
        core.write_bytes(data[:at] + garbage.ljust(2)[:2] + data[at + 2 :])
        assert not drgn_plugin.images(str(core))
