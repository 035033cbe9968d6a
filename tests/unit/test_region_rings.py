"""Rings: each slot once, and exact account of the rest: wrap-around, racing writers, halves of events."""

from typing import Any

import pytest

from tests.support.region_builder import (
    FakeMemory,
    RegionBuilder,
    RingState,
    pack_bytes,
    reseal_event,
    seq,
    set_state,
)
from uniobs.model.guest import Event, LogLine
from uniobs.region import _abi
from uniobs.region.follow import LogFollow, TraceFollow
from uniobs.region.reader import Region
from uniobs.region.rings import RingReader

PING = 16
LONG = 17


class Guest:
    """A region in memory with one ring that is written on."""

    def __init__(self, count: int = 16, live: bool = True, rings: int = 1) -> None:
        self.builder = RegionBuilder()
        self.builder.event(PING, "ping", [(_abi.ARG_U64, 0, "n")])
        self.builder.event(LONG, "long", [(_abi.ARG_BUF, 0, "data")])
        self.rings = [self.builder.trace(count, i) for i in range(rings)]
        self.memory = self.builder.memory(live)
        self.region = Region(self.memory, self.builder.base)
        self.time = 2_000_000

    @property
    def ring(self) -> RingState:
        return self.rings[0]

    def ping(self, n: int, ring: int = 0, time: int | None = None) -> None:
        self.time += 1
        self.rings[ring].put(PING, 1, time or self.time, [n, 0])

    def long(self, data: bytes, ring: int = 0) -> int:
        self.time += 1
        return self.rings[ring].put(LONG, 1, self.time, pack_bytes(data, 300))

    def sync(self) -> None:
        """What was written becomes visible."""
        for ring, section in zip(self.rings, self.region.sections_of(_abi.SECTION_TRACE), strict=True):
            self.memory.data[section.offset : section.offset + section.size] = ring.data

    def reader(self) -> RingReader:
        return RingReader(self.region, self.region.sections_of(_abi.SECTION_TRACE)[0])

    def follow(self) -> TraceFollow:
        return TraceFollow(self.region)


def numbers(events: list[Event]) -> list[object]:
    return [event.args[0].value for event in events]


def accounted(reader: RingReader) -> int:
    return reader.received + reader.lost + reader.torn + reader.in_flight


def test_an_empty_ring() -> None:
    g = Guest()
    reader = g.reader()
    assert reader.poll() == []
    assert accounted(reader) == 0


@pytest.mark.parametrize("live", [True, False])
def test_each_slot_once(live: bool) -> None:
    g = Guest(live=live)
    follow = g.follow()
    seen: list[object] = []
    for n in range(100):
        g.ping(n)
        if n % 7 == 0:
            g.sync()
            seen += numbers(follow.poll())
    g.sync()
    seen += numbers(follow.poll())
    assert seen == list(range(100))
    assert (follow.loss.lost, follow.loss.torn) == (0, 0)


def test_wrap_around_loses_exactly_what_was_overwritten() -> None:
    g = Guest(16)
    follow = g.follow()
    for n in range(5):
        g.ping(n)
    g.sync()
    assert numbers(follow.poll()) == [0, 1, 2, 3, 4]
    for n in range(5, 40):
        g.ping(n)
    g.sync()
    assert numbers(follow.poll()) == list(range(24, 40))
    assert follow.loss.lost == 19
    ring = follow.rings[0].ring
    assert accounted(ring) == g.ring.head == 40


def test_a_slot_at_the_tip_is_waited_for() -> None:
    g = Guest()
    follow = g.follow()
    g.ping(0)
    g.ping(1)
    kept = bytes(g.ring.slots)
    g.ring.slots[32:36] = (~seq(1) & 0xFFFFFFFF).to_bytes(4, "little")
    g.sync()
    assert numbers(follow.poll()) == [0]
    assert follow.rings[0].held == 1
    g.ring.slots[:] = kept
    g.sync()
    assert numbers(follow.poll()) == [1]
    assert follow.loss.torn == follow.loss.lost == 0


