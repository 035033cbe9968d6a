"""Event descriptors: what an event id means, checked so that a garbled one is refused, not shown."""

from uniobs.lean import Final, Literal
from uniobs.model.row import frozen
from uniobs.region import _abi
from uniobs.region.reader import Region

Phase = Literal["instant", "enter", "exit"]
PHASES: Final[dict[int, Phase]] = {
    _abi.PHASE_INSTANT: "instant",
    _abi.PHASE_ENTER: "enter",
    _abi.PHASE_EXIT: "exit",
}
MAX_ARGS: Final = 48 // _abi.EVENT_ARG_SIZE
BYTES_KINDS: Final = 32  # kinds from here on carry a head word and bytes


@frozen
class ArgDef:
    kind: int
    pos: int
    name: str | None


@frozen
class EventDef:
    id: int
    name: str
    pair: int  # the ENTER event's id, for both halves; 0 for an instant
    phase: Phase
    category: str
    args: tuple[ArgDef, ...]


# Those that the library itself emits, should a region carry no row for them.
RESERVED: Final = {
    _abi.EVENT_SWITCH: EventDef(
        _abi.EVENT_SWITCH,
        "sched_switch",
        0,
        "instant",
        "sched",
        (ArgDef(_abi.ARG_TID, 0, "prev"), ArgDef(_abi.ARG_TID, 1, "next")),
    ),
}


class Descriptors:
    """The events that a region defines; get() looks again when an id is new and the guest lives."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self._known: dict[int, EventDef] = {}
        self._load()

    def get(self, event_id: int) -> EventDef | None:
        found = self._known.get(event_id)
        if found is None and self._region.memory.live:
            self._load()
            found = self._known.get(event_id)
        return found

    def arities(self) -> dict[int, int]:
        """By pair: 1 + the highest position that an argument of either half has."""
        out: dict[int, int] = {}
        for found in self._known.values():
            carried = found.args[2:] if found.phase == "exit" else found.args
            if found.pair:
                highest = max((arg.pos + 1 for arg in carried), default=0)
                out[found.pair] = max(highest, out.get(found.pair, 0))
        return out

    def names(self, category: str = "syscall") -> list[str]:
        """Events of a category, by name."""
        return sorted({found.name for found in self._known.values() if found.category == category})

    def _load(self) -> None:
        by_id = {
            row.index: row.value
            for row in self._region.events()
            if not row.torn and row.value.id == row.index
        }
        known = dict(RESERVED)
        for event_id, row in by_id.items():
            known.pop(event_id, None)
            parsed = self._parse(row, by_id)
            if parsed is not None:
                known[event_id] = parsed
        self._known = known

    def _parse(self, row: _abi.Event, by_id: dict[int, _abi.Event]) -> EventDef | None:
        phase, category = PHASES.get(row.phase), _abi.CATEGORY_NAMES.get(row.category)
        name = self._region.string(row.name)
        if phase is None or category is None or not name or row.nargs > MAX_ARGS:
            return None
        args = self._args(row)
        if args is None:
            return None
        pair = 0
        returns = any(arg.kind in (_abi.ARG_RET, _abi.ARG_ENTER_TIME) for arg in args)
        if returns != (phase == "exit"):
            return None
        if phase == "enter":
            pair = row.id
            if row.pair or all(other.pair != row.id for other in by_id.values()):
                return None  # an entry has an exit
        elif phase == "exit":
            # Its entry must exist and say the same: one flipped bit in either is seen here.
            entry = by_id.get(row.pair)
            if entry is None or entry.phase != _abi.PHASE_ENTER or entry.name != row.name:
                return None
            first = [arg.kind for arg in args[:2]]
            if entry.category != row.category or first != [_abi.ARG_RET, _abi.ARG_ENTER_TIME]:
                return None
            pair = row.pair
        elif row.pair or any(other.pair == row.id for other in by_id.values()):
            return None
        return EventDef(row.id, name, pair, phase, category, args)

    def _args(self, row: _abi.Event) -> tuple[ArgDef, ...] | None:
        out = []
        for i, fields in enumerate(_abi.EVENT_ARG.iter_unpack(row.args)):
            arg = _abi.EventArg(*fields)
            if i >= row.nargs:
                if any(fields):
                    return None  # more arguments than it says
                continue
            name = self._region.string(arg.name) if arg.name else None
            if arg.kind == _abi.ARG_NONE or arg.kind not in _abi.ARG_NAMES or (arg.name and name is None):
                return None
            out.append(ArgDef(arg.kind, arg.pos, name))
        return tuple(out)
