"""Which values a damaged byte may change, and whether a damaged region told anything else wrong.

What is checked: a value that is shown equals the undamaged one, or is marked unknown (None, torn, left
out and counted, an error of ours) - unless the damage hit the very bytes that carry that value and
nothing guards. The layout guards structure (header and directory by a CRC; rows by their sequence;
slots by position, part and id; lengths, offsets, kinds and pairs by what they must agree with). It
carries no checksum over plain values - a counter's value, an address, the text of a buffer, a state
among valid states - so a flip of those can't be seen by any reader, and OWN lists exactly them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.region_truth import BASE, Key, Seen
from uniobs.memory.base import Memory
from uniobs.region import _abi
from uniobs.region.reader import Region

Place = tuple[str, int, int, str]  # table, ring or 0, row or slot, field

OFFSETS: Final = {
    "events": _abi.EVENT_OFFSETS,
    "counters": _abi.COUNTER_OFFSETS,
    "threads": _abi.THREAD_OFFSETS,
    "locks": _abi.LOCK_OFFSETS,
    "sockets": _abi.SOCKET_OFFSETS,
    "heap": _abi.HEAP_OFFSETS,
    "sites": _abi.SITE_OFFSETS,
    "ifaces": _abi.IFACE_OFFSETS,
    "panic": _abi.PANIC_OFFSETS,
    "log": _abi.SLOT_OFFSETS,
    "trace": _abi.SLOT_OFFSETS,
    "packets": _abi.PACKET_OFFSETS,
}
PLAIN: Final = ("args", "text", "level", "truncated")
RINGS: Final = ("log", "trace", "packets")
STACK: Final = {"stack_lo", "stack_hi"}
WAIT: Final = {"state", "wait", "wait_obj", "wait_fd"}
# By table: the model's field, and the fields of the row that carry it, where the names differ.
OWN: Final[dict[str, dict[str, set[str]]]] = {
    "threads": {
        "tid": {"tid"},
        "current": {"tid"},
        "cpu_time_ns": {"cpu_ticks", "on_cpu_since", "state", "started"},
        "started_ns": {"started"},
        "stack_lo": STACK,
        "stack_hi": STACK,
        "stack_used": STACK | {"stack_low_mark"},
        "saved_sp": STACK | {"saved_sp", "state"},
        "idle": {"flags"},
        "wait.since_ns": WAIT | {"wait_since"},
        "wait.until_ns": WAIT | {"wait_until"},
        **{f"wait.{name}": WAIT for name in ("kind", "object", "name", "owner_tid", "fd")},
    },
    "locks": {"address": {"va"}, "acquired_ns": {"acquired"}},
    "sockets": {
        "opened_ns": {"opened"},
        "laddr": {"laddr", "family"},
        "raddr": {"raddr", "family"},
        "backlog": {"backlog", "state"},
        "backlog_max": {"backlog_max", "state"},
    },
    "ifaces": {"prefix": {"prefix", "addr"}},
    "counters": {},
    "sites": {},
    "heap": {},
    "panic": {"time_ns": {"time"}, "stack": {"stack", "stack_len"}, "registers.cpu": {"cpu"}},
}
ENUMS: Final = {"sockets": {"kind"}, "locks": {"kind"}}  # says which of the other fields mean anything
ALIVE: Final = {"threads": "state", "locks": "kind", "sockets": "kind", "counters": "kind", "panic": "kind"}


@dataclass
class Damage:
    """Which fields were hit."""

    places: set[Place] = field(default_factory=set)
    guarded: bool = False  # header or directory

    def rows(self, table: str, index: int) -> set[str]:
        return {name for t, _, row, name in self.places if t == table and row == index}

    def table(self, table: str) -> set[str]:
        return {name for t, _, _, name in self.places if t == table}


class Layout:
    """Names the field that a byte of the region belongs to."""

    def __init__(self, memory: Memory) -> None:
        region = Region(memory, BASE)
        self.sections = region.sections
        self.directory_end = _abi.DIRECTORY_OFFSET + len(self.sections) * _abi.SECTION_SIZE
        self.slots = {
            (_abi.SECTION_NAMES[s.kind], s.index): s.entry_count
            for s in self.sections
            if _abi.SECTION_NAMES[s.kind] in RINGS
        }

    def damage(self, offsets: Iterable[int]) -> Damage:
        out = Damage()
        for offset in offsets:
            if offset < _abi.HEADER_SIZE or _abi.DIRECTORY_OFFSET <= offset < self.directory_end:
                out.guarded = True
            elif offset < _abi.DIRECTORY_OFFSET:
                out.places.add(("live", 0, 0, _field(_abi.HEADER_LIVE_OFFSETS, offset - _abi.LIVE_OFFSET)))
            else:
                place = self._place(offset)
                if place is not None:
                    out.places.add(place)
        return out

    def _place(self, offset: int) -> Place | None:
        for s in self.sections:
            if not s.offset <= offset < s.offset + s.size:
                continue
            table, at = _abi.SECTION_NAMES[s.kind], offset - s.offset
            if table == "strings":
                return table, 0, 0, "text" if at >= _abi.STRINGS_SIZE else "used"
            if table == "panic":
                return table, 0, 0, _field(OFFSETS[table], at) if at < _abi.PANIC_SIZE else "stack"
            if table in RINGS:
                if at < _abi.RING_SIZE:
                    return table, s.index, -1, _field(_abi.RING_OFFSETS, at)
                at -= _abi.RING_SIZE
            row, within = divmod(at, s.entry_size)
            name = _field(OFFSETS[table], within) if table != "packets" or within < 32 else "data"
            return table, s.index, row, name
        return None


def _field(offsets: dict[str, int], at: int) -> str:
    return max((offset, name) for name, offset in offsets.items() if offset <= at)[1]


def wrong(truth: Seen, seen: Seen, damage: Damage, layout: Layout, spans: dict[Key, int]) -> list[str]:
    """Every value that is neither right nor unknown nor the damaged plain value itself."""
    out = []
    for key, row in seen.rows.items():
        if key not in truth.rows:
            if not _may_appear(key, damage):
                out.append(f"{key} was never there: {row}")
            continue
        if row.get("torn"):
            continue
        for name, value in row.items():
            if value in (None, "unknown", b"") or value == truth.rows[key].get(name, None) or name == "torn":
                continue
            if not _may_differ(key, name, value, damage, layout, spans):
                out.append(f"{key} {name}: {value!r}, not {truth.rows[key].get(name)!r}")
    for key in truth.rows.keys() - seen.rows.keys():
        if key[0] in ALIVE and ALIVE[key[0]] not in damage.rows(key[0], key[1]):
            out.append(f"{key} is missing")
    return out


def _may_appear(key: Key, damage: Damage) -> bool:
    """A row that was free is used when its kind says so."""
    if key[0] in RINGS:
        return False
    return bool(damage.rows(key[0], key[1]))


def _may_differ(
    key: Key, name: str, value: Any, damage: Damage, layout: Layout, spans: dict[Key, int]
) -> bool:
    table = key[0]
    if table in RINGS:
        return _event_may_differ(key, name, value, damage, layout, spans)
    hit = damage.rows(table, key[1])
    if hit & (OWN[table].get(name, {name.removeprefix("registers.values.")}) | ENUMS.get(table, set())):
        return True
    if table == "threads":
        if name == "current":
            return "current_tid" in damage.table("live")
        if name == "cpu_time_ns":
            return bool({"beat_tsc", "tick_tsc"} & damage.table("live"))
        if name in ("wait.name", "wait.owner_tid"):
            named = damage.table("locks") | damage.table("sockets")
            return bool(named - {"seq"}) or bool({"name", "tid"} & damage.table("threads"))
    return table == "counters" and name == "name" and "text" in damage.table("strings")


def _event_may_differ(
    key: Key, name: str, value: Any, damage: Damage, layout: Layout, spans: dict[Key, int]
) -> bool:
    table, ring, position = key
    count = layout.slots[table, ring]
    hit = {
        (row, field) for t, r, row, field in damage.places if (t, r) == (table, ring) and row >= 0
    }
    first = {field for row, field in hit if row == position & (count - 1)}
    more = {
        field
        for row, field in hit
        for part in range(1, spans.get(key, 1))
        if row == (position + part) & (count - 1)
    }
    if name in ("time_tsc", "time_ns", "wall_ns"):
        return "time" in first
    if name == "tid":
        return "tid" in first
    if table == "packets":
        if name == "data" and {"orig_len", "cap_len"} <= first:
            return True  # they still agree with each other
        carried = {"length": {"orig_len"}, "direction": {"dir"}, "data": {"data"}}
        return bool(first & carried.get(name, {name}))
    # A continuation's three words lie where a first slot has its time and two words.
    if (first & {"w0", "w1"} or more & {"time", "w0", "w1"}) and name in PLAIN:
        return True
    if table == "trace" and spans.get(key, 1) == 1 and "info" in first:
        return True  # the id of an event of one slot is said nowhere else
    if name in ("args", "name") and "text" in damage.table("strings"):
        return True
    if {"phase", "pair", "args"} <= damage.table("events"):
        return True  # a descriptor replaced by another
    return name in ("args", "category") and bool({"args", "category"} & damage.table("events"))


def spans_of(memory: Memory) -> dict[Key, int]:
    """How many slots each event of the undamaged region takes."""
    region = Region(memory, BASE)
    out: dict[Key, int] = {}
    for s in region.sections:
        table = _abi.SECTION_NAMES[s.kind]
        if table not in ("log", "trace"):
            continue
        head = int.from_bytes(region.read(s.offset, 8), "little")
        for position in range(max(0, head - s.entry_count), head):
            at = s.offset + _abi.RING_SIZE + (position & (s.entry_count - 1)) * s.entry_size
            info = int.from_bytes(region.read(at + 4, 2), "little")
            if info >> _abi.SLOT_N_SHIFT != _abi.SLOT_CONT:
                out[table, s.index, position] = 1 + (info >> _abi.SLOT_N_SHIFT)
    return out


def account_errors(truth: Seen, seen: Seen, damage: Damage) -> list[str]:
    """Slots given + lost + torn + expected are all that the guest took, when its head wasn't hit."""
    out = []
    heads = {(t, ring) for t, ring, row, name in damage.places if row == -1 and name == "head"}
    for key, account in seen.accounts.items():
        if key not in heads and sum(account) not in (0, sum(truth.accounts[key])):
            out.append(f"{key}: {account} adds up to {sum(account)}, not {sum(truth.accounts[key])}")
    return out