@pytest.mark.parametrize("state", [_abi.STATE_PANICKED, _abi.STATE_EXITED])
def test_a_slot_at_the_tip_of_the_dead_is_torn(state: int) -> None:
    g = Guest()
    follow = g.follow()
    for n in range(3):
        g.ping(n)
    g.ring.slots[64:68] = (~seq(2) & 0xFFFFFFFF).to_bytes(4, "little")
    g.sync()
    set_state(g.memory, state)
    assert numbers(follow.poll()) == [0, 1]
    assert (follow.loss.torn, follow.loss.lost) == (1, 0)


def test_a_slot_in_the_middle_that_was_never_finished_is_torn() -> None:
    g = Guest()
    follow = g.follow()
    for n in range(4):
        g.ping(n)
    g.ring.slots[32:36] = (~seq(1) & 0xFFFFFFFF).to_bytes(4, "little")
    g.sync()
    assert numbers(follow.poll()) == [0, 2, 3]
    assert follow.loss.torn == 1


class Racing(FakeMemory):
    """The writer goes on while the reader copies: ``during`` runs after the first big read."""

    hook: object = None

    def read(self, address: int, size: int) -> bytes:
        data = super().read(address, size)
        hook = self.hook
        if callable(hook) and size >= 4096:
            self.hook = None
            hook()
        return data


def test_slots_that_may_have_been_overwritten_while_reading_are_lost() -> None:
    g = Guest(1024)
    memory = Racing(bytes(g.memory.data), g.builder.base, live=True)
    g.memory, g.region = memory, Region(memory, g.builder.base)
    for n in range(1024):
        g.ping(n)
    g.sync()
    reader = g.reader()

    def overwrite() -> None:
        for n in range(1024, 1034):
            g.ping(n)
        g.sync()

    memory.hook = overwrite
    given = reader.poll()
    assert [slot.position for slot in given] == list(range(10, 1024))
    assert reader.lost == 10
    assert [slot.position for slot in reader.poll()] == list(range(1024, 1034))
    assert accounted(reader) == 1034


def test_a_slot_finished_between_the_two_copies_waits() -> None:
    """Its sequence was not yet right when the copy began, so its fields can't be trusted."""
    g = Guest(1024)
    memory = Racing(bytes(g.memory.data), g.builder.base, live=True)
    g.memory, g.region = memory, Region(memory, g.builder.base)
    for n in range(200):
        g.ping(n)
    g.sync()
    whole = bytes(g.ring.slots)
    g.ring.slots[199 * 32 : 199 * 32 + 4] = b"\0\0\0\0"
    g.sync()
    reader = g.reader()

    def finish() -> None:
        g.ring.slots[:] = whole
        g.sync()

    memory.hook = finish
    assert len(reader.poll()) == 199
    assert [slot.position for slot in reader.poll()] == [199]


def test_long_events_are_whole_or_not_at_all() -> None:
    g = Guest(16)
    follow = g.follow()
    g.long(b"a" * 50)
    g.ping(1)
    g.sync()
    first, second = follow.poll()
    assert first.args[0].value == b"a" * 50
    assert second.args[0].value == 1
    assert follow.rings[0].given == g.ring.head


def test_an_event_half_overwritten_is_lost_with_all_its_slots() -> None:
    g = Guest(16)
    g.long(b"a" * 120)  # 16 words: 6 slots
    for n in range(13):
        g.ping(n)  # overwrites 3 of them
    g.sync()
    follow = g.follow()
    assert numbers(follow.poll()) == list(range(13))
    assert follow.loss.lost == 6
    assert follow.rings[0].given + follow.loss.lost == g.ring.head == 19


def test_an_event_in_the_making_is_waited_for_over_polls() -> None:
    g = Guest(16)
    follow = g.follow()
    g.ping(0)
    first = g.long(b"b" * 60)
    whole = bytes(g.ring.slots)
    for cut in range(first, g.ring.head):
        g.ring.slots[:] = whole
        for position in range(cut, g.ring.head):
            g.ring.slots[position * 32 : position * 32 + 4] = b"\0\0\0\0"
        g.sync()
        assert numbers(follow.poll()) == ([0] if cut == first else [])
    g.ring.slots[:] = whole
    g.sync()
    assert [e.args[0].value for e in follow.poll()] == [b"b" * 60]
    assert follow.loss.lost == follow.loss.torn == 0
    assert follow.rings[0].given == g.ring.head


