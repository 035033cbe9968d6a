"""The page of an address in words, against page tables made by hand."""

from types import SimpleNamespace
from typing import Any

import pytest

from uniobs.cli.report.page import page_of, words
from uniobs.errors import UnknownMemory
from uniobs.memory.paging import Identity, PageTables

P, W, U, LARGE, NX = 1, 2, 4, 1 << 7, 1 << 63
CR3 = 0x1000


class Tables:
    """Physical memory that holds 8-byte entries; a page without any isn't held."""

    live = False

    def __init__(self, entries: dict[int, int]) -> None:
        self.entries = entries

    def read(self, address: int, size: int) -> bytes:
        if all(address & -4096 != known & -4096 for known in self.entries):
            raise UnknownMemory(address, size)
        return self.entries.get(address, 0).to_bytes(8, "little")[:size]


def target(entries: dict[int, int]) -> Any:
    return SimpleNamespace(space=PageTables(Tables(entries), CR3), space_note=None)


def chain(leaf: int, level: int = 1, flags: int = P | W | U) -> dict[int, int]:
    """Tables at 0x1000.. for address 0, with ``leaf`` at a level."""
    entries = {CR3 + 0x1000 * (4 - n): (CR3 + 0x1000 * (5 - n)) | flags for n in range(4, level, -1)}
    return {**entries, CR3 + 0x1000 * (4 - level): leaf}


@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_not_mapped_at_each_level(level: int) -> None:
    found = page_of(target(chain(0, level)), 0x10, None)
    assert (found.mapped, found.present, found.level, found.entry) == (False, False, level, 0)
    assert found.start == 0 and found.size == 1 << (12 + 9 * (level - 1))
    assert words(found).startswith("not mapped (") and "is 0x0, not present)" in words(found)


def test_rights_are_those_of_all_levels() -> None:
    found = page_of(target(chain(0x7000 | P | W, flags=P | U)), 0x10, None)
    assert (found.mapped, found.writable, found.user, found.executable) == (True, False, False, True)
    assert words(found) == (
        "mapped, read-only, executable, for the kernel only (4 KiB at 0x0, physical 0x7000)"
    )


def test_a_large_page_that_can_t_be_executed() -> None:
    found = page_of(target(chain(0x40_0000 | P | W | U | LARGE | NX, 2)), 0x12_3456, "the heap")
    assert (found.size, found.physical, found.executable, found.whose) == (
        1 << 21,
        0x40_0000,
        False,
        "the heap",
    )
    assert words(found) == (
        "mapped, writable, not executable, for user and kernel (2 MiB at 0x0, physical 0x400000)"
    )


def test_what_isn_t_known_is_said() -> None:
    found = page_of(target({CR3: 0x9000 | P}), 0x10, None)
    assert found.mapped is None and "0x9000 isn't in this memory" in words(found)
    found = page_of(target({CR3: 0}), 0x1234_5678_9ABC_DEF0, None)
    assert found.mapped is False and "no canonical address" in words(found)
    flat = SimpleNamespace(space=Identity(Tables({})), space_note="no registers")
    assert words(page_of(flat, 0x10, None)) == "not known whether it is mapped: no registers"
