"""Primitives: LEB128, strings, and the one place where broken bytes become BadFormat."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager

from uniobs.errors import BadFormat

Bytes = bytes | memoryview


@contextmanager
def guard(what: str) -> Iterator[None]:
    """Reading past the end, or a number that can't be: BadFormat naming ``what``."""
    try:
        yield
    except (IndexError, struct.error, KeyError, ValueError, OverflowError) as error:
        raise BadFormat(f"{what} is garbled ({type(error).__name__}: {error})") from error


def uleb(data: Bytes, at: int) -> tuple[int, int]:
    """(value, position after it)."""
    byte = data[at]
    at += 1
    if byte < 0x80:
        return byte, at
    value = byte & 0x7F
    shift = 7
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 140:
            raise ValueError("LEB128 number without an end")


def sleb(data: Bytes, at: int) -> tuple[int, int]:
    start = at
    value, at = uleb(data, at)
    if data[at - 1] & 0x40:
        value -= 1 << 7 * (at - start)
    return value, at


def skip_leb(data: Bytes, at: int) -> int:
    while data[at] & 0x80:
        at += 1
    return at + 1


def unsigned(data: Bytes, at: int, size: int) -> int:
    """A little-endian number of ``size`` bytes."""
    if at < 0 or at + size > len(data):
        raise IndexError("past the end")
    return int.from_bytes(data[at : at + size], "little")


def cstring(data: memoryview, at: int) -> str:
    """The NUL-terminated text at ``at``."""
    if at >= len(data):
        raise IndexError("string past the end")
    size = 64
    while True:
        text = bytes(data[at : at + size])
        end = text.find(b"\0")
        if end >= 0:
            return text[:end].decode("utf-8", "replace")
        if at + size >= len(data) or size > 1 << 20:
            raise ValueError("string without an end")
        size *= 8


def skip_cstring(data: bytes, at: int) -> int:
    return data.index(0, at) + 1
