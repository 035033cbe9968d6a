"""Frames of the packet ring."""

from uniobs.lean import Final
from uniobs.model.guest import Packet
from uniobs.region import _abi
from uniobs.region.reader import Region
from uniobs.region.rings import Slot

MAX_FRAME: Final = 1 << 18
DIRECTIONS: Final = {_abi.DIR_RX: "rx", _abi.DIR_TX: "tx"}


def packet(region: Region, slot: Slot) -> Packet | None:
    """The frame of one slot, or None when its lengths or direction can't be."""
    head = _abi.Packet(*_abi.PACKET.unpack_from(slot.raw))
    snap = len(slot.raw) - _abi.PACKET_SIZE
    if head.dir not in DIRECTIONS or head.pad or head.reserved or not head.orig_len <= MAX_FRAME:
        return None
    if head.cap_len != min(head.orig_len, snap):
        return None
    return Packet(
        position=slot.position,
        time_ns=region.clock.ns(head.time),
        wall_ns=region.clock.wall_ns(head.time),
        iface=head.iface,
        direction="tx" if head.dir == _abi.DIR_TX else "rx",
        length=head.orig_len,
        data=slot.raw[_abi.PACKET_SIZE : _abi.PACKET_SIZE + head.cap_len],
    )
