"""`core fix` harms nothing: killed, out of room, not allowed, in a race; a core stays what it was."""

import os
import resource
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from support.bare_core import CPU, MIB, REGION, STACK, core_of
from support.bare_guest import region_blob
from support.corewriters import kdump, lime, sparse
from uniobs.errors import NotOffered, OutputError, UnknownMemory
from uniobs.export import gdbcore_copy, gdbcore_file
from uniobs.target import open_target
from uniobs.target.guest import Guest


@pytest.fixture
def core(tmp_path: Path) -> Path:
    return core_of(tmp_path / "bare.core")


@pytest.fixture
def guest(core: Path) -> Iterator[Guest]:
    with closing(open_target(str(core))) as target:
        yield target


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
        assert again.memory.blocks == guest.memory.blocks
    assert core.stat().st_size == grown
    assert gdbcore_file.undo(str(core)) and core.read_bytes() == before
    assert not gdbcore_file.undo(str(core))


def test_a_header_that_is_the_guests_memory_too_is_left_alone(core: Path, tmp_path: Path) -> None:
    """A segment from the file's beginning on: a header written there would change the guest's memory."""
    data = bytearray(core.read_bytes())
    loads = [at for at in range(64, 1024, 56) if data[at : at + 4] == b"\1\0\0\0"]
    data[loads[0] + 8 : loads[0] + 16] = bytes(8)
    core.write_bytes(data)
    with closing(open_target(str(core))) as target:
        with pytest.raises(NotOffered, match="-o FILE writes one"):
            gdbcore_file.fix_in_place(target)
        gdbcore_file.fix_copy(target, str(tmp_path / "copy"))
        with closing(open_target(str(tmp_path / "copy"))) as copy:
            assert copy.memory.read(0, 4096) == target.memory.read(0, 4096) == bytes(data[:4096])
    assert core.read_bytes() == data


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
            assert again.memory.blocks == cut.memory.blocks
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


@pytest.mark.parametrize("nameless", [True, False])
def test_copies_with_and_without_files_that_have_no_name(
    guest: Guest, tmp_path: Path, nameless: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def without(path: object, flags: int, *more: object, **named: object) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(95, "Operation not supported")
        return real(path, flags, *more, **named)

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
