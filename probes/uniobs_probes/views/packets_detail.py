"""Every field of a packet somebody opened (-vv), dissected by scapy: the only place that imports it."""

import logging
import struct
from typing import Any, Final, NamedTuple

from uniobs.errors import NotOffered
from uniobs.model.text import safe

MAX_LINES: Final = 400
MAX_TEXT: Final = 400
ERRORS: Final = (
    struct.error, ValueError, LookupError, TypeError, AttributeError, ArithmeticError,
    RecursionError,
)  # fmt: skip


Errors = tuple[type[Exception], ...]


class Field(NamedTuple):
    """One field of a layer: its bytes are those from ``start`` to ``stop`` of the frame."""

    text: str
    start: int
    stop: int


class Layer(NamedTuple):
    name: str
    start: int
    stop: int
    fields: tuple[Field, ...]


def detail(data: bytes) -> list[str]:
    """One field a line, by layer. Raises NotOffered when scapy isn't installed."""
    ether, errors = _scapy()
    try:
        text = str(ether(data).show(dump=True))
    except errors as error:
        return [f"  (scapy can't dissect it: {safe(str(error))})"]
    return ["  " + safe(line) for line in text.splitlines()[:MAX_LINES] if line.strip()]


def layers(data: bytes) -> list[Layer]:
    """A frame's layers and fields, with the bytes that each was read from. Raises NotOffered as detail()."""
    ether, errors = _scapy()
    found: list[Layer] = []
    try:
        packet = ether(data)
        left = MAX_LINES
        while packet.name != "NoPayload" and left > 0:
            layer = _layer(packet, len(data), left, errors)
            found.append(layer)
            left -= 1 + len(layer.fields)
            packet = packet.payload
    except errors as error:
        found.append(Layer(f"scapy can't dissect the rest: {safe(str(error))}", 0, 0, ()))
    return found


def _layer(packet: Any, size: int, left: int, errors: Errors) -> Layer:
    raw = bytes(packet.original)
    start = _start(packet, size)
    fields, rest, bits = [], raw, 0
    for one in packet.fields_desc[:left]:
        if one.name not in packet.fields:
            continue
        begin = len(raw) - (len(rest) if isinstance(rest, bytes) else 0)
        try:
            after, _ = one.getfield(packet, (rest, bits) if bits else rest)
        except errors:
            after = rest
        rest, bits = after if isinstance(after, tuple) else (after, 0)
        end = len(raw) - len(rest) + (1 if bits else 0)
        value = packet.fields[one.name]
        if type(packet).__module__.endswith(".http") and isinstance(value, bytes) and value in raw:
            begin, end = raw.index(value), raw.index(value) + len(value)  # its fields have no places
        text = f"{one.name} = {one.i2repr(packet, value)}"
        fields.append(Field(safe(text)[:MAX_TEXT], start + begin, start + max(end, begin)))
    stop = max((field.stop for field in fields), default=start)
    return Layer(safe(str(packet.name)), start, min(stop, size), tuple(fields))


def _start(packet: Any, size: int) -> int:
    """Where a layer begins: each was given the bytes up to the frame's end, or to where padding begins."""
    start, below = 0, packet.underlayer
    while below is not None:
        whole, own = bytes(below.original), below.raw_packet_cache
        start += len(own) if own is not None else max(len(whole) - len(bytes(packet.original)), 0)
        packet, below = below, below.underlayer
    return min(start, size)


def _scapy() -> tuple[Any, Errors]:
    """Ether, and what dissecting may raise."""
    logging.getLogger("scapy").setLevel(logging.ERROR)  # it warns about the host's interfaces
    try:
        from scapy.error import Scapy_Exception
        from scapy.layers import dhcp, dns, http, inet, inet6  # noqa: F401  (layers that dissection finds)
        from scapy.layers.l2 import Ether
    except ImportError as error:
        raise NotOffered("every field of a packet needs scapy: pip install 'uniobs[packets]'") from error
    return Ether, (*ERRORS, Scapy_Exception)
