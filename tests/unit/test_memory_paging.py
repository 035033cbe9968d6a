"""Page tables built by hand: every page size, 4 and 5 levels, and tables that lie."""

import random
import struct

import pytest

from uniobs.errors import Incomplete, UnknownMemory
from uniobs.memory.paging import CR4_LA57, Identity, PageTables
from uniobs.memory.sparse import SparseMemory

P, W, U, PS, NX = 1, 2, 4, 1 << 7, 1 << 63
PML5, PML4, PDPT, PD, PT = 0x1000, 0x2000, 0x3000, 0x4000, 0x5000


def put(memory: SparseMemory, table: int, index: int, entry: int) -> None:
    memory.store(table + 8 * index, struct.pack("<Q", entry))


@pytest.fixture
def memory() -> SparseMemory:
    memory = SparseMemory()
    for table in (PML5, PML4, PDPT, PD, PT):
        memory.store(table, bytes(4096))
    put(memory, PML5, 0, PML4 | P | W)
    put(memory, PML5, 511, PML4 | P | W)
    put(memory, PML4, 0, PDPT | P | W | U)
    put(memory, PML4, 511, PDPT | P | W)
    put(memory, PDPT, 0, PD | P | W | U)
    put(memory, PDPT, 1, 0x4000_0000 | P | W | PS | NX)
    put(memory, PD, 0, PT | P | W | U)
    put(memory, PD, 1, 0x0080_0000 | P | PS | 1 << 12)  # bit 12 of a large page is PAT, no address
    put(memory, PT, 1, 0x9000 | P | W)
    put(memory, PT, 2, 0xA000 | P | W)
    put(memory, PT, 3, 0x8000 | P | W | NX)
    memory.store(0x8000, b"\x08" * 4096)
    memory.store(0x9000, b"\x09" * 4096)
    memory.store(0xA000, b"\x0a" * 4096)
    return memory


def test_each_page_size(memory: SparseMemory) -> None:
    tables = PageTables(memory, PML4)
    assert tables.translate(0x1234) == 0x9234
    assert tables.translate(0x20_0123) == 0x80_0123
    assert tables.translate(0x3FFF_FFFF + 0x1235) == 0x4000_1234
    assert tables.translate(0xFFFF_FF80_0000_1234) == 0x9234
    assert tables.page(0x1234).size == 4096
    assert tables.page(0x20_0123).size == 2 << 20
    assert not tables.page(0x20_0123).writable
    assert not tables.page(0x4000_0000).executable


def test_reads_join_pages(memory: SparseMemory) -> None:
    tables = PageTables(memory, PML4 | 0x18)  # PCD and PWT are no address
    assert tables.read(0x1FFE, 4) == b"\x09\x09\x0a\x0a"
    assert tables.read(0x2FFE, 4) == b"\x0a\x0a\x08\x08"
    assert tables.read(0x1000, 0) == b""
    with pytest.raises(UnknownMemory):
        tables.read(0x3FFE, 4)


def test_page_zero_and_what_is_no_address(memory: SparseMemory) -> None:
    tables = PageTables(memory, PML4)
    for address in (0, 0xFFF, 0x4000, 1 << 47, 1 << 63, (1 << 64) - (1 << 48), 1 << 64, -8):
        with pytest.raises(UnknownMemory):
            tables.translate(address)
    with pytest.raises(UnknownMemory):
        tables.read((1 << 64) - 4, 8)
    with pytest.raises(UnknownMemory):
        tables.read(0x1000, 1 << 62)


def test_five_levels(memory: SparseMemory) -> None:
    tables = PageTables(memory, PML5, CR4_LA57)
    assert tables.translate(0x1234) == 0x9234
    assert tables.translate(0xFFFF_0000_0000_1234) == 0x9234
    assert PageTables(memory, PML5).levels == 4
    with pytest.raises(UnknownMemory):
        tables.translate(1 << 56)


