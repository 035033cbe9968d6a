"""The queues of a QEMU guest's virtio devices: how far the guest and its VMM have come with each.

Source: qapi/virtio.json of QEMU 7.2 (x-query-virtio*) and the split virtqueue of the VIRTIO specification
(2.7): the index of what the driver offers lies in guest memory, two bytes into the available ring.
"""

from typing import TYPE_CHECKING, Any, Final

from uniobs.errors import NotOffered, TargetError, UnknownMemory
from uniobs.model.row import frozen
from uniobs.target import qmp

if TYPE_CHECKING:
    from uniobs.memory.base import Memory

DEVICES_MAX: Final = 64
QUEUES_MAX: Final = 16
# What makes the indexes of QEMU, or those in guest memory, mean something else.
_OTHERWISE: Final = ("VIRTIO_F_RING_PACKED", "VIRTIO_F_IOMMU_PLATFORM", "VIRTIO_F_ACCESS_PLATFORM")


@frozen
class Queue:
    """Indexes count modulo 65536. ``offered`` by the guest; ``taken`` and ``returned`` by the VMM."""

    path: str  # of the device at QEMU
    device: str  # "virtio-net"...
    index: int
    queues: int  # of the device
    size: int
    offered: int
    taken: int
    returned: int
    in_flight: int

    @property
    def waiting(self) -> int:
        """Offered and not taken."""
        return self.offered - self.taken & 0xFFFF

    @property
    def key(self) -> tuple[str, int]:
        return self.path, self.index


def queues(connection: qmp.Qmp, memory: "Memory") -> list[Queue]:
    """Those in use whose indexes mean what they say; none while the guest is held. Raises NotOffered when
    this QEMU can't tell, TargetError."""
    try:
        devices: Any = connection.call("x-query-virtio")
    except TargetError as error:
        raise NotOffered(f"the queues of its virtio devices: {error}") from None
    found: list[Queue] = []
    for device in (devices if isinstance(devices, list) else [])[:DEVICES_MAX]:
        path, name = device.get("path"), device.get("name")
        if not isinstance(path, str) or not isinstance(name, str):
            continue
        status: Any = connection.call("x-query-virtio-status", arguments={"path": path})
        if not _plain(status):
            continue
        count = status.get("num-vqs")
        count = count if isinstance(count, int) else 0
        for index in range(min(count, QUEUES_MAX)):
            queue = _queue(connection, memory, path, name, index, count)
            if queue is not None:
                found.append(queue)
    return found


def _plain(status: Any) -> bool:
    """A started device of a running guest: split rings in guest-physical memory, served by QEMU itself."""
    if not isinstance(status, dict) or not status.get("started") or not status.get("vm-running"):
        return False
    if status.get("vhost-started") or status.get("broken") or status.get("device-endian") != "little":
        return False
    features = status.get("guest-features")
    agreed = features.get("transports", []) if isinstance(features, dict) else []
    return not any(str(text).startswith(_OTHERWISE) for text in agreed)


def _queue(
    connection: qmp.Qmp, memory: "Memory", path: str, name: str, index: int, count: int
) -> Queue | None:
    arguments = {"path": path, "queue": index}
    try:
        row: Any = connection.call("x-query-virtio-queue-status", arguments=arguments)
    except TargetError:
        return None  # not set up
    if not isinstance(row, dict):
        return None
    keys = ("vring-avail", "vring-num", "last-avail-idx", "used-idx", "inuse")
    values: list[Any] = [row.get(key) for key in keys]
    if not all(isinstance(value, int) for value in values) or not values[0] or not values[1]:
        return None
    ring, size, taken, returned, in_flight = values
    try:
        offered = int.from_bytes(memory.read(ring + 2, 2), "little")
    except UnknownMemory:
        return None
    queue = Queue(path, name, index, count, size, offered, taken & 0xFFFF, returned & 0xFFFF, in_flight)
    # The guest may write anything there: more than the ring holds means nothing.
    return queue if queue.waiting <= size and 0 <= in_flight <= size else None
