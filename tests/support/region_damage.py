"""What a damaged region may still say, and what it may not.

Every value that is shown must equal the undamaged one or be marked unknown: None, "unknown", a torn
row (whose key is 0 when even that is in doubt), a row or an event left out, one of our errors. Slots
that were left out must be accounted for. Not covered, because the layout can't tell it:

- a ring's own counts (head, events, truncated) aren't under a check word. A head that contradicts the
  slots or the count of events is refused; one that is a few slots too high looks like a writer that
  died while it wrote, so then the loss isn't compared - the events still are.
- a row that became all zeroes is a free row, and a whole row copied over another is a good row, as is a
  slot copied from the same position of another ring: a check word doesn't say where its row lies.
"""

from collections.abc import Iterable
from typing import Final

from tests.support.region_truth import BASE, Key, Seen, Values
from uniobs.memory.base import Memory
from uniobs.region import _abi
from uniobs.region.header import ROW_SIZES
from uniobs.region.reader import Region

UNKNOWN: Final = (None, "unknown", b"")
KEYS: Final = {
    **{"threads": "tid", "locks": "address", "sockets": "id", "ifaces": "index", "sites": "pc"},
    "counters": "name",
}
RINGS: Final = ("log", "trace", "packets")


class Layout:
    """Where the guarded header, the rings' heads and the rows lie."""

    def __init__(self, memory: Memory, base: int = BASE) -> None:
        region = Region(memory, base)
        self.sections = region.sections
        self.directory_end = _abi.DIRECTORY_OFFSET + len(self.sections) * _abi.SECTION_SIZE

    def guarded(self, offsets: Iterable[int]) -> bool:
        """Some of them are the header's or the directory's."""
        return any(
            at < _abi.HEADER_SIZE or _abi.DIRECTORY_OFFSET <= at < self.directory_end for at in offsets
        )

    def heads(self, offsets: Iterable[int]) -> set[Key]:
        """The rings whose head some of them are in."""
        found = set()
        for section in self.sections:
            name = _abi.SECTION_NAMES[section.kind]
            if name in RINGS and any(0 <= at - section.offset < _abi.RING_SIZE for at in offsets):
                found.add((name, section.index))
        return found

    def is_blank(self, key: Key, data: bytes | bytearray) -> bool:
        """The row is all zeroes."""
        for section in self.sections:
            if _abi.SECTION_NAMES[section.kind] == key[0] and section.kind in ROW_SIZES:
                at = section.offset + key[1] * section.entry_size
                return not any(data[at + 4 : at + section.entry_size])
        return False


def wrong(truth: Seen, seen: Seen, layout: Layout, data: bytes | bytearray) -> list[str]:
    """Every value that is neither right nor marked unknown."""
    out = []
    for key, row in seen.rows.items():
        expected = truth.rows.get(key)
        if expected is None or row.get("torn"):
            if not _only_its_key(key, row, expected) and not _is_copy(key, row, truth):
                out.append(f"{key} shows {row}")
            continue
        bad = [name for name, value in row.items() if value not in UNKNOWN and value != expected.get(name)]
        if bad and not _is_copy(key, row, truth):
            out += [f"{key} {name}: {row[name]!r}, not {expected.get(name)!r}" for name in bad]
    for key in truth.rows.keys() - seen.rows.keys():
        if key[0] not in RINGS and not layout.is_blank(key, data):
            out.append(f"{key} is missing")
    return out


def _only_its_key(key: Key, row: Values, expected: Values | None) -> bool:
    """A torn row: nothing but its key, and that right or 0."""
    name = KEYS.get(key[0])
    if not row.get("torn") or any(row[n] not in UNKNOWN for n in row if n not in (name, "torn")):
        return False
    return name is None or not row[name] or (expected is not None and row[name] == expected[name])


def _is_copy(key: Key, row: Values, truth: Seen) -> bool:
    """All that it shows is another row's, or the same position's of another ring, copied over it."""
    for other, values in truth.rows.items():
        if other[0] != key[0] or (key[0] in RINGS and other[2] != key[2]):
            continue
        shown = {name: value for name, value in row.items() if name != "ring" and value not in UNKNOWN}
        if all(value == values.get(name) for name, value in shown.items()):
            return True
    return False


def account_errors(truth: Seen, seen: Seen, heads: set[Key]) -> list[str]:
    """Slots given + lost or torn + expected are all that the guest took."""
    return [
        f"{key}: {account} adds up to {sum(account)}, not {sum(truth.accounts[key])}"
        for key, account in seen.accounts.items()
        if key not in heads and sum(account) != sum(truth.accounts[key])
    ]
