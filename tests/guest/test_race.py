"""Preempted writers race a reader from outside: nothing torn is accepted, every loss is accounted for."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.guest.build import make
from tests.guest.race_reader import Reader, find_rings

HERE = Path(__file__).resolve().parent


def run_race(seconds: int, slots: int, dawdle: bool) -> list[tuple[Reader, int, int]]:
    """Race for some seconds; (reader, events emitted, slots emitted) a writer."""
    extra = f"-include {HERE / 'race_point.h'}" if dawdle else ""
    program = make("race", extra=extra, out="tests-dawdle" if dawdle else "tests")
    with subprocess.Popen([program, str(seconds), str(slots)], stdin=-1, stdout=-1, text=True) as writers:
        assert writers.stdin and writers.stdout
        try:
            pid = int(writers.stdout.readline().split()[1])
            rings = find_rings(pid)
            readers = {i: Reader(pid, *where) for i, where in rings.items()}
            writers.stdin.write("\n")
            writers.stdin.flush()
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                for reader in readers.values():
                    reader.step()
            counts: dict[int, tuple[int, int]] = {}
            while len(counts) < 3:
                found = re.match(r"writer ring=(\d+) events=(\d+) slots=(\d+)", writers.stdout.readline())
                assert found
                counts[int(found[1])] = int(found[2]), int(found[3])
            for reader in readers.values():
                while reader.step():
                    pass
            writers.stdin.close()
            assert writers.wait(10) == 0
        finally:
            writers.kill()
    return [(readers[ring], *counts[ring]) for ring in sorted(counts)]


def check(results: list[tuple[Reader, int, int]]) -> str:
    lines = []
    for r, events, slots in results:
        lines.append(
            f"emitted {events} events in {slots} slots; received {r.events} in {r.received}, "
            f"lost {r.lost_events} in {r.lost}; torn accepted {r.torn}, in flight refused {r.refused}"
        )
        assert r.torn == 0, lines[-1]
        assert r.cursor == slots and r.received + r.lost == slots, lines[-1]
        trailing = events - r.next_number  # lost after the last event that was received
        assert r.events + r.lost_events + trailing == events == r.total_events, lines[-1]
        assert r.events > 0 and r.lost > 0 and trailing == 0, lines[-1]
    return "\n".join(lines)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("dawdle", [False, True], ids=["as-is", "dawdling"])
def test_race_short(dawdle: bool) -> None:
    check(run_race(3, 512, dawdle))


@pytest.mark.slow
@pytest.mark.parametrize("dawdle", [False, True], ids=["as-is", "dawdling"])
@pytest.mark.timeout(150)
def test_race_minute(dawdle: bool, capsys: pytest.CaptureFixture[str]) -> None:
    account = check(run_race(60, 256, dawdle))
    with capsys.disabled():
        sys.stdout.write(f"\n{account}\n")
