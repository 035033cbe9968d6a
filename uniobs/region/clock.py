"""Guest time: TSC ticks to nanoseconds since boot, and to wall-clock time."""

from uniobs.model.row import frozen

MAX_TICKS = 1 << 62  # further from the anchor than any guest has run: garbage, not a time


@frozen
class Clock:
    """``khz`` 0: not calibrated (yet), so every time is unknown. ``anchor_wall_ns`` 0: no wall clock."""

    khz: int
    anchor_tsc: int
    anchor_wall_ns: int

    def span_ns(self, ticks: int) -> int | None:
        """The length of ``ticks`` in nanoseconds."""
        if not self.khz or not 0 <= ticks < MAX_TICKS:
            return None
        return ticks * 1_000_000 // self.khz

    def ns(self, tsc: int) -> int | None:
        """Nanoseconds since boot; 0 for what was stamped before the anchor. A stamp of 0 is no time."""
        if tsc == 0:
            return None
        return self.span_ns(max(0, tsc - self.anchor_tsc))

    def wall_ns(self, tsc: int) -> int | None:
        """Unix time in nanoseconds."""
        ns = self.ns(tsc)
        if ns is None or not self.anchor_wall_ns:
            return None
        return self.anchor_wall_ns + ns
