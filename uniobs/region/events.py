"""Events of a trace or log ring: slots put together, arguments decoded."""

from collections.abc import Sequence

from uniobs.lean import Final
from uniobs.model.guest import Arg, Event, Loss
from uniobs.model.row import frozen
from uniobs.region import _abi
from uniobs.region.descriptors import BYTES_KINDS, ArgDef, Descriptors
from uniobs.region.reader import Region
from uniobs.region.rings import RingReader, Slot

FIRST_WORDS: Final = 2
CONT_WORDS: Final = 3
MAX_CONT: Final = 14
BACKWARDS: Final = 1 << 33  # ticks: further behind its predecessor than any nesting of writers explains
SIGNED: Final = frozenset({_abi.ARG_I64, _abi.ARG_FD, _abi.ARG_RET})


@frozen
class RawEvent:
    """A whole event: its first slot's position, and its words."""

    position: int
    id: int
    tid: int
    time: int
    words: tuple[int, ...]


class EventRing:
    """Whole events of one ring, and the loss: head = slots in given events + lost + torn + held."""

    def __init__(self, region: Region, section: _abi.Section) -> None:
        self.ring = RingReader(region, section)
        self.index = section.index
        self.given = 0  # slots in events that were given
        self.last_time = 0
        self._broken = 0  # slots of events that were not whole
        self._garbage = 0  # slots of events that can't be what they say
        self._pending: list[Slot] = []
        self._truncated_before = 0

    @property
    def loss(self) -> Loss:
        """Lost for good, in slots; events that the guest cut. A ``garbled`` ring knows neither."""
        ring = self.ring
        truncated = max(0, ring.truncated - self._truncated_before)
        return Loss(ring.lost + self._broken, ring.torn + self._garbage, truncated, int(ring.garbled))

    @property
    def held(self) -> int:
        """Slots of an event that is still being written, or was when last looked at."""
        return self.ring.in_flight + len(self._pending)

    def seek_end(self) -> None:
        """Begin with what is written from now on."""
        self.ring.seek_end()
        self._pending = []
        self._truncated_before = self.ring.truncated

    def poll(self) -> list[RawEvent]:
        """Whole events, oldest first."""
        raws = self._assemble(self._pending + self.ring.poll())
        out = []
        for raw, good in zip(raws, plausible(raws, self.last_time), strict=True):
            slots = slots_of(len(raw.words))
            if good:
                self.given += slots
                self.last_time = max(self.last_time, raw.time)
                out.append(raw)
            else:
                self._garbage += slots
        return out

    def discard(self, slots: int) -> None:
        """An event that was given turned out to be garbage: count it as torn instead."""
        self.given -= slots
        self._garbage += slots

    def _assemble(self, slots: list[Slot]) -> list[RawEvent]:
        self._pending = []
        out: list[RawEvent] = []
        at = 0
        while at < len(slots):
            position, raw = slots[at]
            head = _abi.Slot(*_abi.SLOT.unpack(raw))
            count = head.info >> _abi.SLOT_N_SHIFT
            if count > MAX_CONT:
                self._broken += 1  # a continuation whose event's start was not given
                at += 1
                continue
            group = slots[at : at + 1 + count]
            good = self._run(group, position, head.info & _abi.SLOT_ID_MASK)
            if good == count + 1 and not self._goes_on(slots, at + good):
                out.append(self._whole(position, head, group))
            elif good <= count and at + good == len(slots) and self._unfinished(position + good):
                self._pending = slots[at:]
                return out
            else:
                # What stands where the rest should be contradicts it: neither is believed.
                good = sum(1 for i, slot in enumerate(group) if slot.position == position + i)
                self._broken += good
            at += good
        return out

    @staticmethod
    def _goes_on(slots: Sequence[Slot], at: int) -> bool:
        """The slot right behind an event continues one: so the event's own count of slots is garbled."""
        if at >= len(slots) or slots[at].position != slots[at - 1].position + 1:
            return False
        return int.from_bytes(slots[at].raw[4:6], "little") >> _abi.SLOT_N_SHIFT == _abi.SLOT_CONT

    def _unfinished(self, position: int) -> bool:
        """The slot at ``position`` may still come: nothing later of this ring was given."""
        return position == self.ring.cursor and not self.ring.is_settled

    @staticmethod
    def _run(group: Sequence[Slot], position: int, event_id: int) -> int:
        """How many of the group, from its first, belong to one event."""
        good = 1
        for part, (at, raw) in enumerate(group[1:], 1):
            info = int.from_bytes(raw[4:6], "little")
            number = int.from_bytes(raw[6:8], "little")
            expected = _abi.SLOT_CONT << _abi.SLOT_N_SHIFT | event_id
            if at != position + part or info != expected or number != part:
                break
            good += 1
        return good

    @staticmethod
    def _whole(position: int, head: _abi.Slot, group: Sequence[Slot]) -> RawEvent:
        words = [head.w0, head.w1]
        for _, raw in group[1:]:
            words += _abi.SLOT_CONT_ROW.unpack(raw)[3:]
        return RawEvent(position, head.info & _abi.SLOT_ID_MASK, head.tid, head.time, tuple(words))


