"""Streams of a guest that runs, beside what QEMU captured and what the guest was asked."""

import os
import threading
from pathlib import Path

import pytest

import boot
from support.qemu import demo_elf
from uniobs.export.pcap import read_capture
from uniobs_tui.session import Session

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

GUEST = bytes.fromhex("525400123456")


def test_all_that_passed_is_there(tmp_path: Path) -> None:
    captured = tmp_path / "qemu.pcap"
    machine = boot.Machine(elf=demo_elf(), name=f"streams{os.getpid()}", packets=captured)
    with boot.boot(machine) as guest:
        session = Session(str(guest.pid))
        try:
            asked = [f"/kv/key-{number}" for number in range(25)]
            client = threading.Thread(target=lambda: [guest.http("GET", path) for path in asked])
            client.start()
            moments = []
            while client.is_alive():
                session.look()
                counts = {q: len(session.streams.source(q)) for q in ("trace", "packets", "log")}
                bounds = session.bounds()
                assert bounds is not None
                moments.append((bounds[1], counts))
            client.join()
            session.look()
            check_calls(session, asked)
            check_packets(session, captured)
            check_moments(session, moments)
        finally:
            session.close()


def check_calls(session: Session, asked: list[str]) -> None:
    source = session.streams.source("trace")
    rows = source.cells(0, len(source))
    assert not any("lost" in row[3] for row in rows[10:])
    opened = [row[3] for row in rows if row[3].startswith("open(")]
    for path in asked:
        assert any(f'"/data/{path[4:]}"' in text and "ENOENT" in text for text in opened), path
    served = [row for row in rows if row[3].startswith("accept(") and "10.0.2.2" in row[3]]
    assert len(served) >= len(asked) and {row[1] for row in served} >= {"worker-1", "worker-2"}


def check_packets(session: Session, captured: Path) -> None:
    """Each frame that QEMU saw, in order; the guest keeps the beginning of long ones."""
    source = session.streams.source("packets")
    mine = [source.data(index) for index in range(len(source)) if not source.is_note(index)]
    with captured.open("rb") as file:
        theirs = [packet.data for packet in read_capture(file)]
    assert len(mine) > 25 * 6
    for sent in (True, False):  # which of two that cross comes first is seen otherwise by both
        ours = [frame for frame in mine if (frame[6:12] == GUEST) == sent]
        wire = [frame for frame in theirs if (frame[6:12] == GUEST) == sent]
        first = next(n for n, frame in enumerate(wire) if frame.startswith(ours[0]))
        for kept, frame in zip(ours, wire[first:], strict=False):
            assert frame.startswith(kept)


def check_moments(session: Session, moments: list[tuple[int, dict[str, int]]]) -> None:
    """Before each look no more, and after it no less than what was asked for then."""
    before = {"trace": 0, "packets": 0, "log": 0}
    for moment, counts in moments:
        session.seek(moment)
        for question, count in counts.items():
            assert before[question] <= len(session.streams.source(question)) <= count
        before = counts
    session.follow()
