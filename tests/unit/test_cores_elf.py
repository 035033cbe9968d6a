"""ELF cores made by hand: where each VMM puts its addresses, and files that lie. See also tests/fuzz."""

import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from support.corewriters import PAGE, Snapshot, elf, sparse, xen
from uniobs.cores import Core, open_core
from uniobs.errors import BadFormat, Incomplete, UnknownMemory
from uniobs.memory.base import Range
from uniobs.memory.paging import PageTables

MIB = 1 << 20
MARK = b"here is a page".ljust(PAGE, b".")
REGISTERS = {
    name: 0x1000 + number
    for number, name in enumerate(
        "rax rbx rcx rdx rsi rdi rsp rbp r8 r9 r10 r11 r12 r13 r14 r15 rip rflags cs ss cr0 cr2 cr3 cr4 "
        "fs_base gs_base".split()
    )
}
LAYOUTS = {
    "microvm": [(0, 64 * MIB)],
    "pc": [(0, 0xC0000), (0xC0000, 0x40000), (MIB, 63 * MIB), (0xFD000000, 16 * MIB)],
    "hole": [(0, 0xB0000000), (4 << 30, 1 << 30)],
    "both ends": [(0, 16 * MIB), ((1 << 52) - 16 * MIB, 16 * MIB)],
}
WRITERS: dict[str, Callable[[Path, Snapshot], Path]] = {
    "qemu-elf": elf.write_qemu,
    "cloud-hypervisor-elf": elf.write_cloud_hypervisor,
    "virtualbox": elf.write_virtualbox,
    "xen": xen.write,
}


def opened(path: Path) -> Core:
    return open_core(str(path))