def test_an_event_that_the_dead_left_half_is_not_given() -> None:
    g = Guest(16, live=False)
    g.ping(0)
    first = g.long(b"b" * 60)
    g.ring.slots[(first + 2) * 32 : (first + 2) * 32 + 4] = b"\0\0\0\0"
    g.sync()
    follow = g.follow()
    assert numbers(follow.poll()) == [0]
    assert follow.rings[0].given + follow.loss.lost + follow.loss.torn == g.ring.head


@pytest.mark.parametrize("head", [1 << 62, 1 << 63, 5000, 1 << 40, 56, 39, 32, 3, 0])
def test_a_head_that_contradicts_its_slots_is_garbled(head: int) -> None:
    g = Guest(16, live=False)
    for n in range(40):
        g.ping(n)
    g.ring.head = head
    g.sync()
    follow = g.follow()
    assert follow.poll() == []
    assert follow.loss.garbled == 1
    assert follow.loss.lost == 0


def test_a_head_that_goes_back_is_garbled() -> None:
    g = Guest(16)
    follow = g.follow()
    for n in range(10):
        g.ping(n)
    g.sync()
    assert len(follow.poll()) == 10
    g.ring.head = 4
    g.sync()
    assert follow.poll() == []
    assert follow.loss.garbled == 1


def test_positions_beyond_32_bits() -> None:
    g = Guest(16, live=False)
    g.ring.head = g.ring.events = (1 << 32) - 5
    for n in range(20):
        g.ping(n)
    g.sync()
    follow = g.follow()
    assert numbers(follow.poll()) == list(range(4, 20))
    assert follow.loss.lost == (1 << 32) - 5 + 4


def test_rings_are_merged_by_time() -> None:
    g = Guest(64, live=False, rings=3)
    for n in range(60):
        g.ping(n, ring=n * 7 % 3)
    g.sync()
    assert numbers(g.follow().poll()) == list(range(60))


def test_a_later_event_waits_for_an_earlier_one_in_the_making() -> None:
    g = Guest(64, rings=2)
    follow = g.follow()
    g.ping(0, ring=0)
    g.ping(1, ring=1)
    g.sync()
    assert numbers(follow.poll()) == [0, 1]
    g.ping(2, ring=0)  # reserved, not written yet
    g.ping(3, ring=1)
    whole = bytes(g.rings[0].slots)
    g.rings[0].slots[32:36] = b"\0\0\0\0"
    g.sync()
    assert numbers(follow.poll()) == []
    g.rings[0].slots[:] = whole
    g.sync()
    assert numbers(follow.poll()) == [2, 3]


def test_a_writer_that_never_finishes_holds_the_others_up_only_so_long() -> None:
    g = Guest(64, rings=2)
    follow = g.follow()
    g.ping(2, ring=0)
    g.ping(3, ring=1)
    g.rings[0].slots[0:4] = b"\0\0\0\0"
    g.sync()
    got = [numbers(follow.poll()) for _ in range(4)]
    assert got[0] == []
    assert [3] in got


def test_flush_gives_what_was_held_back() -> None:
    g = Guest(64, rings=2)
    follow = g.follow()
    g.ping(2, ring=0)
    g.ping(3, ring=1)
    g.rings[0].slots[0:4] = b"\0\0\0\0"
    g.sync()
    assert follow.poll() == []
    assert numbers(follow.flush()) == [3]
    assert follow.flush() == []


def test_seek_end_skips_without_calling_it_lost() -> None:
    g = Guest(16)
    for n in range(40):
        g.ping(n)
    g.sync()
    follow = g.follow()
    follow.seek_end()
    g.ping(40)
    g.sync()
    assert numbers(follow.poll()) == [40]
    assert follow.loss.lost == 0


@pytest.mark.parametrize("time", [1, 1 << 63])
def test_a_time_that_cannot_be_is_torn(time: int) -> None:
    g = Guest(16, live=False)
    g.time = 1 << 40
    for n in range(3):
        g.ping(n)
    g.ping(99, time=time)
    for n in range(3, 6):
        g.ping(n)
    g.sync()
    follow = g.follow()
    given = numbers(follow.poll())
    assert 99 not in given
    assert len(given) + follow.loss.torn == 7
    assert len(given) >= 5