def plausible(raws: Sequence[RawEvent], last: int) -> list[bool]:
    """Which events' times fit their neighbours'. Of two that contradict each other neither does."""
    good = [True] * len(raws)
    for i, raw in enumerate(raws):
        before = raws[i - 1].time if i else last
        if raw.time == 0:
            good[i] = False
        elif raw.time + BACKWARDS < before:
            good[i] = False
            if i:
                good[i - 1] = False
    return good


def slots_of(words: int) -> int:
    """How many slots an event of that many words takes."""
    return 1 + max(0, -(-(words - FIRST_WORDS) // CONT_WORDS))


def take_bytes(words: Sequence[int], at: int) -> tuple[bytes, int, int] | None:
    """A PATH or BUF argument at words[at]: (bytes, full length, next index); None when it can't be one."""
    if at >= len(words):
        return None
    full, captured = words[at] & 0xFFFFFFFF, words[at] >> 32 & 0xFFFF
    count = -(-captured // 8)
    if words[at] >> 48 or captured > full or at + 1 + count > len(words):
        return None
    data = b"".join(word.to_bytes(8, "little") for word in words[at + 1 : at + 1 + count])
    if any(data[captured:]):
        return None  # the padding is zero
    return data[:captured], full, at + 1 + count


def decode(region: Region, descriptors: Descriptors, ring: int, raw: RawEvent) -> Event | None:
    """The event in words, or None when its bytes contradict its descriptor."""
    definition = descriptors.get(raw.id)
    if definition is None:
        return None
    args: list[Arg] = []
    at = 0
    cut = len(raw.words) == FIRST_WORDS + CONT_WORDS * MAX_CONT  # longer ones were cut by the library
    for arg in definition.args:
        if arg.kind >= BYTES_KINDS:
            found = take_bytes(raw.words, at)
            if found is None:
                if cut:
                    break
                return None
            data, full, at = found
            args.append(Arg(arg.name, _abi.ARG_NAMES[arg.kind], arg.pos, data, full))
            continue
        if at >= len(raw.words):
            if cut:
                break
            return None
        args.append(_scalar(region, arg, raw.words[at]))
        at += 1
    if not cut and slots_of(at) != slots_of(len(raw.words)):
        return None  # longer than its arguments
    return Event(
        ring=ring,
        position=raw.position,
        time_tsc=raw.time,
        time_ns=region.clock.ns(raw.time),
        tid=raw.tid,
        name=definition.name,
        phase=definition.phase,
        category=definition.category,
        pair=definition.pair,
        args=tuple(args),
    )


def _scalar(region: Region, arg: ArgDef, word: int) -> Arg:
    kind = _abi.ARG_NAMES[arg.kind]
    if arg.kind == _abi.ARG_STRING:
        found = region.string(word)
        if found is not None:
            data = found.encode("utf-8", "replace")
            return Arg(arg.name, kind, arg.pos, data, len(data))
    if arg.kind in SIGNED and word >> 63:
        word -= 1 << 64
    if arg.kind == _abi.ARG_FD and word >> 31 == 1:
        word -= 1 << 32  # an int that was widened without its sign
    return Arg(arg.name, kind, arg.pos, word)
