"""Seeded damage to a region: every value shown is the right one or marked unknown, and nothing hangs.

What exactly that means, and what the layout can't tell, is said in tests/support/region_damage.py.
UNIOBS_FUZZ_COUNT and UNIOBS_FUZZ_SEED choose how much and which.
"""

import os
import random
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.region_builder import FakeMemory, header_bytes
from tests.support.region_damage import Layout, account_errors, wrong
from tests.support.region_truth import BASE, Seen, full_region, observe
from uniobs.errors import UniobsError
from uniobs.region import _abi
from uniobs.region.find import find
from uniobs.region.reader import Region
from uniobs_probes.kernels.stub import StubWalker
from uniobs_probes.views.log_text import LogFormatter, LogOptions
from uniobs_probes.views.packets import PacketFormatter, PacketOptions
from uniobs_probes.views.strace import StraceFormatter, StraceOptions

COUNT = int(os.environ.get("UNIOBS_FUZZ_COUNT", "4000"))
SEED = int(os.environ.get("UNIOBS_FUZZ_SEED", "1"))
MAX_GROWTH_KIB = 64 << 10


def damaged(rng: random.Random, data: bytes) -> tuple[bytearray, set[int]]:
    """The region with one to three places changed, and the offsets whose bytes differ."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at = rng.randrange(len(out))
        kind = rng.randrange(6)
        if kind <= 1:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            out[at] = rng.choice((0, 0xFF, 0x80, 0x7F, rng.randrange(256)))
        elif kind == 3:
            size = rng.choice((2, 4, 8))
            at -= at % size
            value = rng.choice((rng.getrandbits(64), (1 << 64) - 1, 1 << 63, rng.randrange(64)))
            out[at : at + size] = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
        elif kind == 4:
            size = min(rng.randrange(1, 64), len(out) - at)
            out[at : at + size] = bytes([rng.choice((0, 0xFF))]) * size
        else:
            size = 8 * rng.randrange(1, 16)
            source, at = (8 * rng.randrange((len(out) - size) // 8) for _ in range(2))
            out[at : at + size] = out[source : source + size]
    return out, {i for i in range(len(data)) if out[i] != data[i]}


def seen_or_error(memory: FakeMemory) -> Seen | str:
    """What is told of it, or our error's one line."""
    try:
        return observe(memory)
    except UniobsError as error:
        message = str(error)
    assert "\n" not in message
    return message


def lines_of(memory: FakeMemory) -> Iterator[str]:
    """Everything that the formatters make of it."""
    region = Region(memory, BASE)
    walker = StubWalker(region)
    trace = walker.trace()
    options = StraceOptions(region.clock, threads=True, durations=True, stamp="tt", arities=trace.arities())
    formatter = StraceFormatter(options)
    yield from formatter.feed([*trace.poll(), *trace.flush()])
    yield from formatter.close()
    yield formatter.closing(trace.loss)
    log = LogFormatter(LogOptions(wall=True, wall_ns=region.header.anchor_wall_ns))
    yield from (log.text(line) or "" for line in walker.log().poll())
    packets = PacketFormatter(PacketOptions(verbose=1, link=True))
    yield from (packets.text(packet) for packet in walker.packets().poll())


def anonymous_kib() -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))


@pytest.mark.timeout(max(60, COUNT // 50))
def test_seeded_damage() -> None:
    data = full_region().build()
    clean = FakeMemory(data, BASE)
    truth, layout = observe(clean), Layout(clean)
    assert len(truth.rows) > 60
    assert all(sum(account) > 32 for account in truth.accounts.values())
    refused = unknown = 0
    before = anonymous_kib()
    for number in range(COUNT):
        rng = random.Random(SEED << 32 | number)
        broken, hit = damaged(rng, data)
        memory = FakeMemory(bytes(broken), BASE, live=number % 4 == 0)
        guarded = layout.guarded(hit)
        where = f"seed {SEED}, mutation {number}, bytes {sorted(hit)[:8]}"
        seen = seen_or_error(memory)
        if isinstance(seen, str):
            assert guarded, f"{where}: {seen}"
            refused += 1
            continue
        assert not guarded, f"{where}: damage of the header passed"
        problems = wrong(truth, seen, layout, broken) + account_errors(truth, seen, layout.heads(hit))
        assert not problems, f"{where}: {problems[:3]}"
        unknown += len(seen.rows) < len(truth.rows)
        if number % 8 == 0:
            for line in lines_of(memory):
                assert all(c.isprintable() or c in "\n\t" for c in line), f"{where}: {line!r}"
    assert anonymous_kib() - before < MAX_GROWTH_KIB
    assert refused
    assert unknown


def resealed(data: bytes, header: dict[str, Any], sections: list[_abi.Section]) -> bytes:
    """A header and a directory of choice under a right checksum."""
    old = _abi.Header(*_abi.HEADER.unpack_from(data))._asdict()
    directory = b"".join(_abi.SECTION.pack(*section) for section in sections)
    fields = {name: old[name] for name in ("tsc_khz", "anchor_tsc", "anchor_wall_ns", "cpu_count")}
    head = header_bytes({**fields, **header}, BASE, len(data), directory, len(sections))
    live = data[_abi.HEADER_SIZE : _abi.DIRECTORY_OFFSET]
    return (head + live + directory + data[_abi.DIRECTORY_OFFSET + len(directory) :])[: len(data)]


NUMBERS = st.one_of(
    st.integers(0, 64),
    st.integers(0, 1 << 14),
    st.sampled_from([1 << 31, 1 << 32, (1 << 64) - 1, 1 << 63, 4096]),
)
FULL = full_region().build()
SECTIONS = tuple(Region(FakeMemory(FULL, BASE), BASE).sections)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(data=st.data())
def test_hostile_guests_with_a_right_checksum(data: st.DataObject) -> None:
    """A guest may seal whatever it likes: time and memory stay bounded, errors are ours."""
    sections = list(SECTIONS)
    for _ in range(data.draw(st.integers(1, 4))):
        index = data.draw(st.integers(0, len(sections) - 1))
        field = data.draw(st.sampled_from(_abi.Section._fields))
        limit = (1 << 32) - 1 if field in ("kind", "index", "entry_size", "entry_count") else (1 << 64) - 1
        value = min(data.draw(NUMBERS), limit)
        sections[index] = sections[index]._replace(**{field: value})
    header: dict[str, Any] = {}
    if data.draw(st.booleans()):
        name = data.draw(st.sampled_from(["tsc_khz", "size", "anchor_tsc", "flags", "image_id_len"]))
        bits = {"flags": 16, "tsc_khz": 32, "image_id_len": 32}.get(name, 64)
        header[name] = min(data.draw(NUMBERS), (1 << bits) - 1)
    memory = FakeMemory(resealed(FULL, header, sections), BASE, live=data.draw(st.booleans()))
    with suppress(UniobsError):
        assert find(memory) in (BASE, None)
    seen_or_error(memory)
    with suppress(UniobsError):
        for line in lines_of(memory):
            assert all(c.isprintable() or c in "\n\t" for c in line)
    assert memory.reads < 5000


@pytest.mark.parametrize("size", range(0, len(FULL), 512))
def test_cut_at_any_size(size: int) -> None:
    seen = seen_or_error(FakeMemory(FULL[:size], BASE))
    assert isinstance(seen, str) or seen.rows == observe(FakeMemory(FULL, BASE)).rows
