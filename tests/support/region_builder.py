"""Builds the bytes of a region from rows, as the guest library would leave them."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import Any

from uniobs.errors import UnknownMemory
from uniobs.memory.base import Range
from uniobs.region import _abi, check

PAGE = 4096


class FakeMemory:
    """Guest-physical memory in a bytearray; what lies outside it is unknown."""

    def __init__(self, data: bytes, base: int = 0x200000, live: bool = False) -> None:
        self.data = bytearray(data)
        self.base = base
        self.live = live
        self.reads = 0

    def read(self, address: int, size: int) -> bytes:
        self.reads += 1
        at = address - self.base
        if at < 0 or at + size > len(self.data):
            raise UnknownMemory(address, size)
        return bytes(self.data[at : at + size])

    def ranges(self) -> Sequence[Range]:
        return [Range(self.base, len(self.data))]

    def close(self) -> None:
        self.data.clear()


@dataclass
class RingState:
    """What a writer keeps of one ring."""

    kind: int
    index: int
    count: int
    each: int
    head: int = 0
    events: int = 0
    truncated: int = 0
    slots: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self.slots = bytearray(self.count * self.each)

    def store(self, position: int, slot: bytes) -> None:
        at = (position & (self.count - 1)) * self.each
        self.slots[at : at + len(slot)] = slot

    def put(self, event_id: int, tid: int, time: int, words: Sequence[int]) -> int:
        """An event as uniobs_emit writes it; its first position."""
        parts = len(words) // 3 if len(words) > 2 else 0
        padded = [*words, *[0] * (2 + 3 * parts)][: 2 + 3 * parts]
        first = self.head
        self.head += parts + 1
        info = event_id | parts << _abi.SLOT_N_SHIFT
        self.store(first, sealed(_abi.SLOT.pack(seq(first), info, tid & 0xFFFF, time, *padded[:2])))
        for part in range(1, parts + 1):
            info = event_id | _abi.SLOT_CONT << _abi.SLOT_N_SHIFT
            at = 3 * part - 1
            row = _abi.SLOT_CONT_ROW.pack(seq(first + part), info, part, *padded[at : at + 3])
            self.store(first + part, sealed(row))
        self.events += 1
        return first

    def put_packet(self, data: bytes, time: int, direction: int = 0, iface: int = 1) -> int:
        position = self.head
        self.head += 1
        cut = data[: self.each - _abi.PACKET_SIZE]
        head = _abi.PACKET.pack(seq(position), iface, direction, 0, time, len(data), len(cut), 0)
        self.store(position, sealed((head + cut).ljust(self.each, b"\0")))
        self.events += 1
        return position

    @property
    def data(self) -> bytes:
        head = _abi.RING.pack(self.head, self.events, self.truncated, 0, 0, b"")
        return head + bytes(self.slots)


def seq(position: int) -> int:
    return (position + 1) & 0xFFFFFFFF


def set_state(memory: FakeMemory, state: int) -> None:
    """The guest's state as uniobs_set_state stores it."""
    at, end = _abi.LIVE_OFFSET, _abi.HEADER_LIVE_OFFSETS["check"]
    memory.data[at : at + 4] = state.to_bytes(4, "little")
    word = check.total(bytes(memory.data[at : at + end])) >> 32
    memory.data[at + end : at + end + 4] = word.to_bytes(4, "little")


def reseal_event(memory: FakeMemory, at: int) -> None:
    """The check word of the event descriptor at that offset, after its fields were changed."""
    row = bytes(memory.data[at : at + _abi.EVENT_SIZE])
    memory.data[at : at + _abi.EVENT_SIZE] = with_check(row, _abi.EVENT_OFFSETS["check"])


def sealed(slot: bytes) -> bytes:
    """The slot with its check word folded into its sequence."""
    size = _abi.PACKET_SIZE + (int.from_bytes(slot[20:24], "little") + 7 & ~7) if len(slot) > 32 else 32
    word = check.total(bytes(4) + slot[4:size]) >> 32
    return (int.from_bytes(slot[:4], "little") ^ word).to_bytes(4, "little") + slot[4:]


def live_bytes(values: Mapping[str, Any]) -> bytes:
    """header_live with its check word."""
    live = row_bytes(_abi.HEADER_LIVE, _abi.HEADER_LIVE_OFFSETS, values)
    end = _abi.HEADER_LIVE_OFFSETS["check"]
    return live[:end] + (check.total(live[:end]) >> 32).to_bytes(4, "little") + live[end + 4 :]


def row_with_check(row: bytes) -> bytes:
    return row[:4] + (check.total(row[8:]) >> 32).to_bytes(4, "little") + row[8:]


def with_check(record: bytes, offset: int) -> bytes:
    """The record with its check word filled in."""
    return record[:offset] + check.blanked(record, offset).to_bytes(4, "little") + record[offset + 4 :]


