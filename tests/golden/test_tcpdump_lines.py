"""Our tcpdump's lines against those of the real one, reading the same file."""

import io
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.frames import conversation, packets
from uniobs.export.pcap import PcapWriter, read_capture
from uniobs.model.guest import Packet
from uniobs_probes.views.packets import PacketFormatter, PacketOptions

needs_tcpdump = pytest.mark.skipif(not shutil.which("tcpdump"), reason="tcpdump isn't installed")


def real(file: Path, *options: str) -> str:
    run = subprocess.run(
        ["tcpdump", "-n", "-r", file, *options],
        capture_output=True,
        check=True,
        timeout=15,
        env={**os.environ, "TZ": "UTC"},
    )
    return run.stdout.decode("latin-1")


def ours(frames: list[Packet], **options: Any) -> str:
    formatter = PacketFormatter(PacketOptions(**options))
    return "".join(formatter.text(frame) + "\n" for frame in frames)


def saved(tmp_path: Path, frames: list[Packet]) -> Path:
    out = io.BytesIO()
    writer = PcapWriter(out)
    for frame in frames:
        writer.packet(frame)
    file = tmp_path / "x.pcap"
    file.write_bytes(out.getvalue())
    return file


@needs_tcpdump
@pytest.mark.parametrize(
    ("flags", "options"),
    [
        ("-t", {"stamp": "none"}),
        ("", {}),
        ("-tt", {"stamp": "epoch"}),
        ("-ttt", {"stamp": "delta"}),
        ("-tttt", {"stamp": "date"}),
        ("-ttttt", {"stamp": "first"}),
        ("-tS", {"stamp": "none", "absolute": True}),
        ("-te", {"stamp": "none", "link": True}),
        ("-t#", {"stamp": "none", "number": True}),
        ("-tx", {"stamp": "none", "dump": "x"}),
        ("-txx", {"stamp": "none", "dump": "xx"}),
        ("-tX", {"stamp": "none", "dump": "X"}),
        ("-tXX", {"stamp": "none", "dump": "XX"}),
        ("-tA", {"stamp": "none", "dump": "A"}),
    ],
)
def test_lines_are_those_of_tcpdump(
    tmp_path: Path, flags: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    import time

    time.tzset()
    frames = packets(conversation())
    expected = real(saved(tmp_path, frames), *([flags] if flags else [])).replace(".001234567", ".001234")
    assert ours(frames, **options).splitlines() == expected.splitlines()


@needs_tcpdump
@pytest.mark.parametrize(("flags", "options"), [("-tv", {}), ("-tve", {"link": True})])
def test_verbose_lines_are_those_of_tcpdump(tmp_path: Path, flags: str, options: dict[str, Any]) -> None:
    # tcpdump -v dissects BOOTP; ours leaves that to -vv.
    frames = [p for p in packets(conversation()) if p.data[34:36] not in (b"\0\x43", b"\0\x44")]
    expected = real(saved(tmp_path, frames), flags)
    assert ours(frames, stamp="none", verbose=1, **options).splitlines() == expected.splitlines()


@needs_tcpdump
def test_wrong_checksums_are_told(tmp_path: Path) -> None:
    frames = []
    for frame in packets(conversation())[4:12]:
        data = bytearray(frame.data)
        data[50] ^= 0x5A  # TCP checksum
        data[18] ^= 0x11  # identification: the header's checksum is wrong then
        frames.append(replace(frame, data=bytes(data)))
    expected = real(saved(tmp_path, frames), "-tv")
    assert "incorrect ->" in expected
    assert ours(frames, stamp="none", verbose=1).splitlines() == expected.splitlines()


@needs_tcpdump
def test_cut_frames(tmp_path: Path) -> None:
    """Of a TCP segment cut by the snap length the header is still told."""
    frames = [replace(p, data=p.data[:74]) for p in packets(conversation())[4:12]]
    expected = real(saved(tmp_path, frames), "-t")
    assert ours(frames, stamp="none").splitlines() == expected.splitlines()


def test_what_is_written_is_read_back() -> None:
    frames = packets(conversation())
    out = io.BytesIO()
    writer = PcapWriter(out, snap=1000)
    for frame in frames:
        writer.packet(frame)
    out.seek(0)
    back = list(read_capture(out))
    assert [(p.wall_ns, p.length, p.data) for p in back] == [(p.wall_ns, p.length, p.data) for p in frames]
