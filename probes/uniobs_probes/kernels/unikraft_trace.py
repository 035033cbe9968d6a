"""Unikraft's own trace buffer (lib/ukdebug): records in memory, definitions in sections of the ELF.

It is one global buffer that stops when it is full: what came later isn't in it. Records carry neither a CPU
nor a thread. Formats: struct uk_tracepoint_header and __UK_TRACE_REG of uk/trace.h.
"""

import re
import struct
from collections.abc import Callable, Sequence
from typing import Any, Final

from uniobs.errors import NotOffered, UnknownMemory
from uniobs.model.guest import Arg, Event, Loss
from uniobs.model.row import frozen

HEAD: Final = struct.Struct("<4sIQQ")  # magic, bytes of arguments, ns since boot, definition's address
DEFINITION: Final = struct.Struct("<4sIQBBB")  # magic, size, cookie, arguments, length of name and format
LIST: Final = ".uk_tracepoints_list"
BUFFER, LEFT, WRITE = "uk_trace_buffer", "uk_trace_buffer_free", "uk_trace_buffer_writep"
BUFFER_MAX: Final = 1 << 26
POINTS_MAX: Final = 1 << 14
STRING: Final = 1
SIZES: Final = frozenset((1, 2, 4, 8))
_CONVERSION: Final = re.compile(r"%([-+ #0]*\d*(?:\.\d+)?(?:hh|h|ll|l|z|j|t)?)([a-zA-Z%])")


@frozen
class Point:
    """A trace point: its arguments as (bytes, whether it is a string)."""

    name: str
    format: str
    args: tuple[tuple[int, bool], ...]


def offered(module: Any) -> bool:
    return all(module.symbol(name) is not None for name in (BUFFER, LEFT, WRITE)) and bool(
        _definitions(module)
    )


def _definitions(module: Any) -> bytes:
    for elf in (module.debug, module.elf):
        if elf is not None and (data := bytes(elf.data(LIST))):
            return data
    return b""


def points(data: bytes) -> dict[int, Point]:
    """By cookie. Definitions are aligned somehow: each begins where its magic is."""
    found: dict[int, Point] = {}
    at = data.find(b"TPde")
    while at >= 0 and len(found) < POINTS_MAX:
        if at + DEFINITION.size > len(data):
            break
        _, size, cookie, count, name_size, format_size = DEFINITION.unpack_from(data, at)
        start = at + DEFINITION.size
        text = start + 2 * count
        end = text + name_size + format_size
        if end <= len(data) and end - at <= size:
            sizes, kinds = data[start : start + count], data[start + count : text]
            name = data[text : text + name_size].rstrip(b"\0").decode("utf-8", "replace")
            form = data[text + name_size : end].rstrip(b"\0").decode("utf-8", "replace")
            args = tuple((n, kind == STRING) for n, kind in zip(sizes, kinds, strict=True))
            if name.isprintable() and all(kind <= STRING for kind in kinds) and set(sizes) <= SIZES:
                found[cookie] = Point(name, form, args)
        at = data.find(b"TPde", at + 4)
    return found


class TraceBuffer:
    """model.view.Follow over the buffer: it only ever grows, until it is full."""

    def __init__(self, module: Any, space: Callable[[], Any]) -> None:
        self._module = module
        self._space = space
        symbol = module.symbol(BUFFER)
        if symbol is None:
            raise NotOffered(f"{module.name} has no trace buffer")
        self._start, self._size = symbol
        if not 0 < self._size <= BUFFER_MAX:
            raise NotOffered(f"{module.name}: a trace buffer of {self._size} bytes isn't read")
        self._points = points(_definitions(module))
        self._at = 0
        self._garbled = 0
        self.full = False

    @property
    def loss(self) -> Loss:
        return Loss(garbled=self._garbled)

    def seek_end(self) -> None:
        self._at = self._written()

    def flush(self) -> Sequence[Event]:
        return ()

    def _written(self) -> int:
        """Bytes in use. 0 when what the guest says of it can't be."""
        space = self._space()
        try:
            write = int.from_bytes(space.read(self._module.symbol(WRITE)[0], 8), "little") - self._start
            left = int.from_bytes(space.read(self._module.symbol(LEFT)[0], 8), "little")
        except UnknownMemory:
            return 0
        self.full = left < HEAD.size
        return write if 0 <= write <= self._size and (not left or write + left == self._size) else 0

    def poll(self) -> Sequence[Event]:
        end = self._written()
        if end <= self._at:
            return []
        data = self._space().read(self._start + self._at, end - self._at)
        events, at = [], 0
        while at + HEAD.size <= len(data):
            magic, size, when, cookie = HEAD.unpack_from(data, at)
            body = data[at + HEAD.size : at + HEAD.size + size]
            if magic != b"TRhd":
                break  # being written
            if len(body) != size:
                self._garbled = 1
                break
            events.append(self._event(self._at + at, when, cookie, body))
            at += HEAD.size + size
        self._at += at
        return events

    def _event(self, position: int, when: int, cookie: int, body: bytes) -> Event:
        point = self._points.get(cookie)
        args = _arguments(point, body) if point is not None else ()
        return Event(
            ring=0,
            position=position,
            time_tsc=when,
            time_ns=when,
            tid=0,
            name=point.name.removeprefix("trace_") if point is not None else None,
            phase="instant",
            category="trace",
            pair=0,
            args=args,
        )


def _arguments(point: Point, body: bytes) -> tuple[Arg, ...]:
    """As far as the record carries them."""
    found, at = [], 0
    for pos, (size, is_string) in enumerate(point.args):
        if is_string:
            size = body[at] if at < len(body) else 0
            at += 1
        raw = body[at : at + size]
        if len(raw) != size:
            break
        value: int | bytes = raw if is_string else int.from_bytes(raw, "little")
        found.append(Arg(None, "buf" if is_string else "hex", pos, value, size if is_string else None))
        at += size
    if len(found) == len(point.args):
        said = formatted(point.format, [arg.value for arg in found], [size for size, _ in point.args])
        if said is not None:
            found.append(Arg("text", "buf", len(found), said.encode(), None))
    return tuple(found)


def formatted(form: str, values: Sequence[int | bytes], sizes: Sequence[int]) -> str | None:
    """printf, of the conversions that integers, pointers and strings need; None for any other."""
    parts, at, left = [], 0, list(zip(values, sizes, strict=True))
    for match in _CONVERSION.finditer(form):
        parts.append(form[at : match.start()])
        at = match.end()
        kind = match[2]
        if kind == "%":
            parts.append("%")
            continue
        if not left:
            return None
        value, size = left.pop(0)
        if isinstance(value, bytes):
            parts.append(value.decode("utf-8", "replace"))
        elif kind in "di":
            bits = 8 * size
            parts.append(str(value - (1 << bits) if bits and value >> (bits - 1) else value))
        elif kind == "u":
            parts.append(str(value))
        elif kind in "xXp":
            parts.append(f"{'0x' if kind == 'p' or '#' in match[1] else ''}{value:x}")
        elif kind == "c":
            parts.append(chr(value & 0x7F))
        else:
            return None
    return "".join([*parts, form[at:]])
