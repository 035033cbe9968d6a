"""counters: what the guest counts; netstat -s is its network part."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from uniobs.model.guest import Counter
from uniobs.model.view import Column, Table
from uniobs_probes.views._facts import ask

COLUMNS = (
    Column("name", "NAME", text=lambda row: row.name or "?"),
    Column("value", "VALUE", "right"),
    Column("unit", "UNIT", text=lambda row: "-" if row.unit in (None, "", "none") else row.unit),
    Column("kind", "KIND"),
)
# a counter whose name begins with one of these words is a protocol's
PROTOCOLS = ("ip", "icmp", "tcp", "udp", "arp", "link", "net", "http")


class Counters:
    name = "counters"
    title = "Counters"
    columns = COLUMNS
    default = tuple(column.key for column in COLUMNS)
    needs = frozenset({"counters"})
    identity = ("name",)

    def rows(self, target: Any, *, patterns: Sequence[str] = (), **_: Any) -> Table:
        rows: Sequence[Counter] = target.walker("counters").counters()
        if patterns:
            rows = [row for row in rows if any(fnmatchcase(row.name or "", p) for p in patterns)]
        nameless = sum(1 for row in rows if row.name is None and not row.torn)
        torn = sum(1 for row in rows if row.torn)
        notes = [f"{nameless} counters have no readable name"] if nameless else []
        if torn:
            notes.append(f"{torn} counters were being written or are garbled: their values are unknown")
        return Table(COLUMNS, sorted(rows, key=lambda row: row.name or "~"), tuple(notes), complete=not notes)


class Statistics:
    """Counters by protocol, each a line as netstat -s has them, and the interfaces' totals."""

    name = "netstat-s"
    title = "Network counters"
    columns = (Column("line", ""),)
    default = ("line",)
    needs = frozenset({"counters"})

    def rows(self, target: Any, **_: Any) -> Table:
        groups: dict[str, list[dict[str, Any]]] = {}
        for counter in target.walker("counters").counters():
            head, _sep, rest = (counter.name or "").replace("_", ".").replace(" ", ".").partition(".")
            if head in PROTOCOLS and rest and counter.value is not None:
                words = rest.removesuffix(".total").replace(".", " ")
                text = f"    {counter.value} {words}"
                groups.setdefault(head.capitalize(), []).append(_line(text, counter.name, counter.value))
        for row in ask(target, "interfaces"):
            if row.torn:
                continue
            lines = groups.setdefault(f"Interface {row.name or row.index}", [])
            for key in ("rx_packets", "rx_dropped", "rx_errors", "tx_packets", "tx_dropped", "tx_errors"):
                value = getattr(row, key)
                if value is not None:
                    way, what = key.split("_")
                    words = f"{what} {'received' if way == 'rx' else 'sent'}"
                    lines.append(_line(f"    {value} {words}", key, value))
        rows: list[dict[str, Any]] = []
        for name, lines in sorted(groups.items()):
            rows.append({"group": name, "name": None, "value": None, "line": f"{name}:"})
            rows.extend({**line, "group": name} for line in lines)
        note = () if rows else ("the guest counts nothing about its network",)
        return Table(self.columns, rows, note)


def _line(text: str, name: str | None, value: int) -> dict[str, Any]:
    return {"line": text, "name": name, "value": value}


counters = Counters()
statistics = Statistics()
