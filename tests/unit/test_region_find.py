"""Finding the region: its magic alone is not enough."""

from collections.abc import Sequence

import pytest

from tests.support.region_builder import FakeMemory, RegionBuilder
from uniobs.errors import BadFormat, UnknownMemory
from uniobs.memory.base import Range
from uniobs.region.find import find

BASE = 0x100000


class Holes(FakeMemory):
    """Memory that lacks some pages though its one range covers them."""

    missing = frozenset({3, 9})

    def read(self, address: int, size: int) -> bytes:
        pages = range((address - self.base) // 4096, (address + size - 1 - self.base) // 4096 + 1)
        if self.missing & set(pages):
            raise UnknownMemory(address, size)
        return super().read(address, size)


class Split(FakeMemory):
    """Memory in pieces; reading outside them is an error of the reader's."""

    pieces: Sequence[Range] = ()

    def ranges(self) -> Sequence[Range]:
        return self.pieces


def region_at(address: int, **header: object) -> bytes:
    b = RegionBuilder(base=address, **header)
    b.counter("x", 1)
    return b.build()


def placed(*regions: tuple[int, bytes], size: int = 1 << 20) -> FakeMemory:
    data = bytearray(size)
    for address, region in regions:
        data[address - BASE : address - BASE + len(region)] = region
    return FakeMemory(bytes(data), BASE)


def test_finds_the_one() -> None:
    assert find(placed((BASE + 0x5000, region_at(BASE + 0x5000)))) == BASE + 0x5000


def test_nothing_there() -> None:
    assert find(placed()) is None


def test_the_hint_is_tried_first_and_only() -> None:
    memory = placed((BASE + 0x5000, region_at(BASE + 0x5000)))
    assert find(memory, hint=BASE + 0x5000) == BASE + 0x5000
    assert memory.reads < 6
    assert find(memory, hint=BASE + 0x6000) == BASE + 0x5000
    assert find(memory, hint=BASE + 1) == BASE + 0x5000
    assert find(memory, hint=1 << 60) == BASE + 0x5000


def test_copies_are_refused() -> None:
    real = region_at(BASE + 0x5000)
    assert find(placed((BASE + 0x2000, real), (BASE + 0x5000, real), (BASE + 0x8000, real))) == BASE + 0x5000
    assert find(placed((BASE + 0x2000, real))) is None


def test_an_unaligned_region_is_none() -> None:
    assert find(placed((BASE + 0x5010, region_at(BASE + 0x5010)))) is None


def test_a_garbled_one_is_said() -> None:
    broken = bytearray(region_at(BASE + 0x5000))
    broken[60] ^= 1
    with pytest.raises(BadFormat, match="checksum"):
        find(placed((BASE + 0x5000, bytes(broken))))


def test_the_latest_boot_wins() -> None:
    old = region_at(BASE + 0x5000, anchor_wall_ns=10)
    new = region_at(BASE + 0x9000, anchor_wall_ns=20)
    assert find(placed((BASE + 0x5000, old), (BASE + 0x9000, new))) == BASE + 0x9000


def test_two_that_cannot_be_told_apart_are_refused() -> None:
    one = region_at(BASE + 0x5000, anchor_wall_ns=0)
    two = region_at(BASE + 0x9000, anchor_wall_ns=0)
    with pytest.raises(BadFormat, match="2 regions"):
        find(placed((BASE + 0x5000, one), (BASE + 0x9000, two)))


def test_pages_that_are_not_held_are_passed_over() -> None:
    data = bytearray(1 << 20)
    data[0x5000 : 0x5000 + 8192] = region_at(BASE + 0x5000)[:8192].ljust(8192, b"\0")
    assert find(Holes(bytes(data), BASE)) == BASE + 0x5000


def test_only_ranges_are_read() -> None:
    data = bytearray(1 << 20)
    region = region_at(BASE + 0x5000)
    data[0x5000 : 0x5000 + len(region)] = region
    memory = Split(bytes(data), BASE)
    memory.pieces = [Range(BASE + 10, 100), Range(BASE + 0x4100, 0x4000)]
    assert find(memory) == BASE + 0x5000
    memory.pieces = [Range(BASE, 0x4000)]
    assert find(memory) is None


def test_memory_full_of_forged_headers_costs_little() -> None:
    page = bytearray(region_at(BASE))[:4096]
    page[60] ^= 1
    data = bytearray(1 << 20)
    for at in range(0, len(data), 4096):
        page[24:32] = (BASE + at).to_bytes(8, "little")
        data[at : at + 4096] = page
    memory = FakeMemory(bytes(data), BASE)
    with pytest.raises(BadFormat):
        find(memory)
    assert memory.reads < 1000
