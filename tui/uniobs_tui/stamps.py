"""Times of rows: the wall clock where the guest has one, else seconds since its boot."""

import time


class Stamps:
    """Texts of moments; the second that was asked last is remembered."""

    def __init__(self) -> None:
        self._second, self._text = -1, ""

    def text(self, wall_ns: int | None, boot_ns: int | None) -> str:
        if wall_ns is None:
            return "-" if boot_ns is None else f"{boot_ns // 10**9}.{boot_ns // 1000 % 10**6:06d}"
        second = wall_ns // 10**9
        if second != self._second:
            try:
                clock = time.localtime(second)
            except (OverflowError, ValueError, OSError):  # a guest's clock may say anything
                return f"{second}s"
            self._second = second
            self._text = f"{clock.tm_hour:02d}:{clock.tm_min:02d}:{clock.tm_sec:02d}"
        return f"{self._text}.{wall_ns // 1000 % 10**6:06d}"
