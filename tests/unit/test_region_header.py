"""The region's header: accepted when right, refused in one line when anything in it can't be."""

import pytest

from tests.support.region_builder import FakeMemory, RegionBuilder, header_bytes
from uniobs.errors import BadFormat, UnknownMemory
from uniobs.region import _abi
from uniobs.region.reader import Region


def small() -> RegionBuilder:
    b = RegionBuilder()
    b.counter("x", 1)
    b.thread(tid=1, name=b"main")
    b.trace(16)
    return b


def sealed(b: RegionBuilder, data: bytes, directory: bytes, **header: object) -> FakeMemory:
    """The region with another directory or other header fields under a right checksum."""
    count = len(directory) // _abi.SECTION_SIZE
    head = header_bytes({**b.header, **header}, b.base, len(data), directory, count)
    body = data[_abi.HEADER_SIZE : _abi.DIRECTORY_OFFSET] + directory
    rest = data[_abi.DIRECTORY_OFFSET + len(directory) :]
    return FakeMemory(head + body + rest, b.base)


def directory_of(data: bytes) -> list[_abi.Section]:
    count = _abi.Header(*_abi.HEADER.unpack_from(data)).section_count
    return [
        _abi.Section(*_abi.SECTION.unpack_from(data, _abi.DIRECTORY_OFFSET + i * _abi.SECTION_SIZE))
        for i in range(count)
    ]


def packed(sections: list[_abi.Section]) -> bytes:
    return b"".join(_abi.SECTION.pack(*section) for section in sections)


def test_reads_what_was_written() -> None:
    region = Region(small().memory(), 0x200000)
    assert (region.kernel, region.app) == ("demo", "kv")
    assert region.image_id == bytes(range(20))
    assert region.state() == _abi.STATE_RUNNING
    assert not region.hosted
    assert region.section(_abi.SECTION_PANIC) is None


@pytest.mark.parametrize("at", range(0, _abi.HEADER_SIZE, 7))
def test_a_flipped_header_byte_is_refused(at: int) -> None:
    memory = small().memory()
    memory.data[at] ^= 0x10
    with pytest.raises(BadFormat) as caught:
        Region(memory, 0x200000)
    assert "\n" not in str(caught.value)


def test_a_flipped_directory_byte_is_refused() -> None:
    for at in range(_abi.DIRECTORY_OFFSET, _abi.DIRECTORY_OFFSET + 4 * _abi.SECTION_SIZE):
        memory = small().memory()
        memory.data[at] ^= 1
        with pytest.raises(BadFormat):
            Region(memory, 0x200000)


@pytest.mark.parametrize(
    ("index", "field", "value", "says"),
    [
        (0, "offset", 0, "overlaps"),
        (1, "offset", 1 << 40, "beyond"),
        (1, "size", 1 << 63, "beyond"),
        (1, "entry_count", 1 << 30, "rows"),
        (1, "entry_size", 8, "rows"),
        (3, "entry_count", 12, "slots"),
        (3, "entry_count", 0, "slots"),
        (3, "entry_size", 64, "slots"),
        (3, "entry_count", 1 << 31, "slots"),
        (2, "kind", _abi.SECTION_COUNTERS, "twice"),
    ],
)
def test_an_impossible_directory_is_refused(index: int, field: str, value: int, says: str) -> None:
    b = small()
    data = b.build()
    sections = directory_of(data)
    sections[index] = sections[index]._replace(**{field: value})
    with pytest.raises(BadFormat, match=says):
        Region(sealed(b, data, packed(sections)), b.base)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("major", 2, "version 2.0"),
        ("size", 1 << 40, "size"),
        ("size", 64, "size"),
        ("section_count", 0, "sections"),
        ("section_count", 1 << 31, "sections"),
        ("header_size", 128, "sizes"),
        ("image_id_len", 21, "sizes"),
        ("self_pa", 0x300000, "copy"),
    ],
)
def test_impossible_header_fields_are_refused(field: str, value: int, says: str) -> None:
    b = small()
    data = b.build()
    with pytest.raises(BadFormat, match=says):
        Region(sealed(b, data, packed(directory_of(data)), **{field: value}), b.base)


def test_a_later_minor_version_with_longer_rows_and_new_sections_is_read() -> None:
    b = RegionBuilder(minor=7)
    b.thread(tid=3, name=b"later")
    row = b.tables[_abi.SECTION_THREADS][0]
    b.tables[_abi.SECTION_THREADS] = [row + b"new fields".ljust(64, b"\xaa")]
    b.tables[99] = [b"unheard of".ljust(32, b"\0")]
    region = Region(b.memory(), b.base)
    assert [r.value.tid for r in region.threads()] == [3]


def read_all(memory: FakeMemory) -> None:
    region = Region(memory, 0x200000)
    region.threads()
    region.counters()
    region.read(region.header.size - 1, 1)


def test_a_region_cut_short_is_unknown_memory() -> None:
    data = small().build()
    read_all(FakeMemory(data))
    for size in range(0, len(data), 256):
        with pytest.raises((UnknownMemory, BadFormat)):
            read_all(FakeMemory(data[:size]))


def test_reading_beyond_the_region_is_refused() -> None:
    region = Region(small().memory(), 0x200000)
    with pytest.raises(BadFormat):
        region.read(region.header.size - 4, 8)


def test_an_unknown_state_is_none() -> None:
    memory = small().memory()
    memory.data[_abi.LIVE_OFFSET] = 77
    assert Region(memory, 0x200000).state() is None


def test_strings_begin_where_strings_begin() -> None:
    b = RegionBuilder()
    offset = b.string("hello")
    other = b.string("wörld")
    region = Region(b.memory(), b.base)
    assert region.string(offset) == "hello"
    assert region.string(other) == "wörld"
    for wrong in (0, 4, offset + 1, other + 1, 10_000, 1 << 31, -1):
        assert region.string(wrong) is None


def test_a_string_without_an_end_is_none() -> None:
    b = RegionBuilder()
    offset = b.string("hello")
    data = bytearray(b.build())
    section = directory_of(bytes(data))[0]
    data[section.offset + offset : section.offset + section.size] = b"x" * (section.size - offset)
    assert Region(FakeMemory(bytes(data)), b.base).string(offset) is None
