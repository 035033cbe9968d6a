"""Lines of the log ring."""

from uniobs.model.guest import LogLine
from uniobs.region import _abi
from uniobs.region.events import RawEvent, slots_of, take_bytes
from uniobs.region.reader import Region


def log_line(region: Region, raw: RawEvent) -> LogLine | None:
    """The line, or None when its bytes can't be one. Undecodable bytes become U+FFFD."""
    if raw.id != _abi.EVENT_LOG or len(raw.words) < 2 or raw.words[0] not in _abi.LEVEL_NAMES:
        return None
    found = take_bytes(raw.words, 1)
    if found is None:
        return None
    data, full, end = found
    if slots_of(end) != slots_of(len(raw.words)):
        return None
    return LogLine(
        position=raw.position,
        time_ns=region.clock.ns(raw.time),
        level=raw.words[0],
        tid=raw.tid,
        text=data.decode("utf-8", "replace").rstrip("\n"),
        truncated=full > len(data),
    )
