"""Compressed debug sections: SHF_COMPRESSED by zlib and zstd (gABI 4.2, ch. 4), and GNU's older .zdebug_*.

Nothing grows beyond what the section claims, nor beyond what a compressor could make of its bytes.
"""

import struct
import zlib

from uniobs.lean import Final

ELFCOMPRESS_ZLIB: Final = 1
ELFCOMPRESS_ZSTD: Final = 2
_LARGEST: Final = 1 << 30  # bytes; larger sections are refused
_RATIO: Final = 1032  # zlib's best; what zstd could do better isn't debug information
_WINDOW: Final = 1 << 27  # bytes that zstd may look back, its own default


def inflate(raw: memoryview, gnu: bool) -> memoryview:
    """A section's bytes. ``gnu``: it is a .zdebug_ one. Raises ValueError that says what is wrong."""
    if gnu:
        if len(raw) < 12 or bytes(raw[:4]) != b"ZLIB":
            raise ValueError("has no header")
        kind, size, packed = ELFCOMPRESS_ZLIB, int.from_bytes(raw[4:12], "big"), raw[12:]
    else:
        if len(raw) < 24:
            raise ValueError("is too short")
        kind, _, size, _ = struct.unpack_from("<IIQQ", raw)
        packed = raw[24:]
    if size > _LARGEST or size > len(packed) * _RATIO:
        raise ValueError(f"claims {size} bytes")
    if kind == ELFCOMPRESS_ZLIB:
        data = _zlib(packed, size)
    elif kind == ELFCOMPRESS_ZSTD:
        data = _zstd(packed, size)
    else:
        raise ValueError(f"is compressed in a way that isn't known ({kind})")
    if len(data) != size:
        more = "more than" if len(data) > size else "only"
        raise ValueError(f"inflates to {more} {min(len(data), size)} bytes, not {size}")
    return memoryview(data)


def _zlib(packed: memoryview, size: int) -> bytes:
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(packed, size + 1)
    except zlib.error as error:
        raise ValueError(f"can't be inflated ({error})") from error
    return data


def _zstd(packed: memoryview, size: int) -> bytes:
    import zstandard

    decoder = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
    data = bytearray()
    try:
        with decoder.stream_reader(packed, read_across_frames=True) as stream:
            while len(data) <= size and (part := stream.read(size + 1 - len(data))):
                data += part
    except zstandard.ZstdError as error:
        raise ValueError(f"can't be inflated ({error})") from error
    return bytes(data)
