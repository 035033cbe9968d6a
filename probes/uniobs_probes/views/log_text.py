"""Log lines as dmesg writes them."""

import json
from datetime import datetime
from typing import Final

from uniobs.errors import UsageError
from uniobs.model.guest import LogLine
from uniobs.model.row import frozen
from uniobs.model.text import safe
from uniobs.region import _abi

NAMES: Final = {**_abi.LEVEL_NAMES}
ALIASES: Final = {"error": 3, "warning": 4, "panic": 0}


@frozen
class LogOptions:
    """``wall_ns`` is the wall clock at boot, for -T; None or 0: unknown."""

    levels: frozenset[int] = frozenset()  # -l; empty: all
    wall: bool = False  # -T
    wall_ns: int | None = None
    decode: bool = False  # -x: the level in front
    times: bool = True  # not -t


def parse_levels(text: str) -> frozenset[int]:
    """``err,warn``, ``3``, ``err+`` (that and more severe), ``+info`` (that and less). Raises UsageError."""
    out: set[int] = set()
    for item in filter(None, (part.strip().lower() for part in text.split(","))):
        up, down = item.endswith("+"), item.startswith("+")
        level = _level(item.strip("+"))
        out |= set(range(level + 1)) if up else set(range(level, 8)) if down else {level}
    if not out:
        raise UsageError("-l needs levels: " + ", ".join(NAMES.values()))
    return frozenset(out)


def _level(name: str) -> int:
    found = ALIASES.get(name, next((n for n, known in NAMES.items() if known == name), None))
    if found is None and name.isdecimal() and int(name) in NAMES:
        found = int(name)
    if found is None:
        raise UsageError(f"unknown level '{name}': there are {', '.join(NAMES.values())}")
    return found


class LogFormatter:
    """One line in, its text out; None when the options leave it out."""

    def __init__(self, options: LogOptions) -> None:
        self.options = options

    def text(self, line: LogLine) -> str | None:
        options = self.options
        if options.levels and line.level not in options.levels:
            return None
        cut = " [cut by the guest]" if line.truncated else ""
        level = f"kern  :{NAMES[line.level]:<6}: " if options.decode else ""
        return level + self._stamp(line) + safe(line.text) + cut

    def _stamp(self, line: LogLine) -> str:
        if not self.options.times:
            return ""
        if line.time_ns is None:
            return "[           ?] "
        if self.options.wall and self.options.wall_ns:
            when = datetime.fromtimestamp((self.options.wall_ns + line.time_ns) // 10**9)
            return f"[{when:%a %b} {when.day:>2} {when:%H:%M:%S %Y}] "
        return f"[{line.time_ns // 10**9:>5}.{line.time_ns // 1000 % 10**6:06d}] "

    def record(self, line: LogLine) -> dict[str, object] | None:
        """-J: one object a line, with dmesg's keys and ours."""
        if self.options.levels and line.level not in self.options.levels:
            return None
        seconds = None if line.time_ns is None else round(line.time_ns / 1e9, 6)
        return {
            "pri": line.level,
            "level": NAMES[line.level],
            "time": seconds,
            "time_ns": line.time_ns,
            "tid": line.tid,
            "msg": line.text,
            "truncated": line.truncated,
        }

    def json(self, line: LogLine) -> str | None:
        found = self.record(line)
        return None if found is None else json.dumps(found)