def pack_bytes(data: bytes, limit: int = 64) -> list[int]:
    """The words of a PATH or BUF argument."""
    cut = data[:limit]
    padded = cut.ljust(-(-len(cut) // 8) * 8, b"\0")
    return [
        len(data) | len(cut) << 32,
        *(int.from_bytes(padded[i : i + 8], "little") for i in range(0, len(padded), 8)),
    ]


def sockaddr(a: int, b: int, c: int, d: int, port: int) -> int:
    return a | b << 8 | c << 16 | d << 24 | port << 32 | 4 << 48


class RegionBuilder:
    """Collects rows; build() gives the region's bytes for its physical address.

    Rows are keyword arguments by the schema's field names; what isn't named is zero.
    """

    def __init__(self, base: int = 0x200000, tsc_khz: int = 1_000_000, **header: Any) -> None:
        self.base = base
        self.header: dict[str, Any] = {
            "tsc_khz": tsc_khz,
            "anchor_tsc": 1_000_000,
            "anchor_wall_ns": 1_700_000_000_000_000_000,
            "cpu_count": 1,
            "arch": 62,
            "kernel": b"demo",
            "app": b"kv",
            "image_id": bytes(range(20)),
            "image_id_len": 20,
            "boot_id": b"b" * 16,
            **header,
        }
        self.live: dict[str, Any] = {"state": _abi.STATE_RUNNING}
        self.tables: dict[int, list[bytes]] = {}
        self.spare = 2
        self._strings = bytearray(_abi.STRINGS_SIZE)
        self._offsets: dict[str, int] = {}
        self._events: dict[int, bytes] = {}
        self.rings: list[RingState] = []
        self.panic: bytes = b""

    def string(self, value: str | None) -> int:
        if not value:
            return 0
        if value not in self._offsets:
            data = value.encode()
            self._offsets[value] = len(self._strings) + 4
            self._strings += check.text_check(data).to_bytes(4, "little") + data + b"\0"
        return self._offsets[value]

    def _add(self, kind: int, layout: Struct, offsets: Mapping[str, int], values: Mapping[str, Any]) -> None:
        row = row_bytes(layout, offsets, values)
        if "seq" in offsets:
            row = row_with_check(row)
        self.tables.setdefault(kind, []).append(row)

    def thread(self, **values: Any) -> None:
        row = {"seq": 2, "state": _abi.THREAD_STATE_READY, "wait_fd": -1, **values}
        self._add(_abi.SECTION_THREADS, _abi.THREAD, _abi.THREAD_OFFSETS, row)

    def lock(self, **values: Any) -> None:
        row = {"seq": 2, "kind": _abi.LOCK_KIND_MUTEX, **values}
        self._add(_abi.SECTION_LOCKS, _abi.LOCK, _abi.LOCK_OFFSETS, row)

    def socket(self, **values: Any) -> None:
        row = {"seq": 2, "kind": _abi.FD_KIND_TCP, "family": 4, "fd": -1, **values}
        self._add(_abi.SECTION_SOCKETS, _abi.SOCKET, _abi.SOCKET_OFFSETS, row)

    def iface(self, **values: Any) -> None:
        self._add(_abi.SECTION_IFACES, _abi.IFACE, _abi.IFACE_OFFSETS, {"seq": 2, **values})

    def heap(self, **values: Any) -> None:
        self._add(_abi.SECTION_HEAP, _abi.HEAP, _abi.HEAP_OFFSETS, {"seq": 2, **values})

    def site(self, **values: Any) -> None:
        self._add(_abi.SECTION_SITES, _abi.SITE, _abi.SITE_OFFSETS, {"seq": 2, **values})

    def counter(self, name: str, value: int, kind: int = 1, unit: int = 4) -> None:
        row = {"name": self.string(name), "kind": kind, "unit": unit, "value": value}
        words = row["name"] | kind << 32 | unit << 48
        row |= {"inverse": ~value & check.MASK, "check": check.total(words.to_bytes(8, "little")) >> 32}
        self._add(_abi.SECTION_COUNTERS, _abi.COUNTER, _abi.COUNTER_OFFSETS, row)

    def event(
        self,
        event_id: int,
        name: str,
        args: Sequence[tuple[int, int, str]] = (),
        phase: int = _abi.PHASE_INSTANT,
        category: int = _abi.CATEGORY_SYSCALL,
        pair: int = 0,
    ) -> int:
        """args: (kind, pos, name) each."""
        packed = b"".join(_abi.EVENT_ARG.pack(kind, pos, self.string(text)) for kind, pos, text in args)
        row = _abi.EVENT.pack(self.string(name), event_id, pair, phase, category, len(args), 1, packed, 0)
        self._events[event_id] = with_check(row, _abi.EVENT_OFFSETS["check"])
        return event_id

    def call(
        self,
        event_id: int,
        name: str,
        args: Sequence[tuple[int, str]],
        outputs: Sequence[tuple[int, int, str]] = (),
    ) -> tuple[int, int]:
        """The ENTER and EXIT events of a system call: (event_id, event_id + 1)."""
        inputs = [(kind, i, text) for i, (kind, text) in enumerate(args)]
        self.event(event_id, name, inputs, _abi.PHASE_ENTER)
        exits = [(_abi.ARG_RET, 0, "ret"), (_abi.ARG_ENTER_TIME, 0, "enter_time"), *outputs]
        self.event(event_id + 1, name, exits, _abi.PHASE_EXIT, pair=event_id)
        return event_id, event_id + 1

    def ring(self, kind: int, count: int = 64, each: int = _abi.SLOT_SIZE, index: int = 0) -> RingState:
        state = RingState(kind, index, count, each)
        self.rings.append(state)
        return state

    def trace(self, count: int = 64, index: int = 0) -> RingState:
        return self.ring(_abi.SECTION_TRACE, count, index=index)

    def log(self, count: int = 64) -> RingState:
        return self.ring(_abi.SECTION_LOG, count)

    def packets(self, count: int = 16, each: int = 256) -> RingState:
        return self.ring(_abi.SECTION_PACKETS, count, each)

    def set_panic(self, stack: bytes = b"", **values: Any) -> None:
        stack += bytes(-len(stack) % 8)
        row = {"stack_len": len(stack), "stack_check": check.total(stack) >> 32, **values}
        raw = row_bytes(_abi.PANIC, _abi.PANIC_OFFSETS, row)
        self.panic = with_check(raw, _abi.PANIC_OFFSETS["check"]) + stack

    def sections(self) -> list[tuple[int, int, int, int, bytes]]:
        """(kind, index, entry size, count, bytes) each, in order."""
        out = []
        if len(self._strings) > _abi.STRINGS_SIZE:
            self._strings[:8] = _abi.STRINGS.pack(len(self._strings), 0)
            data = bytes(self._strings) + bytes(64)
            out.append((_abi.SECTION_STRINGS, 0, 1, len(data), data))
        if self._events:
            count = max(self._events) + 4
            data = b"".join(self._events.get(i, bytes(_abi.EVENT_SIZE)) for i in range(count))
            out.append((_abi.SECTION_EVENTS, 0, _abi.EVENT_SIZE, count, data))
        for kind, rows in sorted(self.tables.items()):
            spare = 0 if kind == _abi.SECTION_HEAP else self.spare
            data = b"".join(rows) + bytes(len(rows[0]) * spare)
            out.append((kind, 0, len(rows[0]), len(rows) + spare, data))
        out += [(r.kind, r.index, r.each, r.count, r.data) for r in self.rings]
        if self.panic:
            out.append((_abi.SECTION_PANIC, 0, len(self.panic), 1, self.panic))
        return out

    def build(self) -> bytes:
        sections = self.sections()
        at = _abi.DIRECTORY_OFFSET + len(sections) * _abi.SECTION_SIZE
        directory, body = b"", b""
        start = at
        for kind, index, each, count, data in sections:
            gap = -at % 64
            body += bytes(gap) + data
            at += gap
            directory += _abi.SECTION.pack(kind, index, at, len(data), each, count)
            at += len(data)
        size = -(-at // PAGE) * PAGE
        live = live_bytes(self.live)
        head = header_bytes(self.header, self.base, size, directory, len(sections))
        front = (head + live).ljust(_abi.DIRECTORY_OFFSET, b"\0") + directory
        assert len(front) == start
        return (front + body).ljust(size, b"\0")

    def memory(self, live: bool = False) -> FakeMemory:
        return FakeMemory(self.build(), self.base, live)


def row_bytes(layout: Struct, offsets: Mapping[str, int], values: Mapping[str, Any]) -> bytes:
    """A row by field names; unnamed fields are zero."""
    unknown = set(values) - set(offsets)
    if unknown:
        raise KeyError(f"no such field: {sorted(unknown)}")
    blank = layout.unpack(bytes(layout.size))
    fields = (values.get(name, empty) for name, empty in zip(offsets, blank, strict=True))
    return layout.pack(*fields)


def header_bytes(values: Mapping[str, Any], pa: int, size: int, directory: bytes, sections: int) -> bytes:
    """The guarded header with its checksum."""
    row = {
        "magic": _abi.MAGIC,
        "major": _abi.MAJOR,
        "minor": _abi.MINOR,
        "header_size": _abi.HEADER_SIZE,
        "self_pa": pa,
        "self_va": pa,
        "size": size,
        "section_count": sections,
        **values,
    }
    raw = row_bytes(_abi.HEADER, _abi.HEADER_OFFSETS, row)
    return raw[:-4] + zlib.crc32(directory, zlib.crc32(raw[:-4])).to_bytes(4, "little")
