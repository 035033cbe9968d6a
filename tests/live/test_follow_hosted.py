"""Following real writers under load: every slot accounted for, every call paired, in order."""

import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import boot
from uniobs.model.guest import Event
from uniobs.target.open import open_pid
from uniobs_probes.kernels.stub import probe
from uniobs_probes.views.strace_calls import pair

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 3.0


@pytest.fixture
def guest() -> Iterator[boot.Guest]:
    subprocess.run(["make", "-s", "-C", str(ROOT / "guest-stubs"), "build/demo-hosted"], check=True)
    with boot.boot_hosted("kv-follow") as guest:
        yield guest


def put_until(stop: threading.Event, port: int, key: str) -> None:
    while not stop.is_set():
        request = urllib.request.Request(f"http://127.0.0.1:{port}/kv/{key}", data=b"value", method="PUT")
        with urllib.request.urlopen(request, timeout=10) as answer:
            answer.read()


def test_nothing_lost_doubled_or_out_of_order(guest: boot.Guest) -> None:
    target = open_pid(guest.pid)
    stop = threading.Event()
    clients = [threading.Thread(target=put_until, args=(stop, guest.port, f"k{n}")) for n in range(2)]
    events: list[Event] = []
    try:
        walker = probe(target)
        assert walker is not None
        follow = walker.trace()
        for client in clients:
            client.start()
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            events += follow.poll()
            assert all(row.tid for row in walker.threads() if not row.torn)
            time.sleep(0.02)
        stop.set()
        for client in clients:
            client.join()
        time.sleep(0.2)
        events += follow.poll()
        events += follow.flush()
        for ring in follow.rings:
            assert not ring.loss.torn
            assert not ring.loss.garbled
            assert ring.given + ring.loss.lost + ring.held == ring.ring.cursor + ring.ring.in_flight
    finally:
        stop.set()
        target.close()
    assert len(events) > 500
    assert len({(e.ring, e.position) for e in events}) == len(events)
    if not follow.loss.lost:
        calls = pair(events)
        assert all(call.enter is not None for call in calls)
        per_thread: dict[int, int] = {}
        for event in events:
            assert per_thread.get(event.tid, 0) <= event.time_tsc
            per_thread[event.tid] = event.time_tsc