@pytest.mark.parametrize(
    "words",
    [
        [5 | 70 << 32, 1, 2, 3, 4, 5, 6, 7, 8, 9],  # captured more than there was
        [900 | 900 << 32, 1],  # captured more than is there
        [3 | 3 << 32, 0xFFFFFFFFFF],  # padding that isn't zero
        [3 | 3 << 32 | 1 << 63, 0xFFFFFF],  # a head word with more in it
        [3 | 3 << 32, 0xFFFFFF, 0, 0, 0, 0],  # longer than its arguments
    ],
)
def test_a_buffer_that_cannot_be_is_torn(words: list[int]) -> None:
    g = Guest(16, live=False)
    g.ring.put(LONG, 1, 2_000_000, words)
    g.sync()
    follow = g.follow()
    assert follow.poll() == []
    assert follow.loss.torn == g.ring.head


def test_an_event_without_a_descriptor_is_torn() -> None:
    g = Guest(16, live=False)
    g.ring.put(18, 1, 2_000_000, [1, 2])
    g.sync()
    follow = g.follow()
    assert follow.poll() == []
    assert follow.loss.torn == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("id", 40), ("phase", 9), ("category", 99), ("nargs", 13), ("nargs", 0)),
        *(("name", 9), ("pair", 3), ("check", 1)),
    ],
)
def test_a_garbled_descriptor_makes_its_events_torn(field: str, value: Any) -> None:
    g = Guest(16, live=False)
    g.ping(1)
    g.sync()
    section = g.region.section(_abi.SECTION_EVENTS)
    assert section is not None
    at = section.offset + PING * _abi.EVENT_SIZE
    row = _abi.Event(*_abi.EVENT.unpack_from(g.memory.data, at))._replace(**{field: value})
    _abi.EVENT.pack_into(g.memory.data, at, *row)
    follow = g.follow()
    assert follow.poll() == []
    assert follow.loss.torn == 1


def test_an_event_defined_after_the_follow_began_is_known() -> None:
    g = Guest(16)
    follow = g.follow()
    assert follow.poll() == []
    section = g.region.section(_abi.SECTION_EVENTS)
    assert section is not None
    at = section.offset + PING * _abi.EVENT_SIZE
    row = _abi.Event(*_abi.EVENT.unpack_from(g.memory.data, at))
    _abi.EVENT.pack_into(g.memory.data, section.offset + 18 * _abi.EVENT_SIZE, *row._replace(id=18))
    reseal_event(g.memory, section.offset + 18 * _abi.EVENT_SIZE)
    g.ring.put(18, 1, 2_000_000, [77, 0])
    g.sync()
    assert numbers(follow.poll()) == [77]


def log_lines(*entries: tuple[int, bytes], limit: int = 300) -> tuple[list[LogLine], LogFollow]:
    b = RegionBuilder()
    ring = b.log(64)
    for i, (level, text) in enumerate(entries):
        ring.put(_abi.EVENT_LOG, 2, 2_000_000 + i, [level, *pack_bytes(text, limit)])
    follow = LogFollow(Region(b.memory(), b.base))
    return follow.poll(), follow


def test_log_lines() -> None:
    lines, _ = log_lines((6, b"hello\n"), (3, "überall".encode()), (7, b""), (4, b"\xff"))
    assert [line.text for line in lines] == ["hello", "überall", "", "�"]
    assert [line.level for line in lines] == [6, 3, 7, 4]
    assert (lines[0].tid, lines[0].time_ns, lines[0].truncated) == (2, 1_000_000, False)


def test_a_log_line_cut_by_the_guest_says_so() -> None:
    (line,), _ = log_lines((6, b"x" * 400), limit=336)
    assert (len(line.text), line.truncated) == (336, True)


def test_a_log_line_that_cannot_be_is_torn() -> None:
    lines, follow = log_lines((9, b"hello"), (6, b"fine"))
    assert [line.text for line in lines] == ["fine"]
    assert follow.loss.torn == 2
