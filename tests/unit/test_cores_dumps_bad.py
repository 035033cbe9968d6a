"""Dumps that lie: each is refused in one line that names the file and what is wrong with it."""

import json
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from support.corewriters import (
    PAGE,
    cloud_hypervisor,
    firecracker,
    kdump,
    lime,
    minidump,
    sparse,
    vmware,
    windows,
)
from uniobs.cores import firecracker_state, open_core
from uniobs.cores.firecracker_crc import crc64
from uniobs.errors import BadFormat, NotOffered, UnknownMemory
from uniobs.target import open_target

MIB = 1 << 20
KNOWN = {"rip": 0x1000, "rsp": 0x2000, "cr3": 0x3000}
TAKEN = sparse([(0, MIB)], [(5 * PAGE, b"x" * PAGE)], [KNOWN])
Change = Callable[[bytearray], object]


def refused(path: Path, why: str) -> None:
    with pytest.raises(BadFormat, match=why) as caught:
        open_core(str(path))
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def at(offset: int, form: str, *values: int) -> Change:
    return lambda data: struct.pack_into(form, data, offset, *values)


def changed(path: Path, change: Change) -> Path:
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(data)
    return path


BITMAPS = 3 * PAGE  # behind header and sub-header
KDUMP: dict[str, tuple[Change, str]] = {
    "version": (at(8, "<I", 7), "garbled kdump core .version 7"),
    "machine": (lambda data: data.__setitem__(slice(272, 279), b"ppc64le"), "of ppc64le: only those of x86"),
    "block size": (at(428, "<I", 1 << 30), "blocks of 1073741824 bytes"),
    "no sub-header": (at(432, "<I", 0), "0 of sub-header"),
    "no bitmaps": (at(436, "<I", 0), "0 of bitmaps"),
    "bitmaps beyond": (at(436, "<I", 1 << 20), "bitmaps lie beyond its end"),
    "sub-header beyond": (at(432, "<I", 1 << 31), "bitmaps lie beyond its end"),
    "pages": (at(PAGE + 96, "<Q", 1 << 60), "1152921504606846976 pages"),
    "no pages": (at(PAGE + 96, "<Q", 0), "0 pages"),
    "split": (at(PAGE + 12, "<I", 1), "one part of a split dump"),
    "notes' size": (at(PAGE + 56, "<Q", 1 << 40), "1099511627776 bytes of notes"),
    "notes' place": (at(PAGE + 48, "<Q", 1 << 40), "its notes lie beyond its end"),
}


@pytest.mark.parametrize("what", KDUMP)
def test_kdump(what: str, tmp_path: Path) -> None:
    path = tmp_path / "core"
    kdump.write(path, TAKEN)
    change, why = KDUMP[what]
    refused(changed(path, change), why)


def test_kdump_that_was_cut(tmp_path: Path) -> None:
    """What is still there is told; what isn't is unknown, and it is said."""
    path = tmp_path / "core"
    kdump.write(path, TAKEN, "none")
    whole = path.stat().st_size
    path.write_bytes(path.read_bytes()[: whole - 10])
    core = open_core(str(path))
    with closing(core.memory) as memory:
        assert any("cut short" in notice for notice in core.notices)
        assert memory.read(0, PAGE) == bytes(PAGE)
        with pytest.raises(UnknownMemory, match="cut off"):
            memory.read(5 * PAGE, 1)


def test_pages_left_out_are_zeros_only_where_all_were_written(tmp_path: Path) -> None:
    path = tmp_path / "core"
    kdump.write(path, TAKEN, leave_out_zeros=True)
    for status, known in ((1, True), (1 | 8, False)):  # whoever wrote the latter ran out of space
        core = open_core(str(changed(path, at(424, "<I", status))))
        with closing(core.memory) as memory:
            assert memory.read(5 * PAGE, 1) == b"x"
            assert any("ran out of space" in notice for notice in core.notices) is not known
            if known:
                assert memory.read(0, PAGE) == bytes(PAGE)
            else:
                with pytest.raises(UnknownMemory):
                    memory.read(0, PAGE)


def test_closed_twice(tmp_path: Path) -> None:
    """The second time the descriptor's number is another file's."""
    path = tmp_path / "core"
    kdump.write(path, TAKEN)
    memory = open_core(str(path)).memory
    memory.close()
    with path.open("rb") as file:
        memory.close()
        assert file.read(4) == b"KDUM"
        with pytest.raises(UnknownMemory):
            memory.read(5 * PAGE, 1)


