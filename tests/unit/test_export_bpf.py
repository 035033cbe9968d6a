"""Filters are libpcap's own."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.frames import conversation, packets
from uniobs.errors import NotOffered, UsageError
from uniobs.export import bpf
from uniobs.export.pcap import PcapWriter


def passed(expression: str) -> list[int]:
    chosen = bpf.Filter(expression)
    try:
        return [p.position for p in packets(conversation()) if chosen(p.data, p.length)]
    finally:
        chosen.close()
        chosen.close()


@pytest.mark.parametrize(
    "expression",
    ["tcp port 80", "arp", "icmp or arp", "host 10.0.2.15 and not tcp", "ip6", "tcp[13] & tcp-syn != 0", ""],
)
@pytest.mark.skipif(not shutil.which("tcpdump"), reason="tcpdump isn't installed")
def test_passes_what_tcpdump_passes(tmp_path: Path, expression: str) -> None:
    file = tmp_path / "x.pcap"
    frames = packets(conversation())
    with file.open("wb") as out:
        writer = PcapWriter(out)
        for frame in frames:
            writer.packet(frame)
        writer.close(0, 0)
    run = subprocess.run(
        ["tcpdump", "-#", "-n", "-t", "-r", file, expression], capture_output=True, check=True, timeout=15
    )
    count = sum(1 for line in run.stdout.splitlines() if line[:5].strip().isdigit())
    assert len(passed(expression)) == count
    assert count


@pytest.mark.parametrize("expression", ["tcp prt 80", "port http https x", "(", "inbound\0"])
def test_what_libpcap_refuses_is_a_usage_error(expression: str) -> None:
    with pytest.raises(UsageError) as caught:
        bpf.Filter(expression)
    assert "\n" not in str(caught.value)


def test_without_libpcap_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bpf, "LIBRARIES", ("libnosuch.so.9",))
    with pytest.raises(NotOffered, match=r"libpcap0\.8"):
        bpf.Filter("tcp")


def test_a_word_that_is_no_text() -> None:
    """As Python gives a command line's bytes that aren't UTF-8."""
    with pytest.raises(UsageError, match="filter 'tcp "):
        bpf.Filter("tcp \udcff")
