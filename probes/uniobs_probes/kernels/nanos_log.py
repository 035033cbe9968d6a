"""Nanos' kernel log: klog of src/kernel/log.c, the last 4096 bytes that went to its console."""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from uniobs.errors import NotOffered
from uniobs.model.guest import LogLine, Loss

SIZE_MAX: Final = 1 << 24
INFO: Final = 6
_STAMP: Final = re.compile(r"\[(\d{1,9})\.(\d{6})\] ")


def read(module: Any, space: Any) -> tuple[int, bytes]:
    """(bytes ever written, the last of them). Raises NotOffered, UnknownMemory."""
    log = module.types.variable("klog", space)
    if not log.has("buf", "count"):
        raise NotOffered(f"{module.name}: its klog isn't one whose members are known")
    count, buffer = int(log.member("count")), log.member("buf")
    size = buffer.size
    if not 0 < size <= SIZE_MAX or not 0 <= count < 1 << 63:
        raise NotOffered(f"{module.name}: its klog is garbled")
    data = buffer.raw()
    if count <= size:
        return count, data[:count]
    at = count % size
    return count, data[at:] + data[:at]


class KernelLog:
    """A cursor over it: model.view.Follow of LogLine. A line is given when its end is there."""

    def __init__(self, module: Any, space: Callable[[], Any]) -> None:
        self._module, self._space = module, space
        self._cursor = 0
        self._lost = 0
        self._part = b""
        self._broken = False

    @property
    def loss(self) -> Loss:
        """In bytes: the ring holds no lines."""
        return Loss(lost=self._lost)

    def seek_end(self) -> None:
        self._cursor = read(self._module, self._space())[0]
        self._part = b""

    def poll(self) -> Sequence[LogLine]:
        count, data = read(self._module, self._space())
        begin = count - len(data)
        if count < self._cursor:  # it booted anew
            self._cursor, self._part = 0, b""
        if begin > self._cursor:
            self._lost += begin - self._cursor
            self._cursor, self._part, self._broken = begin, b"", True
        fresh = self._part + data[self._cursor - begin :]
        start = self._cursor - len(self._part)
        self._cursor = count
        whole, newline, self._part = fresh.rpartition(b"\n")
        return self._lines(whole + newline, start) if newline else ()

    def flush(self) -> Sequence[LogLine]:
        start, part = self._cursor - len(self._part), self._part
        self._part = b""
        return self._lines(part + b"\n", start) if part else ()

    def _lines(self, data: bytes, start: int) -> list[LogLine]:
        found = []
        for raw in data.split(b"\n")[:-1]:
            cut, self._broken = self._broken, False
            text = raw.decode("utf-8", "replace").rstrip("\r")
            stamp = None if cut else _STAMP.match(text)
            time = int(stamp[1]) * 10**9 + int(stamp[2]) * 1000 if stamp is not None else None
            shown = text[stamp.end() :] if stamp is not None else text
            found.append(LogLine(start, time, INFO, 0, shown, truncated=cut))
            start += len(raw) + 1
        return found
