"""Files that QEMU is writing: what is complete, in order of time by the host's clock."""

import os
import struct
from pathlib import Path

import pytest

from uniobs.errors import BadFormat, TargetGone, UsageError
from uniobs.target import procfs
from uniobs.target.dumpfile import Clock, DumpFile, DumpFollow, Source
from uniobs.target.filterdump import choose, parse_cards

HEAD = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65536, 1)
SECOND = 1_000_000_000
WRITTEN = 1_700_000_000 * SECOND  # the host's time at which the last record was written

NETWORK = """\
virtio-net-pci.0: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:56
 \\ n0: index=0,type=user,net=10.0.2.0,restrict=off
e1000.0: index=0,type=nic,model=e1000,macaddr=52:54:00:12:34:57
lonely.0: index=0,type=nic,model=e1000,macaddr=52:54:00:12:34:58
net9.0: index=0,type=nic,model=virtio-net-device,macaddr=52:54:00:12:34:59
 \\ t0: index=0,type=tap,ifname=tap7,script=no,downscript=no
filters:
  - x-1: type=filter-dump,file=/tmp/x,maxlen=65536,netdev=n0,queue=rx
"""


def record(time_us: int, data: bytes) -> bytes:
    return struct.pack("<IIII", *divmod(time_us, 1_000_000), len(data), len(data)) + data


class Writer:
    """What QEMU does to one file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(HEAD)

    def write(self, data: bytes, at: int = WRITTEN) -> None:
        with self.path.open("ab") as file:
            file.write(data)
        os.utime(self.path, ns=(at, at))


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Writer, Writer]:
    return Writer(tmp_path / "tx"), Writer(tmp_path / "rx")


def following(*writers: Writer) -> DumpFollow:
    directions = ("tx", "rx")
    files = [
        DumpFile(Source(str(writer.path), 0, direction))
        for writer, direction in zip(writers, directions, strict=False)
    ]
    start = procfs.start_time(os.getpid())
    assert start is not None
    return DumpFollow(files, os.getpid(), start)


def close(follow: DumpFollow) -> None:
    for file in follow._files:
        file.close()


def test_in_order_of_time_whatever_file(pair: tuple[Writer, Writer]) -> None:
    tx, rx = pair
    follow = following(tx, rx)
    assert follow.poll() == []
    tx.write(record(1_000, b"a") + record(3_000, b"c"))
    rx.write(record(2_000, b"b") + record(9_000, b"d"))
    assert [p.data for p in follow.poll()] == [b"a", b"b", b"c"]  # one sent before d may still come
    tx.write(record(5_000, b"between"))
    found = follow.poll()
    assert [(p.data, p.direction, p.position) for p in found] == [(b"between", "tx", 3), (b"d", "rx", 4)]
    assert follow.flush() == [] and follow.captured == 5
    close(follow)


def test_same_microsecond_and_flush(pair: tuple[Writer, Writer]) -> None:
    tx, rx = pair
    follow = following(tx, rx)
    rx.write(record(7_000, b"answer"))
    tx.write(record(7_000, b"question"))
    assert [p.data for p in follow.flush()] == [b"question", b"answer"]
    close(follow)


def test_half_a_record_waits(pair: tuple[Writer, Writer]) -> None:
    follow = following(pair[0])
    whole = record(1_000, b"whole packet")
    pair[0].write(whole + whole[:20])
    assert follow.poll() == []  # when it was written isn't known yet
    pair[0].write(whole[20:])
    assert [p.data for p in follow.poll()] == [b"whole packet"] * 2
    close(follow)


def test_times_are_the_hosts(pair: tuple[Writer, Writer]) -> None:
    follow = following(pair[0])
    pair[0].write(record(1_000_000, b"a") + record(3_000_000, b"b"))
    assert [p.wall_ns for p in follow.poll()] == [WRITTEN - 2 * SECOND, WRITTEN]
    pair[0].write(record(4_000_000, b"c"), WRITTEN + SECOND + 4_000_000)  # written a little late
    assert [p.wall_ns for p in follow.poll()] == [WRITTEN + SECOND]
    pair[0].write(record(5_000_000, b"d"), WRITTEN + 60 * SECOND)  # the guest was paused
    assert [p.wall_ns for p in follow.poll()] == [WRITTEN + 60 * SECOND]
    close(follow)


def test_clock() -> None:
    clock = Clock()
    for offset, known in ((500, 500), (500 + 80_000_000, 500), (500, 500)):  # one late write
        clock.learn(offset)
        assert clock.offset == known
    for _ in range(3):  # a pause that is shorter than a second
        clock.learn(500 + 300_000_000)
    assert clock.offset == 500 + 300_000_000
    clock.learn(500)  # it was late writing after all
    assert clock.offset == 500


@pytest.mark.parametrize(
    "data",
    [
        b"\0" * 24,
        struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65536, 113),
        HEAD + struct.pack("<IIII", 1, 1, 0xFFFFFFFF, 0xFFFFFFFF) + b"x" * 64,
        HEAD + struct.pack("<IIII", 1, 1_000_000, 1, 1) + b"x",
        HEAD + struct.pack("<IIII", 1, 1, 2, 1) + b"xx",
    ],
)
def test_garbage(tmp_path: Path, data: bytes) -> None:
    writer = Writer(tmp_path / "tx")
    writer.path.write_bytes(data)
    follow = following(writer)
    with pytest.raises(BadFormat):
        follow.poll()
    close(follow)


def test_what_was_read_takes_no_disk(pair: tuple[Writer, Writer]) -> None:
    follow = following(pair[0])
    frame = record(1_000, b"x" * 60_000)
    for _ in range(3):
        pair[0].write(frame * 80)
        assert len(follow.poll()) == 80
    info = pair[0].path.stat()
    assert info.st_size > 14_000_000
    if info.st_blocks * 512 > info.st_size - 4096:
        pytest.skip("this file system keeps holes")
    assert info.st_blocks * 512 < 6 << 20
    close(follow)


def test_a_vmm_that_is_gone(pair: tuple[Writer, Writer]) -> None:
    follow = following(pair[0])
    follow._start += 1
    pair[0].write(record(1_000, b"last"))
    with pytest.raises(TargetGone):
        follow.poll()
    assert [p.data for p in follow.flush()] == [b"last"]
    close(follow)


def test_cards() -> None:
    cards = parse_cards(NETWORK)
    assert [(card.index, card.name, card.kind, card.host_interface) for card in cards] == [
        (0, "n0", "user", None),
        (1, "t0", "tap", "tap7"),
    ]
    assert cards[0].mac == "52:54:00:12:34:56" and "tcpdump -i tap7" in cards[1].instead()
    assert choose(cards, "any") == choose(cards, None) == cards
    for name in ("t0", "net9.0", "1"):
        assert choose(cards, name) == [cards[1]]
    with pytest.raises(UsageError, match="there are n0, t0"):
        choose(cards, "eth0")
    hub = """hub 0
 \\ hub0port1: #net175: index=0,type=user,net=10.0.2.0,restrict=off
 \\ hub0port0: e1000.0: index=0,type=nic,model=e1000,macaddr=52:54:00:12:34:56
"""
    (card,) = parse_cards(hub)
    assert (card.name, card.nic, card.kind, card.mac) == ("hub0port0", "e1000.0", "hub", "52:54:00:12:34:56")
    assert parse_cards("") == parse_cards(" \\ x: index=0,type=user\n\0\n") == []