def test_mappings(memory: SparseMemory) -> None:
    low = [page for page in PageTables(memory, PML4).mappings() if page.virtual < 1 << 47]
    assert [(page.virtual, page.physical, page.size) for page in low] == [
        (0x1000, 0x9000, 0x2000),  # two pages joined
        (0x3000, 0x8000, 0x1000),
        (0x20_0000, 0x80_0000, 2 << 20),
        (0x4000_0000, 0x4000_0000, 1 << 30),
    ]
    for page in PageTables(memory, PML4).mappings():
        assert PageTables(memory, PML4).translate(page.virtual) == page.physical
    high = [page.virtual for page in PageTables(memory, PML4).mappings() if page.virtual >= 1 << 47]
    assert high[0] == 0xFFFF_FF80_0000_1000


def test_a_table_that_is_its_own_child(memory: SparseMemory) -> None:
    for index in range(512):
        put(memory, PML4, index, PML4 | P | W)
    with pytest.raises(Incomplete):
        list(PageTables(memory, PML4).mappings(limit=1000))
    assert PageTables(memory, PML4).translate(0x5008) == PML4 | 0x008


def test_a_table_that_is_missing(memory: SparseMemory) -> None:
    put(memory, PML4, 3, 0x77_0000 | P)
    with pytest.raises(UnknownMemory, match="page table at 0x770000 isn't in this memory"):
        PageTables(memory, PML4).translate(3 << 39)
    assert all(page.virtual >> 39 != 3 for page in PageTables(memory, PML4).mappings())


def test_what_was_translated_is_forgotten(memory: SparseMemory) -> None:
    tables = PageTables(memory, PML4)
    assert tables.translate(0x1000) == 0x9000
    put(memory, PT, 1, 0xA000 | P)
    assert tables.translate(0x1000) == 0x9000
    tables.refresh()
    assert tables.translate(0x1000) == 0xA000


def test_identity(memory: SparseMemory) -> None:
    assert Identity(memory).translate(0x9001) == 0x9001
    assert Identity(memory).read(0x9FFF, 2) == b"\x09\x0a"


@pytest.mark.parametrize("seed", range(8))
def test_whole_tables_are_one_mapping(seed: int) -> None:
    """Accessed and dirty bits differ from page to page; what else differs makes another mapping."""
    rng = random.Random(seed)
    memory = SparseMemory()
    for table in (PML4, PDPT, PD):
        memory.store(table, bytes(4096))
    put(memory, PML4, 0, PDPT | P | W)
    put(memory, PDPT, 0, PD | P | W)
    put(memory, PDPT, 1, 0x6000 | P | W)
    put(memory, PD, 0, PT | P | W)
    for index in range(512):
        put(memory, PT, index, 0x80_0000 + index * 4096 | P | W | rng.choice((0, 0x20, 0x60)))
        put(memory, 0x6000, index, (index << 21) + (1 << 30) | P | W | PS | rng.choice((0, 0x20, 0x60)))
    odd = rng.randrange(512)
    there = 0x80_0000 + odd * 4096
    changed = (0, there | P, there + 0x1000 | P | W, there | P | W | NX)
    whole = [(0, 0x80_0000, 512 * 4096), (1 << 30, 1 << 30, 1 << 30)]
    assert [page[:3] for page in PageTables(memory, PML4).mappings()] == whole
    for entry in changed:
        put(memory, PT, odd, entry)
        tables = PageTables(memory, PML4)
        found = list(tables.mappings())
        assert len(found) > 2 - (not entry and odd in (0, 511))
        mapped = {page.virtual + at for page in found for at in range(0, min(page.size, 2 << 20), 4096)}
        for at in range(0, 2 << 20, 4096):
            if at not in mapped:
                assert not entry and at == odd * 4096
            else:
                page = next(page for page in found if page.virtual <= at < page.virtual + page.size)
                alone = tables.page(at)
                assert page.physical + at - page.virtual == alone.physical
                assert page[3:] == alone[3:]
