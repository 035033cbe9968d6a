"""dmesg as a stream."""

from collections.abc import Sequence
from typing import Any

from uniobs.model.guest import LogLine
from uniobs.model.view import Follow
from uniobs_probes.views.log_text import NAMES, LogFormatter, LogOptions, parse_levels


class LogStream:
    """See model.view.Stream. ``wall_ns`` is the wall clock at boot, None when the guest has none."""

    question = "log"
    unit = "line"

    def __init__(
        self,
        target: Any,
        *,
        levels: str | None = None,
        wall: bool = False,
        decode: bool = False,
        times: bool = True,
        tids: Sequence[int] = (),
    ) -> None:
        region = target.region
        self.wall_ns: int | None = region.clock.anchor_wall_ns or None if region is not None else None
        self._tids = frozenset(tids)
        self._options = LogOptions(
            levels=parse_levels(levels) if levels is not None else frozenset(),
            wall=wall,
            wall_ns=self.wall_ns,
            decode=decode,
            times=times,
        )
        self._formatter = LogFormatter(self._options)
        self._shown = 0

    def feed(self, items: Sequence[LogLine]) -> list[str]:
        lines = []
        for item in items:
            text = self._formatter.text(item) if self._wanted(item) else None
            if text is not None:
                self._shown += 1
                lines.append(text.rstrip())
        return lines

    def _wanted(self, item: LogLine) -> bool:
        return not self._tids or item.tid in self._tids

    def feed_json(self, items: Sequence[LogLine]) -> list[dict[str, Any]]:
        rows = []
        for item in items:
            if not self._wanted(item) or (self._options.levels and item.level not in self._options.levels):
                continue
            self._shown += 1
            wall = self.wall_ns + item.time_ns if self.wall_ns and item.time_ns is not None else None
            rows.append(
                {
                    "position": item.position,
                    "time_ns": item.time_ns,
                    "wall_ns": wall,
                    "level": item.level,
                    "level_name": NAMES.get(item.level),
                    "tid": item.tid,
                    "text": item.text,
                    "truncated": item.truncated,
                }
            )
        return rows

    def close(self) -> list[str]:
        return []

    def shown(self) -> int:
        return self._shown

    def closing(self, follow: Follow) -> list[str]:
        """Only when something is missing: dmesg has no closing line."""
        loss = follow.loss
        if not loss.lost and not loss.torn and not loss.garbled:
            return []
        text = (
            f"{self._shown} lines shown; {loss.lost} slots of older ones were overwritten, {loss.torn} torn"
        )
        return [text + ("; the log ring is garbled, what it held is unknown" if loss.garbled else "")]


def stream(target: Any, **options: Any) -> LogStream:
    return LogStream(target, **options)
