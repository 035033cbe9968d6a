"""SerialMemory: guest memory read over a byte stream that the guest answers on (virtio-serial)."""

import os
import socket
import time
from collections.abc import Sequence

from uniobs.channel.frames import PAYLOAD_MAX, Decoder, Message, encode
from uniobs.channel.unix import connect_unix
from uniobs.errors import BadFormat, TargetError, TargetGone, UnknownMemory
from uniobs.memory.base import Range
from uniobs.memory.sparse import SparseMemory
from uniobs.region import _abi

PAGE = 4096
WINDOW = 4  # requests under way at once
TRIES = 3
READ_MAX = 1 << 28
SKIPPED_MAX = 64 << 20  # bytes that are no frames; a peer that sends only such is no guest


class SerialMemory:
    """Reads ask the guest and are mirrored; what was read stays as it was until refresh().

    The region itself is asked for anew by each read: its readers tell a torn row by reading it twice.
    Raises TargetError when no answer comes within ``timeout`` seconds, UnknownMemory for a refusal.
    """

    live = True

    def __init__(self, path: str, timeout: float = 5.0) -> None:
        self.path = path
        self.timeout = timeout
        self.mirror = SparseMemory(live=True)
        self.round_trips = 0
        self._decoder = Decoder()
        self._next_id = int.from_bytes(os.urandom(4), "little")
        self._socket: socket.socket | None = connect_unix(path, timeout)
        try:
            self.region = self._hello()
        except BaseException:
            self.close()
            raise

    def _hello(self) -> Range:
        """Where the region lies; its first page is in the mirror."""
        answer = self._ask([(0, PAGE)], _abi.FRAME_HELLO)[0]
        size = int.from_bytes(answer.payload[_abi.HEADER_OFFSETS["size"] :][:8], "little")
        if not answer.payload.startswith(_abi.MAGIC) or answer.address % PAGE or answer.address >= 1 << 52:
            raise BadFormat(f"{self.path}: the guest's greeting holds no region")
        return Range(answer.address, min(max(size, PAGE), READ_MAX))

    def read(self, address: int, size: int) -> bytes:
        if size <= 0:
            return b""
        if address < 0 or size > READ_MAX or address + size > 1 << 64:
            raise UnknownMemory(address, size)
        in_region = self.region.start <= address and address + size <= self.region.end
        wanted = [Range(address, size)] if in_region else self.mirror.missing(address, size)
        pieces = [
            (at, min(PAYLOAD_MAX, gap.end - at))
            for gap in wanted
            for at in range(gap.start, gap.end, PAYLOAD_MAX)
        ]
        for answer in self._ask(pieces, _abi.FRAME_READ):
            self.mirror.store(answer.address, answer.payload, answer.time)
        return self.mirror.read(address, size)

    def ranges(self) -> Sequence[Range]:
        """The region; the guest doesn't say what else it would give."""
        return [self.region]

    def refresh(self) -> None:
        self.mirror.clear()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    # --- requests -------------------------------------------------------------------------------------

    def _ask(self, pieces: Sequence[tuple[int, int]], kind: int) -> list[Message]:
        """One checked DATA answer a piece, in order. What got lost or garbled is asked for again."""
        answers: dict[int, Message] = {}
        for first in range(0, len(pieces), WINDOW):
            group = {index: pieces[index] for index in range(first, min(first + WINDOW, len(pieces)))}
            end = time.monotonic() + self.timeout
            for attempt in range(TRIES):
                open_ones = [index for index in group if index not in answers]
                share = end if attempt == TRIES - 1 else time.monotonic() + self.timeout / TRIES
                self._round(
                    {self._send(kind, *group[index]): index for index in open_ones},
                    group,
                    answers,
                    kind,
                    share,
                )
                if all(index in answers for index in group):
                    break
            else:
                raise TargetError(
                    f"{self.path}: the guest doesn't answer on its channel (waited {self.timeout:g} s; "
                    "is it stuck, or does another client hold the socket?)"
                )
        return [answers[index] for index in range(len(pieces))]

    def _send(self, kind: int, address: int, size: int) -> int:
        number = self._next_id = (self._next_id + 1) & 0xFFFFFFFF
        self.round_trips += 1
        try:
            self._connected().sendall(encode(Message(kind, number, size, address, 0)))
        except TimeoutError:
            raise TargetError(f"{self.path}: the guest doesn't take requests from its channel") from None
        except OSError as error:
            raise TargetGone(f"{self.path}: {error.strerror or error}") from None
        return number

    def _round(
        self,
        asked: dict[int, int],
        group: dict[int, tuple[int, int]],
        answers: dict[int, Message],
        kind: int,
        end: float,
    ) -> None:
        """Take answers until all of ``asked`` (id: index) came or time is over."""
        while asked:
            left = end - time.monotonic()
            if left <= 0:
                return
            link = self._connected()
            link.settimeout(left)
            try:
                data = link.recv(1 << 17)
            except TimeoutError:
                return
            except OSError as error:
                raise TargetGone(f"{self.path}: {error.strerror or error}") from None
            if not data:
                raise TargetGone(f"{self.path}: the VMM closed the channel")
            for message in self._decoder.feed(data):
                index = asked.get(message.id)
                if index is None:
                    continue  # the answer to somebody before us, or to what was asked for again
                address, size = group[index]
                if message.type == _abi.FRAME_REFUSED:
                    raise UnknownMemory(address, size, "the guest refuses to read it")
                right = kind == _abi.FRAME_HELLO or message.address == address
                if message.type == _abi.FRAME_DATA and right and len(message.payload) == size:
                    answers[index] = message
                    del asked[message.id]
            if self._decoder.skipped > SKIPPED_MAX:
                raise TargetError(f"{self.path}: what comes over it are no frames of a guest")

    def _connected(self) -> socket.socket:
        if self._socket is None:
            raise TargetGone(f"{self.path} was closed")
        return self._socket
