"""tcpdump as a stream: packets filtered, then written as lines, as JSON or into a capture file."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from uniobs.errors import UsageError
from uniobs.model.guest import Interface, Packet
from uniobs.model.row import replace
from uniobs.model.view import Follow
from uniobs_probes.views._facts import ask
from uniobs_probes.views.packets import Dump, PacketFormatter, PacketOptions, Stamp, closing


def chosen_interface(target: Any, wanted: str | None) -> tuple[int | None, dict[int, str]]:
    """(the index asked for or None for all, names by index). Raises UsageError for one that isn't there."""
    rows: Sequence[Interface] = ask(target, "interfaces") if target is not None else ()
    names = {row.index: row.name or f"if{row.index}" for row in rows if not row.torn}
    if wanted is None or wanted == "any":
        return None, names
    for index, name in names.items():
        if wanted in (name, str(index)):
            return index, names
    there = ", ".join(names.values()) or "none that is known"
    raise UsageError(f"no interface {wanted}: there are {there}")


class PacketStream:
    """See model.view.Stream. ``target`` None: packets of a file. ``interfaces``: names by index, where they
    aren't the guest's to tell. ``writer`` gets the packets instead of
    lines being made; ``passes`` is the filter."""

    question = "packets"
    unit = "packet"

    def __init__(
        self,
        target: Any,
        *,
        interface: str | None = None,
        interfaces: Mapping[int, str] | None = None,
        passes: Callable[[bytes, int], bool] | None = None,
        snap: int = 0,
        writer: Any = None,
        stamp: Stamp = "clock",
        link: bool = False,
        verbose: int = 0,
        dump: Dump = "",
        absolute: bool = False,
        number: bool = False,
    ) -> None:
        if interfaces is None:
            self._index, self.names = chosen_interface(target, interface)
        else:
            self._index, self.names = None, dict(interfaces)
        self._passes = passes
        self._snap = snap
        self._writer = writer
        self._shown = 0
        names: Mapping[int, str] = self.names if self._index is None else {}
        options = PacketOptions(
            stamp=stamp, link=link, verbose=verbose, dump=dump, absolute=absolute, number=number, names=names
        )
        self._formatter = PacketFormatter(options)
        self._summary = PacketFormatter(PacketOptions(stamp="none"))

    def feed(self, items: Sequence[Packet]) -> list[str]:
        lines: list[str] = []
        for packet in self._wanted(items):
            self._shown += 1
            if self._writer is not None:
                self._writer.packet(packet)
            else:
                lines.extend(self._formatter.text(packet).split("\n"))
        return lines

    def feed_json(self, items: Sequence[Packet]) -> list[dict[str, Any]]:
        rows = []
        for packet in self._wanted(items):
            self._shown += 1
            rows.append(
                {
                    "position": packet.position,
                    "time_ns": packet.time_ns,
                    "wall_ns": packet.wall_ns,
                    "iface": packet.iface,
                    "interface": self.names.get(packet.iface),
                    "direction": packet.direction,
                    "length": packet.length,
                    "captured": len(packet.data),
                    "summary": self._summary.text(packet),
                    "data": packet.data.hex(),
                }
            )
        return rows

    def _wanted(self, items: Sequence[Packet]) -> list[Packet]:
        kept = []
        for packet in items:
            if self._index is not None and packet.iface != self._index:
                continue
            if self._passes is not None and not self._passes(packet.data, packet.length):
                continue
            cut = self._snap and len(packet.data) > self._snap
            kept.append(replace(packet, data=packet.data[: self._snap]) if cut else packet)
        return kept

    def close(self) -> list[str]:
        return []

    def shown(self) -> int:
        return self._shown

    def closing(self, follow: Follow) -> list[str]:
        received = getattr(follow, "captured", self._shown)
        if self._writer is not None:
            self._writer.close(received, follow.loss.lost)
        lines = closing(self._shown, received, follow.loss)
        return lines if getattr(follow, "is_ring", True) else lines[:2]


def stream(target: Any, **options: Any) -> PacketStream:
    return PacketStream(target, **options)