@pytest.mark.parametrize("bits", [b"\0", b"\xff", b"\x55"])
def test_kdump_that_claims_terabytes(bits: bytes, tmp_path: Path) -> None:
    """Holes for bitmaps and descriptors: it opens and is searched in no time, and nothing is made of it."""
    path = tmp_path / "core"
    kdump.write(path, TAKEN)
    pages = 1 << 30 if bits == b"\0" else 1 << 25
    half = pages // 8
    with path.open("r+b") as file:
        file.seek(436)
        file.write(struct.pack("<I", 2 * half // PAGE))
        file.seek(PAGE + 96)
        file.write(struct.pack("<Q", pages))
        file.truncate(BITMAPS)
        if bits != b"\0":
            file.seek(BITMAPS + half)
            file.write(bits * half)
        file.truncate(BITMAPS + 2 * half + 24 * pages)
    with closing(open_target(str(path))) as target:
        assert target.region is None
        held = sum(part.size for part in target.memory.ranges())
        assert held == (0 if bits == b"\0" else pages * PAGE if bits == b"\xff" else held)
        with pytest.raises(UnknownMemory):
            target.memory.read(5 * PAGE, 1)


def test_windows_bitmap_that_claims_terabytes(tmp_path: Path) -> None:
    path = tmp_path / "core"
    windows.write(path, TAKEN, bitmap=True)
    for bits, why in ((1 << 30, "isn't one of"), (1 << 40, "second header")):
        with path.open("r+b") as file:
            file.seek(0x2020)
            file.write(struct.pack("<QQQ", 1 << 38, MIB // PAGE, bits) + bytes(64))
            file.truncate(1 << 39)
        refused(path, why)


FLAT: dict[str, tuple[list[tuple[int, int, bytes]], str]] = {
    "negative offset": ([(-2, 4, b"abcd")], "a garbled record at 0x1000"),
    "negative size": ([(0, -5, b"")], "a garbled record"),
    "empty record": ([(0, 0, b"")], "a garbled record"),
    "beyond all files": ([((1 << 63) - 1, 1 << 62, b"")], "a garbled record"),
    "nothing in it": ([(-1, -1, b"")], "a kdump core without its header"),
    "another thing in it": ([(0, 1000, b"A" * 1000)], "no kdump core in it"),
}


@pytest.mark.parametrize("what", FLAT)
def test_flattened(what: str, tmp_path: Path) -> None:
    records, why = FLAT[what]
    path = tmp_path / "core"
    body = b"".join(struct.pack(">qq", offset, size) + data for offset, size, data in records)
    path.write_bytes(struct.pack(">16sqq", b"makedumpfile", 1, 1).ljust(4096, b"\0") + body)
    refused(path, why)


def test_flattened_of_another_version(tmp_path: Path) -> None:
    path = tmp_path / "core"
    path.write_bytes(struct.pack(">16sqq", b"makedumpfile", 1, 2).ljust(4096, b"\0"))
    refused(path, "unknown version")


def test_flattened_in_too_many_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small records that belong nowhere near each other: the index is bounded, and the way out is said."""
    monkeypatch.setattr("uniobs.cores.flattened.RUNS_MAX", 1 << 10)
    path = tmp_path / "core"
    kdump.flatten(path, [(at * 100, b"x") for at in range(2000)])
    refused(path, "makedumpfile -R puts them together")


def test_extra_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for kind, module in (("lzo", "lzallright"), ("snappy", "cramjam")):
        path = tmp_path / kind
        kdump.write(path, TAKEN, kind)
        with monkeypatch.context() as without:
            without.setitem(sys.modules, module, None)
            why = rf"compressed with {kind}: pip install 'uniobs\[cores\]'"
            with pytest.raises(NotOffered, match=why) as caught:
                open_core(str(path))
            assert str(path) in str(caught.value)


LIME: dict[str, tuple[Change, str]] = {
    "version": (at(4, "<I", 2), "garbled LiME header at 0x0 .version 2"),
    "ends before it begins": (at(8, "<QQ", PAGE, 0), "garbled LiME header"),
    "beyond all addresses": (at(16, "<Q", (1 << 64) - 1), "garbled LiME header"),
    "overlap": (at(32 + MIB + 8, "<Q", 0), "overlap at 0x"),
    "second header": (at(32 + MIB, "<I", 7), "garbled LiME header at 0x100020"),
}


@pytest.mark.parametrize("what", LIME)
def test_lime(what: str, tmp_path: Path) -> None:
    path = tmp_path / "core"
    lime.write(path, sparse([(0, MIB), (2 * MIB, MIB)]))
    change, why = LIME[what]
    refused(changed(path, change), why)


WINDOWS: dict[str, tuple[bool, Change, str]] = {
    "32-bit": (False, lambda data: data.__setitem__(slice(4, 8), b"DUMP"), "a 32-bit Windows"),
    "machine": (False, at(0x30, "<I", 0xAA64), "machine 0xaa64"),
    "kernel dump": (False, at(0xF98, "<I", 2), "type 2, which holds a part of memory only"),
    "runs": (False, at(0x88, "<I", 1000), "1000 runs of memory"),
    "run's size": (False, at(0xA0, "<Q", 1 << 50), "a run of 1125899906842624 pages"),
    "pages": (False, at(0x90, "<Q", 1 << 30), "its runs are not 1073741824 pages"),
    "bitmap's size": (True, at(0x2030, "<Q", 1 << 50), "second header"),
    "bitmap's pages": (True, at(0x2028, "<Q", 3), "isn't one of 3 pages"),
    "where pages begin": (True, at(0x2020, "<Q", 1 << 50), "second header"),
}


@pytest.mark.parametrize("what", WINDOWS)
def test_windows(what: str, tmp_path: Path) -> None:
    bitmap, change, why = WINDOWS[what]
    path = tmp_path / "core"
    windows.write(path, TAKEN, bitmap)
    refused(changed(path, change), why)


def test_windows_context_that_holds_no_registers(tmp_path: Path) -> None:
    path = tmp_path / "core"
    windows.write(path, TAKEN)
    core = open_core(str(changed(path, at(0x348 + 0x30, "<I", 0x100008))))
    core.memory.close()
    assert core.registers == ()


def test_vmware(tmp_path: Path) -> None:
    path = tmp_path / "guest.vmss"
    vmware.write(path, sparse([(0, MIB), (2 * MIB, MIB)], registers=[KNOWN]))
    good = path.read_bytes()
    (first,) = struct.unpack_from("<Q", good, 12 + 64)
    size = good.index(b"regionSize")
    lies: list[tuple[Change, str]] = [
        (at(0, "<I", 0xBED0BED0), "an old, 32-bit VMware"),
        (at(8, "<I", 1 << 30), "1073741824 groups"),
        (lambda data: data.__setitem__(slice(92, 98), b"nobody"), "without a group about memory"),
        (at(12 + 64, "<Q", len(good) - 1), "cut short or garbled: its tags end"),
        (at(12 + 64, "<Q", 1 << 62), "cut short or garbled"),
        (at(first, "<BB", 0, 0), "its vCPUs' registers can't be read"),
        (at(size + 14, "<I", 0xFFFFFFFF), "region 0 goes beyond its memory"),
        (at(size - 2, "<B", 0), "region 0 isn't told|cut short or garbled"),
    ]
    for change, why in lies:
        path.write_bytes(good)
        changed(path, change)
        if "registers" in why:
            core = open_core(str(path))
            core.memory.close()
            assert core.registers == () and any(why in notice for notice in core.notices)
        else:
            refused(path, why)
    path.write_bytes(good)
    path.with_suffix(".vmem").unlink()
    refused(path, "neither in it nor in .*guest.vmem beside it")


def test_vmware_with_endless_tags(tmp_path: Path) -> None:
    path = tmp_path / "guest.vmss"
    head = struct.pack("<III", 0xBED2BED2, 8, 1) + struct.pack("<64sQQ", b"memory", 92, 0)
    path.write_bytes(head + vmware.tag("a", b"") * (1 << 17))
    refused(path, "65536 tags")
    packed = vmware.block("Memory", MIB, 0, 0, 0).replace(b"\xbf", b"\xbe", 1)
    path.write_bytes(head + packed + bytes(MIB + 2))
    refused(path, "compressed or in several parts")


def test_cloud_hypervisor(tmp_path: Path) -> None:
    snapshot = tmp_path / "snapshot"
    cloud_hypervisor.write(snapshot, TAKEN)
    state = snapshot / "state.json"

    def ranges(*rows: dict[str, object]) -> str:
        told = json.dumps({"memory_ranges": {"data": rows}})
        return json.dumps({"snapshots": {"memory-manager": {"snapshot_data": {"state": told}}}})

    nested = json.dumps({"snapshots": {"memory-manager": {"snapshot_data": {"state": "[" * 100_000}}}})
    for text, why in (
        ("", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("{}", "doesn't tell its memory"),
        ("[1]", "doesn't tell its memory"),
        (nested, "doesn't tell its memory"),
        (json.dumps({"snapshots": {"memory-manager": {"snapshot_data": {"state": 10**12}}}}), "doesn't tell"),
        (ranges(), "its memory isn't in the snapshot"),
        (ranges({"gpa": -1, "length": 1}), "doesn't tell its memory"),
        (ranges({"gpa": 0, "length": 1 << 70}), "doesn't tell its memory"),
        (ranges({"gpa": 0.5, "length": PAGE}), "doesn't tell its memory"),
        (ranges({"gpa": 0, "length": MIB // 2}, {"gpa": PAGE, "length": PAGE}), "overlap at 0x1000"),
        (ranges(*({"gpa": n * PAGE, "length": PAGE} for n in range(5000))), "doesn't tell its memory"),
    ):
        state.write_text(text)
        refused(snapshot, why)
    state.write_text(ranges({"gpa": 0, "length": 2 * MIB}))
    core = open_core(str(snapshot))
    with closing(core.memory) as memory:
        assert any("cut short: 1048576 bytes" in notice for notice in core.notices)
        with pytest.raises(UnknownMemory):
            memory.read(MIB, 1)
    (snapshot / "memory-ranges").unlink()
    refused(state, "belong together")
    refused(snapshot, "a directory without a snapshot")


def test_cloud_hypervisors_json_that_would_take_our_memory(tmp_path: Path) -> None:
    """Three bytes a list: fifty times as much in memory, in the file itself and in a text of it."""
    snapshot = tmp_path / "snapshot"
    cloud_hypervisor.write(snapshot, TAKEN)
    lists = "[" + "[]," * (1 << 20) + "[]]"
    (snapshot / "state.json").write_text(f'{{"a\\"b": {lists}}}')
    refused(snapshot, "too much memory")
    inside = {"snapshots": {"memory-manager": {"snapshot_data": {"state": lists}}}}
    (snapshot / "state.json").write_text(json.dumps(inside))
    refused(snapshot, "doesn't tell its memory")


def test_firecrackers_states_beside_a_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many lie there, few are read whole: those that claim to be of this memory."""
    memory = firecracker.write(tmp_path / "one", TAKEN)
    state = tmp_path / "one.state"
    for number in range(20):
        data = bytearray(state.read_bytes() + bytes(99))  # garbled
        (tmp_path / f"x{number}.state").write_bytes(data)
        struct.pack_into("<Q", data, 21, 77)
        (tmp_path / f"y{number}.state").write_bytes(data)
    read: list[bytes] = []

    def counted(data: bytes) -> int:
        read.append(data)
        return crc64(data)

    monkeypatch.setattr(firecracker_state, "crc64", counted)
    core = open_core(str(memory))
    core.memory.close()
    assert core.kind == "firecracker"
    assert len(read) <= 4


def test_minidump(tmp_path: Path) -> None:
    path = tmp_path / "core.dmp"
    minidump.write(path, TAKEN, {7: KNOWN}, [minidump.Module(0, PAGE, "/a/program")], full=True)
    good = path.read_bytes()
    streams = {kind: (size, where) for kind, size, where in struct.iter_unpack("<III", good[32:80])}
    full = streams[9][1]
    lies: list[tuple[Change, str]] = [
        (at(4, "<I", 1), "garbled minidump .version 0x1"),
        (at(8, "<I", 1 << 31), "2147483648 streams"),
        (at(12, "<I", 1 << 31), "its list of streams at 0x80000000 isn't whole"),
        (at(streams[7][1], "<H", 12), "another machine than x86-64 .12"),
        (at(streams[3][1], "<I", 1 << 30), "its list of threads: 1073741824 in"),
        (at(streams[4][1], "<I", 0), "its list of modules: 0 in"),
        (at(full, "<Q", 1 << 60), "its list of memory: 1152921504606846976 ranges"),
        (at(full + 16, "<QQ", (1 << 64) - 1, 2), "garbled: 2 bytes of memory at 0xffffffffffffffff"),
        (at(full + 24, "<Q", 0), "."),
    ]
    for change, why in lies[:-1]:
        path.write_bytes(good)
        refused(changed(path, change), why)


def test_what_is_known_by_name_only(tmp_path: Path) -> None:
    for begins, why in (
        (b"DISKDUMP", "diskdump"),
        (b"AVML", "avml-convert"),
        (b"\x28\xb5\x2f\xfd", "zstd packed: unpack it"),
        (b"\x1f\x8b\x08", "gzip packed: unpack it"),
        (struct.pack("<Q", 0x0710_1984_AAAA_0000), "Firecracker on arm64"),
    ):
        path = tmp_path / "file"
        path.write_bytes(begins.ljust(PAGE, b"\0"))
        refused(path, why)
