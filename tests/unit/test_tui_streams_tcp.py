"""What both ends said over TCP; and a packet's fields, with tshark as the judge of where they are."""

import random
import shutil
import subprocess
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.server import Server, frame
from uniobs.errors import NotOffered, UsageError
from uniobs.export.pcap import PcapWriter
from uniobs.model.guest import Packet
from uniobs.target.guest import Guest
from uniobs.target.origin import Origin
from uniobs_probes.views.packets_detail import Layer, layers
from uniobs_tui.packet_rows import PacketRows
from uniobs_tui.panes.packets import PacketsPane, decoded, plain
from uniobs_tui.rowtests import OfPackets
from uniobs_tui.streamlog import feeder
from uniobs_tui.tcpscreen import conversation_of
from uniobs_tui.tcpstream import Segment, conversation, segment


def segments(frames: Iterable[bytes]) -> list[Segment]:
    found = [segment(one) for one in frames]
    return [one for one in found if one is not None]


def heard(frames: Iterable[bytes]) -> tuple[bytes, bytes]:
    """What the client said, what the server said; gaps as ?N?."""
    parts = segments(frames)
    sides = {True: b"", False: b""}
    for one in conversation(parts, (bytes([10, 0, 2, 2]), 40000)):
        sides[one.client] += (b"?%d?" % one.gap if one.gap else b"") + one.data
    return sides[True], sides[False]


def test_in_order() -> None:
    asked = [frame(seq=99, flags=2), frame(b"GET", seq=100)]
    assert heard([*asked, frame(b"200", seq=7, out=True), frame(b" /", seq=103)]) == (b"GET /", b"200")


def test_whatever_order_and_however_often_they_come() -> None:
    rng = random.Random(3)
    said = rng.randbytes(3000)
    for start in (1, (1 << 32) - 1000):  # over the end of the numbers, too
        cuts = sorted({0, len(said), *(rng.randrange(len(said)) for _ in range(20))})
        pieces = [(a, said[a : b + rng.randrange(30)]) for a, b in pairwise(cuts)]
        pieces += rng.sample(pieces, 8)
        rng.shuffle(pieces)
        frames = [frame(seq=start - 1, flags=2), *(frame(data, seq=start + a) for a, data in pieces)]
        assert heard(frames) == (said, b"")


def test_what_is_missing_is_said() -> None:
    assert heard([frame(b"abc", seq=1), frame(b"xyz", seq=11)]) == (b"abc?7?xyz", b"")
    cut = frame(b"0123456789", seq=1)[:-4]  # the guest keeps so much of each packet
    assert heard([cut, frame(b"more", seq=11)]) == (b"012345?4?more", b"")


def test_the_text_of_a_conversation() -> None:
    server = Server(packets=64)
    server.packet(frame(seq=0, flags=2))
    server.packet(frame(b"GET / HTTP/1.1\r\nX: \x1b[2J", seq=1))
    server.packet(frame(b"\r\n\r\n", seq=24))
    server.packet(frame(b"HTTP/1.1 200 OK\r\n\r\nbody", seq=1, out=True))
    server.packet(frame(b"other", seq=1, port=50000))
    guest = Guest(Origin("k", "core", "", server.builder.memory(), False, lambda _: server.builder.base))
    source = feeder(PacketRows(), guest).source(SimpleNamespace(moment=None, target=guest))
    said = conversation_of(source, 3)
    assert (said.client, said.server) == ("10.0.2.2:40000", "10.0.2.15:80")
    assert said.lines == (
        (">", "GET / HTTP/1.1"), (">", "X: .[2J"), (">", ""),
        ("<", "HTTP/1.1 200 OK"), ("<", ""), ("<", "body"),
    )  # fmt: skip
    assert OfPackets("tcp port 50000").passing(source, range(5)) == [4]
    assert conversation_of(source, 0).lines == said.lines


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=120), st.integers(0, 90), st.binary(max_size=8))
def test_any_bytes(data: bytes, at: int, over: bytes) -> None:
    whole = bytearray(frame(data, seq=1))
    whole[at : at + len(over)] = over
    for one in (bytes(whole), data):
        found = segment(one)
        if found is not None:
            list(conversation([found, found], found.source))
        size = len(one)
        for layer in (*layers(one), *plain(one, size)):
            assert layer.name.isprintable() and 0 <= layer.start <= max(layer.stop, layer.start) <= size
            for field in layer.fields:
                assert field.text.isprintable() and 0 <= field.start <= field.stop


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark isn't installed")
def test_fields_are_where_wireshark_sees_them(tmp_path: Path) -> None:
    frames = [
        frame(b"GET /a HTTP/1.1\r\nHost: kv\r\n\r\n", seq=5),
        frame(flags=2),
        bytes.fromhex("ffffffffffff525400123456" "0806" "0001080006040001525400123456" "0a00020f") + bytes(6)
        + bytes([10, 0, 2, 2]) + bytes(18),
        bytes.fromhex("525400123456525500000202" "8100" "0005") + frame(b"x", seq=5)[12:],
    ]  # fmt: skip
    path = tmp_path / "some.pcap"
    with path.open("wb") as out:
        writer = PcapWriter(out)
        for number, data in enumerate(frames):
            writer.packet(Packet(number, 1, 1_700_000_000_000_000_000, 1, "rx", len(data), data))
    told = subprocess.run(["tshark", "-r", path, "-T", "pdml"], capture_output=True, check=True).stdout
    judged = list(ElementTree.fromstring(told).iter("packet"))
    for data, packet in zip(frames, judged, strict=True):
        theirs = {proto.get("name"): proto for proto in packet.iter("proto")}
        mine = {layer.name: layer for layer in layers(data)}
        for name, proto in (("Ethernet", "eth"), ("IP", "ip"), ("TCP", "tcp"), ("ARP", "arp")):
            if name in mine:
                compare(mine[name], theirs[proto])


