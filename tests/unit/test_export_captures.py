"""Captures: what is written is what others read, and hostile files are refused in one line."""

import io
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.frames import conversation, packets
from uniobs.errors import BadFormat, OutputError, UniobsError
from uniobs.export.pcap import PcapWriter, read_capture
from uniobs.export.pcapng import PcapngWriter, read_pcapng
from uniobs.model.guest import Packet

FIELDS = ("frame.interface_name", "frame.time_epoch", "frame.len", "frame.packet_flags_direction")
needs_tshark = pytest.mark.skipif(not shutil.which("tshark"), reason="tshark isn't installed")


def pcapng(frames: list[Packet], received: int = 0, dropped: int = 0) -> bytes:
    out = io.BytesIO()
    writer = PcapngWriter(out, snap=256)
    writer.interface(1, "eth0")
    for frame in frames:
        writer.packet(frame)
    writer.close(received, dropped)
    return out.getvalue()


def pcap(frames: list[Packet]) -> bytes:
    out = io.BytesIO()
    writer = PcapWriter(out)
    for frame in frames:
        writer.packet(frame)
    writer.close(0, 0)
    return out.getvalue()


def test_pcapng_reads_back_to_the_nanosecond_with_directions() -> None:
    frames = packets(conversation())
    back = list(read_capture(io.BytesIO(pcapng(frames))))
    assert [(p.wall_ns, p.length, p.data, p.direction) for p in back] == [
        (p.wall_ns, p.length, p.data, p.direction) for p in frames
    ]


def test_cut_frames_keep_their_length() -> None:
    frames = [replace(p, data=p.data[:40]) for p in packets(conversation())]
    for data in (pcapng(frames), pcap(frames)):
        back = list(read_capture(io.BytesIO(data)))
        assert [(p.length, p.data) for p in back] == [(p.length, p.data) for p in frames]


@needs_tshark
def test_tshark_reads_pcapng_without_a_warning(tmp_path: Path) -> None:
    frames = packets(conversation())
    file = tmp_path / "x.pcapng"
    file.write_bytes(pcapng(frames, received=len(frames) + 3, dropped=3))
    run = subprocess.run(
        ["tshark", "-r", str(file), "-T", "json", *(part for name in FIELDS for part in ("-e", name))],
        capture_output=True,
        text=True,
        check=True,
        timeout=18,
    )
    warnings = [line for line in run.stderr.splitlines() if "Running as user" not in line]
    assert warnings == []
    seen = [entry["_source"]["layers"] for entry in json.loads(run.stdout)]
    assert [int(s["frame.len"][0]) for s in seen] == [p.length for p in frames]
    assert {s["frame.interface_name"][0] for s in seen} == {"eth0"}
    assert [s["frame.packet_flags_direction"][0][-1] for s in seen] == [
        "1" if p.direction == "rx" else "2" for p in frames
    ]
    stamps = [round(float(s["frame.time_epoch"][0].split(".")[0])) for s in seen]
    assert stamps == [(p.wall_ns or 0) // 10**9 for p in frames]
    assert seen[1]["frame.time_epoch"][0].endswith(".001234567")


@pytest.mark.skipif(not shutil.which("capinfos"), reason="capinfos isn't installed")
def test_the_statistics_say_what_was_dropped(tmp_path: Path) -> None:
    file = tmp_path / "x.pcapng"
    file.write_bytes(pcapng(packets(conversation()), received=50, dropped=7))
    said = subprocess.run(["capinfos", file], capture_output=True, text=True, check=True, timeout=18).stdout
    assert "Name = eth0" in said
    assert "Time precision = nanoseconds (9)" in said


def test_frames_without_a_wall_clock_say_that_they_have_none() -> None:
    frames = [replace(p, wall_ns=None) for p in packets(conversation()[:3])]
    out = io.BytesIO()
    writer = PcapngWriter(out)
    for frame in frames:
        writer.packet(frame)
    assert b"since the guest's boot" in out.getvalue()
    assert [p.wall_ns for p in read_capture(io.BytesIO(out.getvalue()))] == [p.time_ns for p in frames]


def cuts(data: bytes) -> Iterator[bytes]:
    for size in range(0, len(data), 7):
        yield data[:size]


@pytest.mark.parametrize("make", [pcapng, pcap])
def test_a_file_cut_anywhere_is_refused_or_ends(make: object) -> None:
    whole = make(packets(conversation()[:6]))
    full = list(read_capture(io.BytesIO(whole)))
    for data in cuts(whole):
        seen: list[Packet] = []
        with suppress(BadFormat):
            seen.extend(read_capture(io.BytesIO(data)))
        assert seen == full[: len(seen)]


@pytest.mark.parametrize("make", [pcapng, pcap])
def test_flipped_bytes_raise_nothing_but_ours(make: object) -> None:
    whole = make(packets(conversation()[:6]))
    for at in range(len(whole)):
        for value in (0, 0xFF, whole[at] ^ 0x20):
            data = bytearray(whole)
            data[at] = value
            try:
                seen = list(read_capture(io.BytesIO(bytes(data))))
            except UniobsError:
                continue
            assert sum(len(p.data) for p in seen) <= len(data)


def test_big_endian_and_microseconds_are_read(tmp_path: Path) -> None:
    head = bytes.fromhex("a1b2c3d40002000400000000000000000000ffff00000001")
    record = bytes.fromhex("6553f100000f423f0000000e00000050") + b"x" * 14
    (frame,) = read_capture(io.BytesIO(head + record))
    assert (frame.wall_ns, frame.length, len(frame.data)) == (0x6553F100 * 10**9 + 999_999_000, 0x50, 14)


def test_other_link_types_are_refused() -> None:
    data = bytearray(pcap([]))
    data[20] = 101
    with pytest.raises(BadFormat, match="link type 101"):
        list(read_capture(io.BytesIO(bytes(data))))


@pytest.mark.parametrize("data", [b"", b"hello world, this is no capture", b"\x0a\x0d\x0d\x0a" + b"\0" * 40])
def test_what_is_no_capture_is_refused(data: bytes) -> None:
    with pytest.raises(BadFormat):
        list(read_capture(io.BytesIO(data)))
    with pytest.raises(BadFormat):
        list(read_pcapng(io.BytesIO(data[:5] + b"x")))


def write_until_it_fails(path: str) -> None:
    with open(path, "wb", buffering=0) as out:
        writer = PcapngWriter(out, flush=True)
        for frame in packets(conversation() * 50):
            writer.packet(frame)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_disk_is_one_error() -> None:
    with pytest.raises(OutputError, match="No space left"):
        write_until_it_fails("/dev/full")


def test_a_closed_pipe_is_one_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb", buffering=0) as out, pytest.raises(OutputError, match="Broken pipe"):
        PcapWriter(out, flush=True)
