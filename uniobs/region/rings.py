"""One ring: a cursor that gives each slot once, and counts exactly what it could not give.

Position p lives in slot p & (n - 1) and is valid when that slot's sequence is (p + 1) modulo 2^32.
A slot is given only when it was committed before its bytes were read and can't have been reserved
again by the time that the reading ended.
"""

from typing import Final, NamedTuple

from uniobs.errors import UnknownMemory
from uniobs.region import _abi
from uniobs.region.reader import Region

SEQ_MASK: Final = (1 << 32) - 1
MAX_HEAD: Final = 1 << 62


class Slot(NamedTuple):
    """``raw`` is one slot's bytes, its sequence included."""

    position: int
    raw: bytes


class RingReader:
    """Reads one ring section from its oldest slot on.

    head = received + lost + torn + in_flight after every poll(). ``garbled`` says that the head
    contradicts the slots: nothing of the ring can be trusted then, its loss is unknown, and poll()
    gives nothing.
    """

    def __init__(self, region: Region, section: _abi.Section) -> None:
        self._region = region
        self._section = section
        self._count = section.entry_count
        self._each = section.entry_size
        self.cursor = 0
        self.received = 0
        self.lost = 0
        self.torn = 0
        self.in_flight = 0
        self.truncated = 0  # the guest's own count of events that it cut
        self.is_settled = False  # as of the last poll: what is half written stays so
        self.garbled = False

    def head(self) -> _abi.Ring:
        raw = self._region.read(self._section.offset, _abi.RING_SIZE)
        return _abi.Ring(*_abi.RING.unpack(raw))

    def seek_end(self) -> None:
        """Skip what is there; it isn't counted as lost."""
        ring = self.head()
        self.truncated = ring.truncated
        if ring.head < MAX_HEAD:
            self.received += ring.head - self.cursor
            self.cursor = ring.head

    def poll(self) -> list[Slot]:
        """The slots committed since the last call, oldest first. Gaps between positions were counted."""
        settled = self.is_settled = self._region.settled
        ring = self.head()
        head, self.truncated = ring.head, ring.truncated
        if self.garbled or not self.cursor <= head < MAX_HEAD:
            self.garbled = True
            return []
        start = max(self.cursor, head - self._count)
        lost = start - self.cursor
        slots = self._copy(start, head)
        if not settled:
            # Committed in the first copy, so whole in the second; and not reserved again after it.
            committed = [self._is(slots[i], start + i) for i in range(head - start)]
            slots = self._copy(start, head)
            after = self.head().head
            if not head <= after < MAX_HEAD:
                self.garbled = True
                return []
        else:
            committed = [True] * (head - start)
            after = head
        valid = [ok and self._is(slots[i], start + i) for i, ok in enumerate(committed)]
        if self._contradicts(start, head, slots, valid, settled):
            self.garbled = True
            return []
        overwritten = min(max(after - self._count - start, 0), head - start)
        end = head - start
        if not settled:
            while end > overwritten and not valid[end - 1]:
                end -= 1  # being written: next time
        self.lost += lost + overwritten
        given = [Slot(start + i, raw) for i, raw in enumerate(slots[:end]) if i >= overwritten and valid[i]]
        self.received += len(given)
        self.torn += end - overwritten - len(given)
        self.cursor = start + end
        self.in_flight = head - self.cursor
        return given

    def _is(self, raw: bytes, position: int) -> bool:
        return int.from_bytes(raw[:4], "little") == (position + 1) & SEQ_MASK

    def _contradicts(
        self, start: int, head: int, slots: list[bytes], valid: list[bool], settled: bool
    ) -> bool:
        """Whether a ring that stands still says one thing in its head and another in its slots.

        The slot at the head's own position is there already; or more slots than one event takes are
        missing right before it; or no slot is as it should be, though some were written later.
        """
        if not settled:
            return False
        if any(self._is(raw, head) for raw in self._copy(head, head + 1)):
            return True
        if head == 0 and any(self._is_later(raw, i, 0) for i, raw in enumerate(self._copy(0, self._count))):
            return True
        missing = next((i for i, ok in enumerate(reversed(valid)) if ok), len(valid))
        if missing > _abi.SLOT_MAX:
            return True
        if head == start or any(valid):
            return False
        return any(self._is_later(raw, start + i, head) for i, raw in enumerate(slots))

    def _is_later(self, raw: bytes, position: int, head: int) -> bool:
        """The slot that position has holds one from after head."""
        held = int.from_bytes(raw[:4], "little") - 1
        return (held - head) & SEQ_MASK < 1 << 31 and (held - position) & (self._count - 1) == 0

    def _copy(self, start: int, end: int) -> list[bytes]:
        """Slots of positions [start, end), at most the ring's size; b"" for what isn't held."""
        out: list[bytes] = []
        while start < end:
            first = start & (self._count - 1)
            run = min(end - start, self._count - first)
            out += self._run(first, run)
            start += run
        return out

    def _run(self, first: int, run: int) -> list[bytes]:
        base = self._section.offset + _abi.RING_SIZE + first * self._each
        try:
            data = self._region.read(base, run * self._each)
        except UnknownMemory:
            return [self._one(base + i * self._each) for i in range(run)]
        return [data[at : at + self._each] for at in range(0, run * self._each, self._each)]

    def _one(self, offset: int) -> bytes:
        try:
            return self._region.read(offset, self._each)
        except UnknownMemory:
            return b""
