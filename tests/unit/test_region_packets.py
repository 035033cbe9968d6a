"""The packet ring."""

import pytest

from tests.support.region_builder import FakeMemory, RegionBuilder
from uniobs.region import _abi
from uniobs.region.follow import PacketFollow
from uniobs.region.reader import Region


def build(count: int = 5, slots: int = 16, size: int = 256) -> tuple[RegionBuilder, FakeMemory]:
    b = RegionBuilder()
    ring = b.packets(slots, size)
    for i in range(count):
        ring.put_packet(bytes([i]) * (60 + i), 2_000_000 + i, direction=i & 1)
    return b, b.memory()


def ring_offset(memory: FakeMemory, b: RegionBuilder) -> int:
    section = Region(memory, b.base).section(_abi.SECTION_PACKETS)
    assert section is not None
    return section.offset + _abi.RING_SIZE


def test_frames_as_they_passed() -> None:
    b, memory = build()
    follow = PacketFollow(Region(memory, b.base))
    frames = follow.poll()
    assert [(p.position, p.direction, p.length) for p in frames] == [
        (0, "rx", 60),
        (1, "tx", 61),
        (2, "rx", 62),
        (3, "tx", 63),
        (4, "rx", 64),
    ]
    assert frames[3].data == b"\x03" * 63
    assert frames[0].wall_ns == 1_700_000_000_000_000_000 + 1_000_000
    assert (follow.captured, follow.loss.lost, follow.snap) == (5, 0, 224)
    assert follow.poll() == []


def test_a_frame_longer_than_the_snap_length_is_cut() -> None:
    b = RegionBuilder()
    b.packets(16, 64).put_packet(b"x" * 1500, 2_000_000)
    (frame,) = PacketFollow(Region(b.memory(), b.base)).poll()
    assert (frame.length, len(frame.data)) == (1500, 32)


def test_overwritten_frames_are_counted() -> None:
    b, memory = build(count=50)
    follow = PacketFollow(Region(memory, b.base))
    assert [p.position for p in follow.poll()] == list(range(34, 50))
    assert (follow.loss.lost, follow.captured) == (34, 50)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("dir", 2), ("pad", 1), ("orig_len", 1 << 31), ("cap_len", 61), ("cap_len", 0)),
        *(("reserved", 1), ("seq", 9)),
    ],
)
def test_a_frame_that_cannot_be_is_torn(field: str, value: int) -> None:
    b, memory = build()
    at = ring_offset(memory, b)
    row = _abi.Packet(*_abi.PACKET.unpack_from(memory.data, at))._replace(**{field: value})
    _abi.PACKET.pack_into(memory.data, at, *row)
    follow = PacketFollow(Region(memory, b.base))
    assert [p.position for p in follow.poll()] == [1, 2, 3, 4]
    assert follow.loss.torn == 1
