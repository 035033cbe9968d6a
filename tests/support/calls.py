"""Writes system calls into a trace ring, as a guest's call layer does."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.support.region_builder import RegionBuilder, RingState, pack_bytes
from uniobs.region import _abi

Value = int | bytes
Input = tuple[int, Value]  # kind, value; at its index's position
Output = tuple[int, int, Value]  # position, kind, value
Arg = tuple[int, int, str]  # kind, position, name


def words(kind: int, value: Value, limit: int) -> list[int]:
    if isinstance(value, bytes):
        return pack_bytes(value, limit)
    return [value & (1 << 64) - 1]


class CallWriter:
    """enter() and leave() write the halves; the events are defined as they come up."""

    def __init__(self, builder: RegionBuilder, capture: int = 64) -> None:
        self.builder = builder
        self.capture = capture
        self.time = 2_000_000
        self._ids: dict[object, int] = {}

    def _id(self, name: str, inputs: Sequence[Arg], outs: Sequence[Arg]) -> int:
        key = (name, tuple(inputs), tuple(outs))
        if key not in self._ids:
            event = _abi.EVENT_FIRST + 2 * len(self._ids)
            self.builder.event(event, name, inputs, _abi.PHASE_ENTER)
            exits = [(_abi.ARG_RET, 0, "ret"), (_abi.ARG_ENTER_TIME, 0, "entered"), *outs]
            self.builder.event(event + 1, name, exits, _abi.PHASE_EXIT, pair=event)
            self._ids[key] = event
        return self._ids[key]

    def enter(
        self,
        ring: RingState,
        tid: int,
        name: str,
        inputs: Sequence[Input | None],
        outputs: Sequence[Output] = (),
        names: Sequence[str] = (),
        ticks: int = 1000,
    ) -> "Open":
        """inputs: None where the argument is filled in by the call."""
        self.time += ticks
        named = [*names, *(f"a{i}" for i in range(len(names), len(inputs)))]
        defs = [(arg[0], i, named[i]) for i, arg in enumerate(inputs) if arg is not None]
        event = self._id(name, defs, [(kind, pos, f"o{pos}") for pos, kind, _ in outputs])
        data = [word for arg in inputs if arg is not None for word in words(*arg, self.capture)]
        ring.put(event, tid, self.time, data)
        return Open(self, ring, tid, event, self.time, outputs)

    def call(
        self,
        ring: RingState,
        tid: int,
        name: str,
        inputs: Sequence[Input | None],
        result: int,
        outputs: Sequence[Output] = (),
        names: Sequence[str] = (),
    ) -> None:
        self.enter(ring, tid, name, inputs, outputs, names).leave(result)


@dataclass
class Open:
    """A call that was entered."""

    writer: CallWriter
    ring: RingState
    tid: int
    event: int
    entered: int
    outputs: Sequence[Output]

    def leave(self, result: int, ticks: int = 1000) -> None:
        self.writer.time += ticks
        data = [result & (1 << 64) - 1, self.entered]
        for _, kind, value in self.outputs:
            data += words(kind, value, self.writer.capture)
        self.ring.put(self.event + 1, self.tid, self.writer.time, data)
