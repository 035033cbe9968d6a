"""Stuck device: a virtio queue on which one side has stood still for a while though it is its turn.

Only what both indexes prove is said. A receive queue without a single buffer to receive into; work that the
guest queued and its VMM doesn't take, or doesn't finish. Queues on which waiting is normal are left out.
"""

import time
from collections.abc import Callable
from typing import Any, Final

from uniobs.errors import NotOffered, TargetError
from uniobs.model.guest import Verdict
from uniobs.target import qmp, virtio
from uniobs.target.virtio import Queue

WATCH_S: Final = 2.0
STEP_S: Final = 0.25


def rule(target: Any, sleep: Callable[[float], None] = time.sleep) -> list[Verdict]:
    info = getattr(getattr(target, "origin", None), "info", None)
    if not target.live or info is None or info.qmp is None:
        return []
    suspects = {queue.key: queue for queue in _look(target, info) if problem(queue)}
    begun = time.monotonic()
    while suspects and time.monotonic() - begun < WATCH_S:
        sleep(STEP_S)
        now = {queue.key: queue for queue in _look(target, info)}
        suspects = {key: queue for key, queue in suspects.items() if now.get(key) == queue}
    watched = time.monotonic() - begun
    return [_verdict(queue, watched) for queue in suspects.values()]


def _look(target: Any, info: Any) -> list[Queue]:
    """The monitor is held for moments only: others may want it. A guest that ends meanwhile has no queues."""
    try:
        with qmp.opened(info.qmp) as connection:
            return virtio.queues(connection, target.memory)
    except NotOffered as error:
        said = str(error)
        about = "" if said.startswith("the queues") else "the queues of its virtio devices: "
        raise NotOffered(f"{about}{said}") from None
    except TargetError:
        return []


def problem(queue: Queue) -> str | None:
    """ "starved", "untaken", "unfinished", or None: whose turn it is, if it stays so."""
    use = role(queue)
    if use == "receive" and queue.offered == queue.taken and queue.offered != 0:
        return "starved"
    if use == "send" and queue.waiting:
        return "untaken"
    return "unfinished" if use == "request" and (queue.in_flight or queue.waiting) else None


def role(queue: Queue) -> str | None:
    """What a queue is for (VIRTIO 5.1.2, 5.2.2, 5.3.2, 5.6.2); None: waiting on it is normal, or unknown."""
    if queue.device == "virtio-net":
        if queue.queues % 2 and queue.index == queue.queues - 1:
            return None  # control
        return "send" if queue.index % 2 else "receive"
    if queue.device == "virtio-blk":
        return "request"
    if queue.device == "virtio-scsi":
        return "request" if queue.index >= 2 else None
    return None


def _verdict(queue: Queue, seconds: float) -> Verdict:
    name = f"{queue.device} queue {queue.index}"
    kind = problem(queue)
    counts = (
        f"indexes   offered by the guest {queue.offered}, taken by the VMM {queue.taken}, "
        f"returned {queue.returned}"
    )
    if kind == "starved":
        headline = f"{name}: nothing to receive into"
        facts = (
            f"the guest left its receive queue without a buffer ({queue.size} fit): packets to it are lost"
        )
    elif kind == "untaken":
        headline = f"{name}: the VMM doesn't take what is sent"
        facts = f"{queue.waiting} buffers that the guest queued to be sent were not taken by its VMM"
    else:
        headline = f"{name}: requests don't finish"
        facts = f"{queue.in_flight} requests are with the VMM, {queue.waiting} not taken yet; none moved"
    return Verdict(
        name="stuck-device",
        headline=headline,
        severity=3,
        lines=(f"device    {name}", f"stuck     {facts}", counts),
        title=f"has a STUCK device ({headline})",
        for_at_least_s=round(seconds, 1),
    )
