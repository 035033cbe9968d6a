"""Frames of the channel: encoding, and finding them again in a stream of any bytes (SPEC.md, "Channel")."""

import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

from uniobs.region import _abi

MAGIC: Final = _abi.FRAME_MAGIC.to_bytes(4, "little")
PAYLOAD_MAX: Final = 1 << 16
CRC_AT: Final = _abi.FRAME_OFFSETS["crc"]


class Message(NamedTuple):
    """``size``: bytes asked for (READ) or carried (DATA); ``time``: guest TSC at which they were taken."""

    type: int
    id: int
    size: int
    address: int
    time: int
    payload: bytes = b""


def encode(message: Message) -> bytes:
    """The frame's bytes. A payload's length must be ``size``."""
    payload_crc = zlib.crc32(message.payload) if message.payload else 0
    head = _abi.FRAME.pack(
        _abi.FRAME_MAGIC,
        message.type,
        message.id,
        message.size,
        message.address,
        message.time,
        payload_crc,
        0,
    )[:CRC_AT]
    return head + zlib.crc32(head).to_bytes(4, "little") + message.payload


class Decoder:
    """Takes bytes as they come and gives whole, checked messages. ``skipped`` counts bytes of no frame.

    Holds one frame and one piece of input at most; what feed() gives must be taken to its end.
    """

    def __init__(self) -> None:
        self.skipped = 0
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[Message]:
        self._buffer += data
        at = 0
        try:
            while (at := self._next(at)) + _abi.FRAME_SIZE <= len(self._buffer):
                frame = _abi.Frame(*_abi.FRAME.unpack_from(self._buffer, at))
                carried = frame.size if frame.type == _abi.FRAME_DATA else 0
                if zlib.crc32(self._buffer[at : at + CRC_AT]) != frame.crc or carried > PAYLOAD_MAX:
                    at, self.skipped = at + 1, self.skipped + 1
                    continue
                end = at + _abi.FRAME_SIZE + carried
                if len(self._buffer) < end:
                    return
                payload = self._buffer[at + _abi.FRAME_SIZE : end]
                if carried and zlib.crc32(payload) != frame.payload_crc:
                    # Bytes were lost in it: another frame may begin inside.
                    at, self.skipped = at + 1, self.skipped + 1
                    continue
                at = end
                yield Message(frame.type, frame.id, frame.size, frame.address, frame.time, payload)
        finally:
            self._buffer = self._buffer[at:]

    def _next(self, start: int) -> int:
        """Where a frame may begin: at the magic, or at what of it stands at the buffer's end."""
        at = self._buffer.find(MAGIC, start)
        if at < 0:
            at = max(len(self._buffer) - len(MAGIC) + 1, start)
            while at < len(self._buffer) and not MAGIC.startswith(self._buffer[at:]):
                at += 1
        self.skipped += at - start
        return at
