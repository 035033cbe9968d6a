"""tcpdump's lines where the real one has no say: interfaces, missing clocks, counters, hostile bytes."""

import random
from dataclasses import replace

import pytest

from tests.support.frames import conversation, packets
from uniobs.model.guest import Loss
from uniobs_probes.views.packets import PacketFormatter, PacketOptions, closing
from uniobs_probes.views.packets_detail import detail


def test_several_interfaces_are_told_apart() -> None:
    frame = packets(conversation())[0]
    formatter = PacketFormatter(PacketOptions(stamp="none", names={1: "eth0", 2: "eth1"}))
    assert formatter.text(frame).startswith("eth0 In  ARP, Request")
    assert formatter.text(replace(frame, iface=9, direction="tx")).startswith("if9 Out ARP")


def test_without_a_wall_clock_times_are_since_boot() -> None:
    frame = replace(packets(conversation())[1], wall_ns=None)
    assert PacketFormatter(PacketOptions()).text(frame).startswith("[    0.001234] ARP")
    assert PacketFormatter(PacketOptions()).text(replace(frame, time_ns=None)).startswith("? ARP")


def test_the_closing_counters() -> None:
    assert closing(1, 5, Loss(2)) == [
        "1 packet captured",
        "5 packets received by filter",
        "2 packets dropped: overwritten in the ring",
    ]
    assert len(closing(0, 0, Loss(0, 1, 0, 1))) == 5


@pytest.mark.parametrize("verbose", [0, 1])
def test_hostile_frames_give_printable_lines(verbose: int) -> None:
    rng = random.Random(7)
    frames = packets(conversation())
    formatter = PacketFormatter(PacketOptions(verbose=verbose, link=bool(verbose), dump="X"))
    for n in range(3000):
        frame = rng.choice(frames)
        data = bytearray(frame.data)
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        cut = rng.randrange(len(data) + 1) if n % 3 == 0 else len(data)
        text = formatter.text(replace(frame, data=bytes(data[:cut])))
        assert all(c.isprintable() or c in "\n\t" for c in text)
        assert len(text) < 40 * 256


def test_details_of_a_frame() -> None:
    pytest.importorskip("scapy")
    lines = detail(packets(conversation())[4].data)
    assert any("TCP" in line for line in lines)
    assert any(line.split() == ["seq", "=", "1000"] for line in lines)
    assert detail(b"xx")
