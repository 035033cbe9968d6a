"""OSv's debug log: debug_buffer of core/debug.cc, a ring of text that says only where it is written next."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from uniobs.errors import NotOffered
from uniobs.model.guest import LogLine, Loss

SIZE_MAX: Final = 1 << 24
MARK: Final = 64  # bytes before the cursor that show whether it was lapped
INFO: Final = 6


def read(module: Any, space: Any) -> tuple[bytes, int, bool]:
    """(the buffer, where it is written next, whether it was ever full). Raises NotOffered, UnknownMemory."""
    types = module.types
    buffer = types.variable("debug_buffer", space)
    size = buffer.size
    at = int(types.variable("debug_buffer_idx", space))
    full = int(types.variable("debug_buffer_full", space))
    if not 0 < size <= SIZE_MAX or not 0 <= at <= size or full not in (0, 1):
        raise NotOffered(f"{module.name}: its debug_buffer is garbled")
    return buffer.raw(), at, bool(full)


class DebugLog:
    """A cursor over it: model.view.Follow of LogLine. A line is given when its end is there."""

    def __init__(self, module: Any, space: Callable[[], Any]) -> None:
        self._module, self._space = module, space
        self._at: int | None = None  # None: from its oldest byte on
        self._mark = b""
        self._part = b""
        self._position = 0
        self._lost = 0
        self._broken = False

    @property
    def loss(self) -> Loss:
        """In bytes, at least: the ring doesn't count how often it went round."""
        return Loss(lost=self._lost)

    def seek_end(self) -> None:
        data, at, full = read(self._module, self._space())
        self._position += at
        self._keep(data, at, full)
        self._part = b""

    def _keep(self, data: bytes, at: int, full: bool) -> None:
        self._at = at
        whole = (data[at:] if full else b"") + data[:at]
        self._mark = whole[-MARK:]

    def poll(self) -> Sequence[LogLine]:
        data, at, full = read(self._module, self._space())
        whole = (data[at:] if full else b"") + data[:at]
        if self._at is None:
            fresh, self._broken = whole, full
        else:
            fresh = data[self._at : at] if at >= self._at else data[self._at :] + data[:at]
            before = whole[: len(whole) - len(fresh)]
            if (at < self._at and not full) or not before.endswith(self._mark[-len(before) :] or b""):
                self._lost += max(1, len(fresh))
                self._part, fresh, self._broken = b"", whole, True
        self._keep(data, at, full)
        text = self._part + fresh
        done, newline, self._part = text.rpartition(b"\n")
        return self._lines(done + newline) if newline else ()

    def flush(self) -> Sequence[LogLine]:
        part, self._part = self._part, b""
        return self._lines(part + b"\n") if part else ()

    def _lines(self, data: bytes) -> list[LogLine]:
        found = []
        for raw in data.split(b"\n")[:-1]:
            cut, self._broken = self._broken, False
            text = raw.decode("utf-8", "replace").rstrip("\r")
            found.append(LogLine(self._position, None, INFO, 0, text, truncated=cut))
            self._position += len(raw) + 1
        return found
