"""One ring: a cursor that gives each slot once, and counts exactly what it could not give.

Position p lives in slot p & (n - 1) and is valid when that slot's sequence, less its check word, is
(p + 1) modulo 2^32.
A slot is given only when it was committed before its bytes were read and can't have been reserved
again by the time that the reading ended.
"""

from uniobs.errors import UnknownMemory
from uniobs.lean import Final, NamedTuple
from uniobs.region import _abi, check
from uniobs.region.reader import Region

SEQ_MASK: Final = (1 << 32) - 1
MAX_HEAD: Final = 1 << 62
RACING: Final = 1 << 20  # events that may be written between the reads of two words of a ring's head


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
        self._packets = section.kind == _abi.SECTION_PACKETS
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
        if self.garbled or not self.cursor <= head < MAX_HEAD or not self._agrees(ring, settled):
            self.garbled = True
            return []
        start = max(self.cursor, head - self._count)
        lost = start - self.cursor
        slots = self._copy(start, head)
        if not settled:
            # Committed in the first copy, so whole in the second; and not reserved again after it.
            committed = [self._is(slots[i], start + i) for i in range(head - start)]
            first, slots = slots, self._copy(start, head)
            after = self.head().head
            if not head <= after < MAX_HEAD:
                self.garbled = True
                return []
        else:
            first, committed = slots, []
            after = head
        valid = [
            committed[i] and (raw == first[i] or self._is(raw, start + i))
            if committed
            else self._is(raw, start + i)
            for i, raw in enumerate(slots)
        ]
        overwritten = min(max(after - self._count - start, 0), head - start)
        if self._gap(valid[overwritten:]) or (settled and self._contradicts(start, head, slots, valid)):
            self.garbled = True
            return []
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

    def _sequence(self, raw: bytes) -> int | None:
        """The sequence that a slot's bytes add up to; None when they can't be a slot's."""
        if len(raw) != self._each:
            return None
        return check.packet_sequence(raw) if self._packets else check.slot_sequence(raw)

    def _is(self, raw: bytes, position: int) -> bool:
        return self._sequence(raw) == (position + 1) & SEQ_MASK

    @staticmethod
    def _agrees(ring: _abi.Ring, settled: bool) -> bool:
        """The head against the count of events, each of which took 1 to 15 slots: sequences tell only
        the low 32 bits of a position."""
        racing = 0 if settled else RACING
        return ring.events <= ring.head + racing and ring.head <= (ring.events + 1 + racing) * _abi.SLOT_MAX

    @staticmethod
    def _gap(valid: list[bool]) -> bool:
        """More slots are missing right before the head than one event takes: nobody reserved them."""
        missing = next((i for i, ok in enumerate(reversed(valid)) if ok), len(valid))
        return missing > _abi.SLOT_MAX

    def _contradicts(self, start: int, head: int, slots: list[bytes], valid: list[bool]) -> bool:
        """Whether a ring that stands still says one thing in its head and another in its slots.

        The slot at the head's own position is there already; or no slot is as it should be, though
        some were written later.
        """
        if any(self._is(raw, head) for raw in self._copy(head, head + 1)):
            return True
        if head == 0 and any(self._is_later(raw, i, 0) for i, raw in enumerate(self._copy(0, self._count))):
            return True
        if head == start or any(valid):
            return False
        return any(self._is_later(raw, start + i, head) for i, raw in enumerate(slots))

    def _is_later(self, raw: bytes, position: int, head: int) -> bool:
        """The slot that position has holds one from after head."""
        found = self._sequence(raw)
        if found is None:
            return False
        held = found - 1
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
