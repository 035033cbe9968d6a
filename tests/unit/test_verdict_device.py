"""Which queue, standing still, is stuck; and that what moves in between isn't."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from uniobs.errors import NotOffered, TargetError
from uniobs.memory.sparse import SparseMemory
from uniobs.target import virtio
from uniobs.target.virtio import Queue
from uniobs_probes.verdicts import device

STARVED = Queue("/machine/x", "virtio-net", 0, 3, 64, offered=109, taken=109, returned=109, in_flight=0)


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({}, "starved"),
        ({"taken": 108}, None),
        ({"offered": 0, "taken": 0, "returned": 0}, None),  # never used
        ({"index": 1}, None),  # nothing to send
        ({"index": 1, "offered": 111}, "untaken"),
        ({"index": 1, "offered": 1, "taken": 65535}, "untaken"),  # indexes wrap
        ({"index": 2, "offered": 111}, None),  # control
        ({"index": 2, "queues": 4}, "starved"),  # a second pair
        ({"device": "virtio-serial", "offered": 111}, None),
        ({"device": "virtio-blk", "queues": 1}, None),
        ({"device": "virtio-blk", "queues": 1, "in_flight": 2}, "unfinished"),
        ({"device": "virtio-scsi", "index": 1, "in_flight": 2}, None),  # events
        ({"device": "virtio-scsi", "index": 2, "in_flight": 2}, "unfinished"),
        ({"device": "virtio-rng", "offered": 111}, None),
    ],
)
def test_whose_turn(change: dict[str, Any], wanted: str | None) -> None:
    assert device.problem(replace(STARVED, **change)) == wanted


class Looks:
    """What each look sees; the last stays."""

    def __init__(self, *looks: list[Queue]) -> None:
        self.looks = list(looks)

    def __call__(self, _target: Any, _info: Any) -> list[Queue]:
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]


def verdicts(monkeypatch: pytest.MonkeyPatch, *looks: list[Queue]) -> list[str]:
    monkeypatch.setattr(device, "_look", Looks(*looks))
    monkeypatch.setattr(device, "WATCH_S", 0.05)
    target = SimpleNamespace(live=True, origin=SimpleNamespace(info=SimpleNamespace(qmp="/q")))
    return [verdict.headline for verdict in device.rule(target, sleep=lambda _: None)]


def test_only_what_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    moved = replace(STARVED, offered=110)
    again = replace(moved, taken=110, returned=110)
    assert verdicts(monkeypatch, [STARVED]) == ["virtio-net queue 0: nothing to receive into"]
    assert verdicts(monkeypatch, [STARVED], [moved], [STARVED]) == []
    assert verdicts(monkeypatch, [STARVED], [again]) == []  # starved again, after progress
    assert verdicts(monkeypatch, [STARVED], []) == []  # paused, or gone
    assert verdicts(monkeypatch, [moved]) == []


class Monitor:
    """Answers of QEMU, by command; an exception is raised."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers

    def call(self, command: str, timeout: float = 5, arguments: Any = None) -> Any:
        answer = self.answers[
            command.removeprefix("x-query-virtio").strip("-").replace("-", "_") or "devices"
        ]
        if isinstance(answer, Exception):
            raise answer
        return answer


def asked(**change: Any) -> list[Queue]:
    status = {"started": True, "vm-running": True, "device-endian": "little", "num-vqs": 1}
    status["guest-features"] = {"transports": change.pop("features", ["VIRTIO_F_VERSION_1: v1"])}
    status |= change.pop("status", {})
    row = {"vring-avail": 0x1000, "vring-num": 64, "last-avail-idx": 5, "used-idx": 5, "inuse": 0}
    row |= change.pop("row", {})
    memory = SparseMemory()
    memory.store(0x1000, change.pop("ring", b"\0\0\x07\0"))
    devices = change.pop("devices", [{"path": "/p", "name": "virtio-net"}])
    monitor = Monitor(devices=devices, status=status, queue_status=row)
    return virtio.queues(monitor, memory)


def test_what_qemu_and_the_guest_say() -> None:
    assert asked() == [Queue("/p", "virtio-net", 0, 1, 64, 7, 5, 5, 0)]
    for features in ("VIRTIO_F_RING_PACKED: packed", "VIRTIO_F_IOMMU_PLATFORM: iommu"):
        assert asked(features=[features]) == []
    held: list[dict[str, Any]] = [{"vm-running": False}, {"started": False}, {"vhost-started": True}]
    for status in held:
        assert asked(status=status) == []
    assert asked(ring=b"\0\0\xff\xff") == []  # more than the ring holds
    rows: list[dict[str, Any]] = [
        {"vring-avail": 0},
        {"vring-avail": 1 << 63},
        {"used-idx": None},
        {"inuse": 99},
        {"vring-num": "x"},
    ]
    for row in rows:
        assert asked(row=row) == []
    for devices in (None, [{}], [{"path": 5, "name": []}]):
        assert asked(devices=devices) == []
    with pytest.raises(NotOffered):
        virtio.queues(Monitor(devices=TargetError("no such command")), SparseMemory())


def test_without_a_monitor() -> None:
    target = SimpleNamespace(live=True, origin=SimpleNamespace(info=SimpleNamespace(qmp=None)))
    assert device.rule(target) == [] and device.rule(SimpleNamespace(live=False)) == []
