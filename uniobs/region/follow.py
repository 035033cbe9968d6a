"""Cursors over the region's rings: log lines, packets, and trace events merged by time."""

from collections.abc import Iterable

from uniobs.lean import Final
from uniobs.model.guest import Event, LogLine, Loss, Packet
from uniobs.model.row import replace
from uniobs.region import _abi
from uniobs.region.descriptors import Descriptors
from uniobs.region.events import EventRing, decode, slots_of
from uniobs.region.log import log_line
from uniobs.region.packets import packet
from uniobs.region.reader import Region
from uniobs.region.rings import RingReader

MAX_HELD: Final = 1 << 18
MAX_STUCK: Final = 2  # polls that an event in the making can hold up the others


class LogFollow:
    """Log lines, oldest first."""

    def __init__(self, region: Region) -> None:
        self._region = region
        section = region.section(_abi.SECTION_LOG)
        self._rings = [] if section is None else [EventRing(region, section)]

    @property
    def loss(self) -> Loss:
        return total(self._rings)

    def seek_end(self) -> None:
        """Begin with what is logged from now on."""
        for ring in self._rings:
            ring.seek_end()

    def poll(self) -> list[LogLine]:
        out: list[LogLine] = []
        for ring in self._rings:
            for raw in ring.poll():
                line = log_line(self._region, raw)
                if line is None:
                    ring.discard(slots_of(len(raw.words)))
                else:
                    out.append(line)
        return out

    def flush(self) -> list[LogLine]:
        return []


class TraceFollow:
    """Events of all trace rings, in order of time.

    An event is held back while another ring may still give an earlier one; flush() gives those at the
    end. What was given + loss accounts for every slot that the guest ever took.
    """

    def __init__(self, region: Region) -> None:
        self._region = region
        self._descriptors = Descriptors(region)
        self.rings = [EventRing(region, section) for section in region.sections_of(_abi.SECTION_TRACE)]
        self._held: list[Event] = []
        self._stuck: dict[int, tuple[int, int]] = {}  # ring -> (cursor, polls it stood there)

    @property
    def loss(self) -> Loss:
        return total(self.rings)

    def seek_end(self) -> None:
        """Begin with what happens from now on."""
        for ring in self.rings:
            ring.seek_end()

    def poll(self) -> list[Event]:
        for ring in self.rings:
            for raw in ring.poll():
                event = decode(self._region, self._descriptors, ring.index, raw)
                if event is None:
                    ring.discard(slots_of(len(raw.words)))
                else:
                    self._held.append(event)
        self._held.sort(key=lambda e: (e.time_tsc, e.ring, e.position))
        bound = self._bound()
        if bound is None or len(self._held) > MAX_HELD:
            return self.flush()
        cut = next((i for i, e in enumerate(self._held) if e.time_tsc > bound), len(self._held))
        out, self._held = self._held[:cut], self._held[cut:]
        return out

    def flush(self) -> list[Event]:
        """What was held back."""
        out, self._held = self._held, []
        return out

    def arities(self) -> dict[int, int]:
        """How many arguments each call has, by Event.pair: those of its entry and those that it fills in."""
        return self._descriptors.arities()

    def _bound(self) -> int | None:
        """The time until which no ring can give another event; None: for ever."""
        if len(self.rings) < 2 or self._region.settled:
            return None
        bound: int | None = None
        for ring in self.rings:
            reader = ring.ring
            if reader.garbled or (reader.head().head <= reader.cursor and not ring.held):
                self._stuck.pop(ring.index, None)
                continue
            cursor, polls = self._stuck.get(ring.index, (-1, 0))
            polls = polls + 1 if cursor == reader.cursor else 0
            self._stuck[ring.index] = (reader.cursor, polls)
            if polls < MAX_STUCK and (bound is None or ring.last_time < bound):
                bound = ring.last_time
        return bound


class PacketFollow:
    """Frames of the packet ring, oldest first. ``captured`` counts all that the guest put into it."""

    def __init__(self, region: Region) -> None:
        self._region = region
        section = region.section(_abi.SECTION_PACKETS)
        self._ring = None if section is None else RingReader(region, section)
        self._garbage = 0
        self._skipped = 0
        self.snap = 0 if section is None else section.entry_size - _abi.PACKET_SIZE

    @property
    def loss(self) -> Loss:
        if self._ring is None:
            return Loss()
        return Loss(self._ring.lost, self._ring.torn + self._garbage, 0, int(self._ring.garbled))

    @property
    def captured(self) -> int:
        """Frames that the guest captured since the follow began."""
        return 0 if self._ring is None else self._ring.cursor - self._skipped

    def seek_end(self) -> None:
        """Begin with what passes from now on."""
        if self._ring is not None:
            self._ring.seek_end()
            self._skipped = self._ring.cursor

    def poll(self) -> list[Packet]:
        out: list[Packet] = []
        if self._ring is None:
            return out
        for slot in self._ring.poll():
            found = packet(self._region, slot)
            if found is None:
                self._garbage += 1
            else:
                out.append(found)
        return out

    def flush(self) -> list[Packet]:
        return []


def total(rings: Iterable[EventRing]) -> Loss:
    loss = Loss()
    for ring in rings:
        one = ring.loss
        loss = replace(
            loss,
            lost=loss.lost + one.lost,
            torn=loss.torn + one.torn,
            truncated=loss.truncated + one.truncated,
            garbled=loss.garbled + one.garbled,
        )
    return loss
