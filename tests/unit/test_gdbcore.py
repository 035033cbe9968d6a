"""What `core fix` writes: bytes that readelf and gdb read as meant; at any moment a core that opens."""

import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from support.bare_guest import region_blob
from support.corewriters import elf, kdump, lime, sparse
from support.nanos_shapes import SLIDE, Machine, built, needs_gcc
from tests.support import build
from tests.support.gdbcore import gdb
from uniobs.cli import debuggers
from uniobs.cores import fixed, open_core
from uniobs.cores.elf import ElfCore
from uniobs.errors import BadFormat, NotOffered, OutputError, UnknownMemory, UsageError
from uniobs.export import drgn_plugin, gdbcore, gdbcore_copy, gdbcore_file
from uniobs.export.gdbcore_view import LOADS_MAX, loads, view
from uniobs.memory.blocks import Block
from uniobs.memory.paging import PageTables
from uniobs.target import open_target
from uniobs.target.guest import Guest

MIB = 1 << 20
REGION = 0x40000
STACK = 0x9000
CPU = {"rip": 0x1000, "rsp": STACK - 64, "cr0": 0x11, "rax": 7, "rcx": 8, "r8": 9, "rbp": STACK}


def core_of(path: Path) -> Path:
    """A QEMU core of 1 MiB with a region, one thread on the CPU."""
    region = region_blob(REGION, stack=(STACK - 4096, STACK))
    return elf.write_qemu(path, sparse([(0, MIB)], [(REGION, region)], [CPU]))


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


