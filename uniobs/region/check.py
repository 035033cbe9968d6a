"""Check words: whether bytes of the region are still what the guest library wrote (SPEC.md, "Check words").

Each 64-bit word goes into a sum by xor and a multiplication with an odd constant modulo 2^64: neither
loses anything, so a change confined to one word always changes the sum. Its upper 32 bits are kept.
"""

from struct import Struct, iter_unpack

from uniobs.lean import Final

FACTOR: Final = 0x9E3779B97F4A7C15
MASK: Final = (1 << 64) - 1
UPPER: Final = MASK ^ 0xFFFFFFFF
SLOT: Final = Struct("<4Q")
FNV_START: Final = 2166136261
FNV_FACTOR: Final = 16777619


def total(data: bytes, start: int = 0) -> int:
    """The 64-bit sum over little-endian words; ``data`` holds a multiple of 8 bytes."""
    found = start
    for (word,) in iter_unpack("<Q", data):
        found = (found ^ word) * FACTOR & MASK
    return found


def row_holds(raw: bytes) -> bool:
    """Whether a row (seq, check, then what check sums up) is as it was written."""
    return int.from_bytes(raw[4:8], "little") == total(raw[8:]) >> 32


def blanked(raw: bytes, offset: int) -> int:
    """The check word of a record that has one inside: over its bytes with that word taken as zero."""
    return total(raw[:offset] + bytes(4) + raw[offset + 4 :]) >> 32


def record_holds(raw: bytes, offset: int) -> bool:
    return int.from_bytes(raw[offset : offset + 4], "little") == blanked(raw, offset)


def slot_sequence(raw: bytes) -> int:
    """(position + 1) modulo 2^32 of a committed 32-byte slot; of any other bytes something arbitrary."""
    first, second, third, fourth = SLOT.unpack(raw)
    found = (first & UPPER) * FACTOR & MASK
    found = (found ^ second) * FACTOR & MASK
    found = (found ^ third) * FACTOR & MASK
    found = (found ^ fourth) * FACTOR & MASK
    position: int = (first ^ found >> 32) & 0xFFFFFFFF
    return position


def packet_sequence(raw: bytes) -> int | None:
    """The same of a packet slot; None when its captured length can't be."""
    captured = int.from_bytes(raw[20:24], "little")
    end = 32 + (captured + 7 & ~7)
    if end > len(raw):
        return None
    seq = int.from_bytes(raw[:4], "little")
    return (seq ^ total(b"\0\0\0\0" + raw[4:end]) >> 32) & 0xFFFFFFFF


def text_check(data: bytes) -> int:
    """FNV-1a, 32 bits: what stands before a string of the string section."""
    found = FNV_START
    for byte in data:
        found = (found ^ byte) * FNV_FACTOR & 0xFFFFFFFF
    return found