def compare(layer: Layer, proto: Any) -> None:
    """The layer's start, and those of its fields that both name."""
    assert layer.start == int(proto.get("pos"))
    names = {
        "dst": ("eth.dst", "ip.dst"), "src": ("eth.src", "ip.src"), "ttl": ("ip.ttl",), "len": ("ip.len",),
        "sport": ("tcp.srcport",), "dport": ("tcp.dstport",), "seq": ("tcp.seq",),
        "window": ("tcp.window_size_value",),
        "hwsrc": ("arp.src.hw_mac",), "psrc": ("arp.src.proto_ipv4",), "proto": ("ip.proto",),
    }  # fmt: skip
    places = {one.get("name"): (int(one.get("pos")), int(one.get("size"))) for one in proto.iter("field")}
    compared = 0
    for one in layer.fields:
        for name in names.get(one.text.partition(" ")[0], ()):
            if name in places:
                assert (one.start, one.stop - one.start) == places[name], name
                compared += 1
    assert compared >= 2


@pytest.mark.parametrize(
    "text",
    [
        "tcp port 80 and host 10.0.2.2", "not arp", "ether host 52:54:00:12:34:56", "ip6 host fe80::1",
        "port http or tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", "icmp[icmptype] == icmp-echo", "vlan 5 && ip",
        "less 100", "src net 10.0.0.0/8", r"ip proto \tcp", "len > 60 || udp",
        "tcp[((tcp[12:1]&0xf0)>>2):4]=0x47455420",
    ],
)  # fmt: skip
def test_filters_that_need_no_names(text: str) -> None:
    OfPackets(text)


@pytest.mark.parametrize("text", ["host example", "example.org", "tcp and src a-host", "net home", "host fe"])
def test_names_are_not_looked_up(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(expression: str) -> None:
        raise AssertionError("libpcap would look it up")

    monkeypatch.setattr("uniobs.export.bpf.Filter", asked)
    with pytest.raises(UsageError, match="aren't looked up"):
        OfPackets(text)


def test_without_scapy(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(data: bytes) -> Any:
        raise NotOffered("every field of a packet needs scapy: pip install 'uniobs[packets]'")

    monkeypatch.setattr("uniobs_probes.views.packets_detail.layers", missing)
    told = decoded(frame(b"GET / HTTP/1.1\r\n", port=40000)[:-4], 70)
    assert told[0].name == "4 of its 70 bytes were not captured"
    assert any("10.0.2.2.40000 > 10.0.2.15.80: Flags [P.]" in field.text for field in told[1].fields)
    assert told[-1].name.endswith("pip install 'uniobs[packets]'")


def test_without_libpcap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("uniobs.export.bpf.LIBRARIES", ())
    assert "libpcap" in PacketsPane().check_filter("tcp")