class Killed(BaseException):
    """The process ended in the middle of a write."""


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99, 1.0])
@pytest.mark.parametrize("write", [0, 1])
def test_killed_at_any_moment(
    core: Path, guest: Guest, write: int, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two writes, and in the middle of what is appended; the header is one write of 64 bytes."""
    before = core.read_bytes()
    writes: list[int] = []
    real = gdbcore_copy.write

    def cut(fd: int, data: bytes, at: int) -> None:
        writes.append(len(data))
        if len(writes) > write:
            if write == 0:
                real(fd, data[: int(len(data) * share)], at)
            raise Killed
        real(fd, data, at)

    with monkeypatch.context() as patch:
        patch.setattr(gdbcore_file, "write", cut)
        with pytest.raises(Killed):
            gdbcore_file.fix_in_place(guest)
    assert core.read_bytes()[: len(before)] == before
    assert write == 0 or writes[1:] == [64]
    with closing(open_target(str(core))) as again:
        assert again.memory.read(0, MIB) == guest.memory.read(0, MIB)
        assert again.registers()[0].values == guest.registers()[0].values
        assert not gdbcore_file.is_fixed(str(core))
        assert gdbcore_file.fix_in_place(again) is not None
    with closing(open_target(str(core))) as after:
        assert after.memory.read(0, MIB) == guest.memory.read(0, MIB)
        assert len(after.walker("threads").threads()) == 1


def test_in_place_twice_and_undone(core: Path, guest: Guest) -> None:
    before = core.read_bytes()
    assert gdbcore_file.fix_in_place(guest) is not None
    assert gdbcore_file.is_fixed(str(core))
    grown = core.stat().st_size
    with closing(open_target(str(core))) as again:
        assert gdbcore_file.fix_in_place(again) is None
        assert again.registers()[0].values == guest.registers()[0].values
        assert again.memory.blocks == guest.memory.blocks  # type: ignore[attr-defined]
    assert core.stat().st_size == grown
    assert gdbcore_file.undo(str(core)) and core.read_bytes() == before
    assert not gdbcore_file.undo(str(core))


def test_two_at_once(core: Path, guest: Guest) -> None:
    with gdbcore_file._exclusive(str(core)), pytest.raises(OutputError, match="another uniobs"):
        gdbcore_file.fix_in_place(guest)


def test_a_core_that_is_cut_short_is_fixed_as_a_copy_only(core: Path, tmp_path: Path) -> None:
    os.truncate(core, core.stat().st_size - 8192)
    with closing(open_target(str(core))) as cut:
        with pytest.raises(NotOffered, match="cut short"):
            gdbcore_file.fix_in_place(cut)
        copy = tmp_path / "copy"
        done = gdbcore_file.fix_copy(cut, str(copy))
        assert done.mappings == 1
        with closing(open_target(str(copy))) as again:
            assert again.memory.read(0, MIB - 8192) == cut.memory.read(0, MIB - 8192)
            assert again.memory.blocks == cut.memory.blocks  # type: ignore[attr-defined]
            assert any("cut short" in notice for notice in again.notices)


def test_nothing_is_left_when_it_fails(core: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with closing(open_target(str(core))) as target:
        here = sorted(os.listdir(tmp_path))
        with monkeypatch.context() as patch:
            patch.setattr(gdbcore_file, "write", full)
            with pytest.raises(OutputError, match="No space left"):
                gdbcore_file.fix_copy(target, str(tmp_path / "copy"))
        assert sorted(os.listdir(tmp_path)) == here
        with pytest.raises(OutputError, match="No such file"):
            gdbcore_file.fix_copy(target, str(tmp_path / "nowhere" / "copy"))


def test_no_room_in_place_leaves_the_core_as_it_was(core: Path, guest: Guest) -> None:
    """The disk fills up while it is appended to: RLIMIT_FSIZE does as ENOSPC would."""
    before = core.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, hard))
    try:
        with pytest.raises(OutputError, match="File too large"):
            gdbcore_file.fix_in_place(guest)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert core.read_bytes() == before


def test_another_core_took_its_place(core: Path, guest: Guest) -> None:
    """What was read of one file is never written into another."""
    other = core.with_name("other")
    other.write_bytes(core.read_bytes())
    other.replace(core)
    before = core.read_bytes()
    with pytest.raises(OutputError, match="another file has taken its place"):
        gdbcore_file.fix_in_place(guest)
    assert core.read_bytes() == before


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o640])
def test_who_may_not_read_the_core_may_not_read_its_copy(core: Path, mode: int, tmp_path: Path) -> None:
    core.chmod(mode)
    dump = tmp_path / "dump"
    kdump.write(dump, sparse([(0, MIB)], [(REGION, region_blob(REGION))], [CPU]))
    dump.chmod(mode)
    before = os.umask(0o022)
    try:
        for one in (core, dump):
            with closing(open_target(str(one))) as target:
                gdbcore_file.fix_copy(target, str(tmp_path / "copy"))
            assert (tmp_path / "copy").stat().st_mode & 0o777 == mode | 0o600
    finally:
        os.umask(before)


def test_a_core_that_may_not_be_written_to(
    core: Path, guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As QEMU leaves its own, for everybody but root."""

    def denied(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", denied)
    for what in (lambda: gdbcore_file.fix_in_place(guest), lambda: gdbcore_file.undo(str(core))):
        with pytest.raises(OutputError, match=r"chmod u\+w it, or write a copy with -o"):
            what()


def test_what_a_dump_lacks_is_left_out_of_its_copy(guest: Guest, tmp_path: Path) -> None:
    """A kdump that was cut: the copy holds what can be read, and says how much that isn't."""
    lost = 0x80000
    region = region_blob(REGION, stack=(STACK - 4096, STACK))
    taken = sparse([(0, MIB)], [(REGION, region), (lost, b"y" * 4096)], [CPU])
    dump, copy = tmp_path / "dump", tmp_path / "copy"
    kdump.write(dump, taken, "none")
    os.truncate(dump, dump.stat().st_size - 10)  # within the last page's bytes
    with closing(open_target(str(dump))) as cut:
        done = gdbcore_file.fix_copy(cut, str(copy))
        with pytest.raises(UnknownMemory):
            cut.memory.read(lost, 1)
    assert any("4096 bytes of its memory can't be read" in notice for notice in done.notices)
    with closing(open_target(str(copy))) as fixed:
        assert fixed.memory.read(0, lost) == guest.memory.read(0, lost)
        rest = lost + 4096
        assert fixed.memory.read(rest, MIB - rest) == guest.memory.read(rest, MIB - rest)
        with pytest.raises(UnknownMemory):
            fixed.memory.read(lost, 1)


def test_nothing_is_copied_for_who_cant_be_helped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LiME tells no registers, and nothing is known of threads: that is said before gigabytes are written."""
    dump = tmp_path / "dump"
    lime.write(dump, sparse([(0, MIB)], [(0, b"x" * 4096)]))
    monkeypatch.setattr(gdbcore_file, "converted", pytest.fail)
    with closing(open_target(str(dump))) as target, pytest.raises(NotOffered):
        gdbcore_file.fix_copy(target, str(tmp_path / "copy"))


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
    address = target.modules[0].symbol("worker_a")[0]  # type: ignore[index]
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
    address = target.modules[0].symbol("worker_a")[0]  # type: ignore[index]
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


@pytest.mark.parametrize("nameless", [True, False])
def test_copies_with_and_without_files_that_have_no_name(
    guest: Guest, tmp_path: Path, nameless: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def without(path: object, flags: int, *more: object, **named: object) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(95, "Operation not supported")
        return real(path, flags, *more, **named)  # type: ignore[call-overload, no-any-return]

    if not nameless:
        monkeypatch.setattr(os, "open", without)
    copy = tmp_path / "copy"
    for _ in range(2):  # the second one takes the first one's place
        gdbcore_file.fix_copy(guest, str(copy))
        assert sorted(os.listdir(tmp_path)) == ["bare.core", "copy"]
    assert gdbcore_file.is_fixed(str(copy))
    mask = os.umask(0)
    os.umask(mask)
    assert copy.stat().st_mode & 0o777 == 0o666 & ~mask

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(gdbcore_file, "write", full)
    with pytest.raises(OutputError, match="No space left"):
        gdbcore_file.fix_copy(guest, str(tmp_path / "other"))
    assert sorted(os.listdir(tmp_path)) == ["bare.core", "copy"]
