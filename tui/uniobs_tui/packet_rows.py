"""Packets as rows: time, protocol, both ends, what they say in tcpdump's words."""

import re
from collections.abc import Sequence
from typing import Any, Final

from uniobs.model.guest import Packet
from uniobs.model.text import safe
from uniobs_probes.views.packets import PacketFormatter, PacketOptions
from uniobs_tui.ring import Row
from uniobs_tui.stamps import Stamps

ENDS: Final = re.compile(r"(?:IP6? )?(\S+) > (\S+): (.*)", re.DOTALL)
KINDS: Final = (("Flags [", "TCP"), ("UDP", "UDP"), ("ICMP6", "ICMP6"), ("ICMP", "ICMP"), ("BOOTP", "DHCP"))
RESET: Final = re.compile(r"Flags \[[^\]]*R")


class PacketRows:
    """See streamlog.Maker. ``number`` is the packet's length; ``data`` its captured bytes."""

    question = "packets"
    unit = "packets"
    headers = ("TIME", "PROTO", "LEN", "SOURCE", "DESTINATION", "INFO")
    aligns = ("right", "left", "right", "left", "left", "left")
    widths = (12, 5, 4, 14, 14, 0)
    numeric = 2

    def __init__(self) -> None:
        self._stamps = Stamps()
        self._formatter = PacketFormatter(PacketOptions(stamp="none"))

    def rows(self, target: Any, items: Sequence[Packet]) -> list[Row]:
        return [self._row(item) for item in items]

    def _row(self, item: Packet) -> Row:
        line = safe(self._formatter.text(item))
        found = ENDS.fullmatch(line)
        source, destination, info = found.groups() if found else ("", "", line)
        kind = next((name for start, name in KINDS if info.startswith(start)), "IP" if found else "")
        look = "dim" if kind == "" else ""
        if kind == "TCP":
            if RESET.match(info):
                look = "bad"
            elif "Flags [S" in info or "Flags [F" in info:
                look = "dim"
            info = info.removeprefix("Flags ")
            said, mark, http = info.partition(": HTTP: ")
            if mark:
                kind, info, look = "HTTP", f"{http}  {said}", "good"
        elif not found:
            kind, _, rest = line.partition(", ")
            kind, info = (kind, rest) if kind == "ARP" else ("", line)
        time = self._stamps.text(item.wall_ns, item.time_ns)
        cells = (time, kind, str(item.length), source, destination, info)
        return Row(item.position, cells, look, 0, item.length, item.data)

    def stamp(self, item: Packet) -> int:
        return item.position

    def open(self, target: Any, items: Sequence[Packet] | None) -> tuple[Row, ...]:
        return ()

    def restart(self) -> None:
        self._formatter = PacketFormatter(PacketOptions(stamp="none"))
