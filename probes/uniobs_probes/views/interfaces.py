"""netstat -i and -r: interfaces, and the routes that follow from their addresses."""

from ipaddress import IPv4Interface
from typing import Any

from uniobs.model.guest import Interface
from uniobs.model.view import Column, Table
from uniobs_probes.views._facts import torn_note

COLUMNS = (
    Column("name", "Iface", width=10),
    Column("mtu", "MTU", "right", width=6),
    Column("rx_packets", "RX-OK", "right", width=8),
    Column("rx_errors", "RX-ERR", "right", width=6),
    Column("rx_dropped", "RX-DRP", "right", width=6),
    Column("tx_packets", "TX-OK", "right", width=8),
    Column("tx_errors", "TX-ERR", "right", width=6),
    Column("tx_dropped", "TX-DRP", "right", width=6),
    Column("rx_bytes", "RX-BYTES", "right", width=9),
    Column("tx_bytes", "TX-BYTES", "right", width=9),
    Column("addr", "Address", text=lambda row: _address(row)),
    Column("mac", "HWaddr"),
)
ROUTES = (
    Column("destination", "Destination", width=15),
    Column("gateway", "Gateway", width=15),
    Column("mask", "Genmask", width=15),
    Column("flags", "Flags", width=5),
    Column("iface", "Iface"),
)


def _address(row: Interface) -> str:
    if row.addr is None:
        return "-"
    return f"{row.addr}/{row.prefix}" if row.prefix is not None else row.addr


class Interfaces:
    name = "interfaces"
    title = "Interfaces"
    columns = COLUMNS
    default = tuple(column.key for column in COLUMNS)
    needs = frozenset({"interfaces"})
    identity = ("name",)

    def rows(self, target: Any, **_: Any) -> Table:
        rows = sorted(target.walker("interfaces").interfaces(), key=lambda row: row.index)
        notes = torn_note(rows, "interfaces")
        return Table(COLUMNS, rows, tuple(notes), complete=not notes, caption="Kernel Interface table")


class Routes:
    """Only what an interface's address implies; a gateway isn't in the tables that a guest shows."""

    name = "routes"
    title = "Routes"
    columns = ROUTES
    default = tuple(column.key for column in ROUTES)
    needs = frozenset({"interfaces"})

    def rows(self, target: Any, **_: Any) -> Table:
        rows = []
        for row in target.walker("interfaces").interfaces():
            if (
                row.torn
                or row.addr is None
                or row.prefix is None
                or ":" in row.addr
                or not 0 < row.prefix <= 32
            ):
                continue
            try:
                network = IPv4Interface(f"{row.addr}/{row.prefix}").network
            except ValueError:
                continue
            rows.append(
                {
                    "destination": str(network.network_address),
                    "gateway": "0.0.0.0",
                    "mask": str(network.netmask),
                    "flags": "U",
                    "iface": row.name,
                }
            )
        note = "only routes to the guest's own networks are known: it doesn't show its gateway"
        return Table(ROUTES, rows, (note,), complete=False, caption="Kernel IP routing table")


interfaces = Interfaces()
routes = Routes()