def one_line(path: Path, why: str) -> None:
    with pytest.raises(BadFormat, match=why) as caught:
        opened(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("layout", list(LAYOUTS))
@pytest.mark.parametrize("kind", WRITERS)
def test_memory_is_where_the_guest_sees_it(kind: str, layout: str, tmp_path: Path) -> None:
    """All p_vaddr 0, holes, page 0 held: bytes are found by physical address, and only there."""
    if (kind, layout) == ("xen", "both ends"):
        blocks = [(0, 16 * MIB), (1 << 44, 16 * MIB)]
    else:
        blocks = LAYOUTS[layout]
    marks = [(start, MARK) for start, _ in blocks] + [(start + size - PAGE, MARK) for start, size in blocks]
    path = WRITERS[kind](tmp_path / "core", sparse(blocks, marks, [REGISTERS, REGISTERS]))
    core = opened(path)
    with closing(core.memory):
        assert core.kind == kind
        assert core.memory.read(0, 14) == MARK[:14]
        for at, data in marks:
            assert core.memory.read(at, PAGE) == data
        assert sum(held.size for held in core.memory.ranges()) < sum(size for _, size in blocks)
        top = max(start + size for start, size in blocks)
        for at, size in ((top, 1), (top - 8, 16), (-1, 4), ((1 << 64) - 8, 16), (1 << 64, 1)):
            with pytest.raises(UnknownMemory):
                core.memory.read(at, size)
        assert [one.cpu for one in core.registers] == [0, 1]
        for name, value in REGISTERS.items():
            assert core.registers[1].get(name) == value, name


def test_both_versions_of_qemus_note(tmp_path: Path) -> None:
    taken = sparse([(0, MIB)], registers=[{**REGISTERS, "kernel_gs_base": 0x77}])
    for size, known in ((432, None), (440, 0x77)):
        core = opened(elf.write_qemu(tmp_path / "core", taken, size=size))
        core.memory.close()
        assert core.registers[0].get("cr3") == REGISTERS["cr3"]
        assert core.registers[0].get("kernel_gs_base") == known


def test_cloud_hypervisor_counts_from_0_and_qemu_from_1(tmp_path: Path) -> None:
    """The same notes otherwise: one vCPU, RAM from 0 in one segment."""
    taken = sparse([(0, MIB)], registers=[REGISTERS])
    for write in (elf.write_qemu, elf.write_cloud_hypervisor):
        core = opened(write(tmp_path / "core", taken))
        core.memory.close()
        assert core.kind == ("qemu-elf" if write is elf.write_qemu else "cloud-hypervisor-elf")
        assert not core.notices
        assert core.registers[0].get("rip") == REGISTERS["rip"]


def test_a_note_of_another_vcpu_is_not_believed(tmp_path: Path) -> None:
    notes = elf.note(b"CORE", 1, elf.prstatus(2, REGISTERS)) + elf.note(b"QEMU", 0, elf.qemu_state(REGISTERS))
    core = opened(elf.write(tmp_path / "core", sparse([(0, MIB)]), notes, vaddr=True))
    core.memory.close()
    assert core.registers[0].get("rip") is None
    assert "disagree" in core.notices[0]


def test_namesz_8_5_and_without_nul(tmp_path: Path) -> None:
    """Solo5 counts the padding of a name, QEMU its NUL, VirtualBox neither: all are read."""
    taken = sparse([(0, MIB)], [(0, MARK)], [REGISTERS])
    solo5 = opened(elf.write_solo5(tmp_path / "solo5", taken))
    with closing(solo5.memory):
        assert solo5.kind == "solo5-elf"
        assert solo5.registers[0].get("rip") == REGISTERS["rip"]
        assert solo5.memory.read(0, PAGE) == MARK
    for write in (elf.write_qemu, elf.write_virtualbox):
        core = opened(write(tmp_path / "core", taken))
        core.memory.close()
        assert core.registers[0].get("rip") == REGISTERS["rip"]


@pytest.mark.parametrize("version", [0x10004, 0x10005, 0x10006])
def test_versions_of_virtualbox(version: int, tmp_path: Path) -> None:
    taken = sparse([(0, MIB)], registers=[{**REGISTERS, "idt_base": 5, "efer": 6, "kernel_gs_base": 7}])
    path = elf.write_virtualbox(tmp_path / "core", taken, version)
    core = opened(path)
    core.memory.close()
    found = [core.registers[0].get(name) for name in ("idt_base", "efer", "kernel_gs_base")]
    assert found == [5, 6, 7]


def test_virtualbox_of_other_layouts_is_refused(tmp_path: Path) -> None:
    taken = sparse([(0, MIB)], registers=[REGISTERS])
    for version in (0x10000, 0x10007, 0):
        one_line(elf.write_virtualbox(tmp_path / "core", taken, version), "whose layout isn't known")
    path = elf.write_virtualbox(tmp_path / "core", taken)
    data = path.read_bytes()
    for old, new, why in (
        (struct.pack("<I", 0xC01AC0DE), bytes(4), "magic"),
        (struct.pack("<I", 158379) + b"\1", struct.pack("<I", 158379) + b"\2", "1 of 2 vCPUs"),
    ):
        path.write_bytes(data.replace(old, new))
        one_line(path, why)


def test_more_segments_than_a_header_can_count(tmp_path: Path) -> None:
    """PN_XNUM: the number is in the first section header. Pieces of one range are one."""
    blocks = [(at * PAGE, PAGE) for at in range(70_000)] + [(1 << 40, PAGE)]
    taken = sparse(blocks, [(69_999 * PAGE, MARK), (1 << 40, MARK)], [REGISTERS])
    core = opened(elf.write_qemu(tmp_path / "core", taken, many=True))
    with closing(core.memory):
        assert [(block.start, block.size) for block in core.memory.blocks] == [
            (0, 70_000 * PAGE),
            (1 << 40, PAGE),
        ]
        assert core.memory.read(69_999 * PAGE, PAGE) == core.memory.read(1 << 40, PAGE) == MARK


def test_xen_pads_a_table_of_pages_that_shrank(tmp_path: Path) -> None:
    taken = sparse([(0, MIB), (8 * MIB, MIB)], [(8 * MIB, MARK)], [REGISTERS])
    for options in ({}, {"gmfn": lambda pfn: pfn + 0x5000}):
        core = opened(xen.write(tmp_path / "core", taken, unused=7, **options))
        with closing(core.memory):
            assert core.memory.read(8 * MIB, PAGE) == MARK
            assert [Range(block.start, block.size) for block in core.memory.blocks] == list(taken.blocks)


def test_page_tables_of_a_pv_guest_hold_machine_frames(tmp_path: Path) -> None:
    """Frames in any order: each page is looked up; those of others aren't known."""

    def gmfn(pfn: int) -> int:
        return 0x80000 + (pfn * 37) % 256

    def entry(pfn: int) -> bytes:
        return struct.pack("<Q", gmfn(pfn) * PAGE | 3)

    tables = [(1 * PAGE, entry(2)), (2 * PAGE, entry(3)), (3 * PAGE, entry(4))]
    leaf = entry(200) + entry(7) + struct.pack("<Q", 0x9999 * PAGE | 3)
    contents = [(at, row.ljust(PAGE, b"\0")) for at, row in [*tables, (4 * PAGE, leaf)]]
    contents.append((200 * PAGE, MARK))
    taken = sparse([(0, MIB)], contents, [{"cr3": gmfn(1) * PAGE}])
    core = opened(xen.write(tmp_path / "core", taken, gmfn=gmfn))
    with closing(core.memory):
        space = PageTables(core.memory, core.registers[0].values["cr3"], 0, core.frames)
        assert space.read(5, PAGE) == MARK[5:] + core.memory.read(7 * PAGE, 5)
        assert [(page.virtual, page.physical, page.size) for page in space.mappings()] == [
            (0, 200 * PAGE, PAGE),
            (PAGE, 7 * PAGE, PAGE),
        ]
        with pytest.raises(UnknownMemory, match="no machine frame"):
            space.translate(2 * PAGE)


def test_tables_that_lead_to_themselves_end(tmp_path: Path) -> None:
    """A table whose entries are all itself: the walk is bounded, a look-up too."""
    table = struct.pack("<Q", PAGE | 3) * 512
    core = opened(elf.write_qemu(tmp_path / "core", sparse([(0, MIB)], [(PAGE, table)], [{"cr3": PAGE}])))
    with closing(core.memory):
        space = PageTables(core.memory, PAGE)
        assert space.translate(0x123456789ABC) == PAGE | 0xABC
        with pytest.raises(Incomplete):
            for _ in space.mappings(limit=2000):
                pass


def test_xen_tables_that_lie(tmp_path: Path) -> None:
    taken = sparse([(0, MIB)], registers=[REGISTERS])
    path = xen.write(tmp_path / "core", taken, unused=2)
    data = path.read_bytes()
    pfns = data.index(struct.pack("<3Q", 0, 1, 2))
    about = data.index(struct.pack("<2Q", xen.HVM, 1))

    def changed(at: int, new: bytes, why: str) -> None:
        path.write_bytes(data[:at] + new + data[at + len(new) :])
        one_line(path, why)

    words = struct.Struct("<Q")
    changed(pfns + 8, words.pack(0), "order")
    changed(pfns + 80, words.pack(5), "order")
    changed(pfns + 80, words.pack(1 << 63), "order")
    changed(pfns + 8 * 257, words.pack(300), "order")  # after the filling
    changed(about, words.pack(7), "of kind 0x7")
    changed(about + 8, words.pack(0), "0 vCPUs")
    changed(about + 8, words.pack(1 << 40), "vCPUs")
    changed(about + 8, words.pack(2), "registers for 2 vCPUs")
    changed(about + 16, words.pack(1 << 63), "pages")
    changed(about + 16, words.pack(0), "0 pages")
    changed(about + 24, words.pack(8192), "pages of 8192 bytes")
    changed(data.index(b".xen_pfn\0"), b".xen_pfx", r"without \.xen_pfn")
    changed(data.index(b".xen_pages\0"), b".xen_pagez", "without memory")
    path.write_bytes(data[: pfns + 100])
    one_line(path, "cut short")
    path = xen.write(path, taken, gmfn=lambda pfn: pfn)
    size_64, size_32 = bytes(16) + words.pack(PAGE), bytes(12) + words.pack(PAGE) + bytes(4)
    path.write_bytes(path.read_bytes().replace(size_64, size_32, 1))
    one_line(path, "32-bit guest")


def test_segments_that_lie(tmp_path: Path) -> None:
    taken = sparse([(0, MIB), (16 * MIB, MIB)], registers=[REGISTERS])
    path = elf.write_qemu(tmp_path / "core", taken)
    data = path.read_bytes()
    first = 64 + 56  # the first PT_LOAD
    fields = {"offset": 8, "vaddr": 16, "paddr": 24, "filesz": 32, "memsz": 40}

    def changed(why: str, **new: int) -> None:
        broken = bytearray(data)
        for name, value in new.items():
            struct.pack_into("<Q", broken, first + fields[name], value)
        path.write_bytes(broken)
        one_line(path, why)

    changed("beyond the end of all addresses", paddr=(1 << 64) - PAGE, vaddr=(1 << 64) - PAGE)
    changed("beyond the end of all addresses", offset=1 << 63)
    changed("paging:true", memsz=1 << 63)
    changed("paging:true", vaddr=0xFFFF_8000_0000_0000)
    changed("overlap", paddr=16 * MIB + PAGE, vaddr=16 * MIB + PAGE)
    for at, new, why in (
        (32, struct.pack("<Q", 1 << 63), "program headers"),  # e_phoff
        (32, struct.pack("<Q", len(data) - 8), "program headers"),
        (56, struct.pack("<H", 0), "program headers|without memory"),
        (56, struct.pack("<H", 0xFFFF), "section headers"),
        (54, struct.pack("<H", 57), "57 bytes"),
    ):
        path.write_bytes(data[:at] + new + data[at + len(new) :])
        one_line(path, why)


@pytest.mark.parametrize("kind", [*WRITERS, "solo5-elf", "aarch64"])
def test_cut_at_each_boundary(kind: str, tmp_path: Path) -> None:
    """Headers, notes or tables gone: refused in a line. Memory gone: the rest is right, and it's said."""
    blocks = [(0, MIB)] if kind == "solo5-elf" else [(0, MIB), (16 * MIB, MIB)]
    places = [at for start, size in blocks for at in range(start, start + size, PAGE)]
    contents = [(at, bytes((at >> 12 & 0xFF,)) * PAGE) for at in places]
    taken = sparse(blocks, contents, [REGISTERS, REGISTERS])
    more = {"solo5-elf": elf.write_solo5, "aarch64": elf.write_aarch64}
    path = {**WRITERS, **more}[kind](tmp_path / "core", taken)
    data = path.read_bytes()
    memory = min(data.index(bytes((1,)) * PAGE) - PAGE, len(data))  # where page 0 is
    marks = {0, 1, 4, 15, 16, 64, 120, 176, memory, memory + PAGE, memory + MIB}
    marks |= {len(data) - MIB, len(data) - 8} | set(range(64, memory, 64 if memory < 1 << 14 else 1 << 10))
    whole, said = 0, []
    for size in sorted({mark + step for mark in marks for step in (-1, 0, 1)}, reverse=True):
        if not 0 <= size < len(data):
            continue
        path.write_bytes(data[:size])
        try:
            core = opened(path)
        except BadFormat as error:
            said.append((size, str(error)))
            continue
        with closing(core.memory):
            assert "cut short" in core.notices[0]
            for at, page in contents:
                try:
                    assert core.memory.read(at, PAGE) == page
                    whole += 1
                except UnknownMemory:
                    continue
    assert len(said) > 20
    assert not any("\n" in text for _, text in said)
    assert all(size < memory for size, _ in said) or kind == "xen"
    assert whole > 500 or kind == "xen"


def test_counts_beyond_all_bounds(tmp_path: Path) -> None:
    """A hundred million segments, of which the file has none: refused before anything is read."""
    taken = sparse([(0, MIB)], registers=[REGISTERS])
    path = elf.write_qemu(tmp_path / "core", taken, many=True)
    data = bytearray(path.read_bytes())
    for count in ((1 << 17) + 1, 1 << 26, (1 << 32) - 1):
        struct.pack_into("<I", data, 64 + 44, count)
        path.write_bytes(data)
        one_line(path, f"{count} program headers")
    struct.pack_into("<I", data, 64 + 44, 1 << 17)
    path.write_bytes(data)  # enough bytes for so many: garbage, but bounded
    with pytest.raises(BadFormat):
        opened(path)


def test_notes_beyond_all_bounds(tmp_path: Path) -> None:
    """Of 12 bytes each, and the same ones by many segments: they'd take a hundred times as much in memory."""
    empty = struct.pack("<III", 0, 0, 1)
    for segments, count in ((1, 1 << 17), (100, 1 << 10)):
        at = 64 + 56 * segments
        head = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
        head += struct.pack("<HHIQQQIHHHHHH", 4, 62, 1, 0, 64, 0, 0, 64, 56, segments, 64, 0, 0)
        table = struct.pack("<IIQQQQQQ", 4, 0, at, 0, 0, 12 * count, 0, 4) * segments
        (tmp_path / "core").write_bytes(head + table + empty * count)
        one_line(tmp_path / "core", "more than 65536 notes")
