"""A guest's log as rows."""

from collections.abc import Sequence
from typing import Any, Final

from uniobs.model.guest import LogLine
from uniobs.model.text import safe
from uniobs_tui.names import Names
from uniobs_tui.ring import Row
from uniobs_tui.stamps import Stamps

LOOKS: Final = ("bad", "bad", "bad", "bad", "warn", "", "", "dim")
LEVELS: Final = ("emerg", "alert", "crit", "err", "warn", "notice", "info", "debug")


class LogRows:
    """See streamlog.Maker. ``number`` is the level."""

    question = "log"
    unit = "slots"
    headers = ("TIME", "LEVEL", "THREAD", "MESSAGE")
    aligns = ("right", "left", "left", "left")
    widths = (12, 6, 8, 0)
    numeric = 1

    def __init__(self) -> None:
        self._names = Names()
        self._stamps = Stamps()

    def rows(self, target: Any, items: Sequence[LogLine]) -> list[Row]:
        names = self._names.of(target, [item.tid for item in items])
        return [
            Row(
                item.position,
                (
                    self._stamps.text(None, item.time_ns),
                    LEVELS[item.level] if 0 <= item.level < len(LEVELS) else str(item.level),
                    names.get(item.tid, f"tid {item.tid}" if item.tid else ""),
                    safe(item.text) + (" [cut by the guest]" if item.truncated else ""),
                ),
                LOOKS[item.level] if 0 <= item.level < len(LOOKS) else "",
                item.tid,
                item.level,
            )
            for item in items
        ]

    def stamp(self, item: LogLine) -> int:
        return item.position

    def open(self, target: Any, items: Sequence[LogLine] | None) -> tuple[Row, ...]:
        return ()

    def restart(self) -> None:
        self._names = Names()
