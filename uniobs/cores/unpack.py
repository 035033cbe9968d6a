"""Pages of compressed cores, unpacked to their exact size or refused: nothing grows beyond it."""

import zlib
from collections.abc import Callable

from uniobs.errors import NotOffered

ZLIB, LZO, SNAPPY, ZSTD = 1, 2, 4, 0x20  # as kdump's page descriptors name them
NAMES = {ZLIB: "zlib", LZO: "lzo", SNAPPY: "snappy", ZSTD: "zstd"}
Unpack = Callable[[bytes, int], bytes | None]  # (packed, exact size) -> bytes, or None when they are garbled


def unpacker(kind: int, path: str) -> Unpack:
    """Raises NotOffered when the library for it isn't installed."""
    try:
        return {ZLIB: _zlib, LZO: _lzo, SNAPPY: _snappy, ZSTD: _zstd}[kind]()
    except ImportError:
        raise NotOffered(
            f"{path}: compressed with {NAMES[kind]}: pip install 'uniobs[cores]' brings what unpacks it"
        ) from None


def zlib_head(packed: bytes, size: int) -> bytes:
    """The first bytes of what zlib packed; too few of them when it is garbled."""
    try:
        return zlib.decompressobj().decompress(packed, size)
    except zlib.error:
        return b""


def _zlib() -> Unpack:
    def unpack(packed: bytes, size: int) -> bytes | None:
        stream = zlib.decompressobj()
        try:
            page = stream.decompress(packed, size + 1)
        except zlib.error:
            return None
        return page if len(page) == size and stream.eof else None

    return unpack


def _lzo() -> Unpack:
    from lzallright import LZOCompressor, LZOError

    def unpack(packed: bytes, size: int) -> bytes | None:
        # LZO1X grows at most 255-fold, and what is packed is never longer than a page.
        try:
            page = bytes(LZOCompressor.decompress(packed, output_size_hint=size))
        except (LZOError, ValueError):
            return None
        return page if len(page) == size else None

    return unpack


def _snappy() -> Unpack:
    from cramjam import DecompressionError, snappy

    def unpack(packed: bytes, size: int) -> bytes | None:
        try:
            if snappy.decompress_raw_len(packed) != size:
                return None
            page = bytes(snappy.decompress_raw(packed))
        except (DecompressionError, ValueError):
            return None
        return page if len(page) == size else None

    return unpack


def _zstd() -> Unpack:
    import zstandard

    unpacker = zstandard.ZstdDecompressor()

    def unpack(packed: bytes, size: int) -> bytes | None:
        try:
            claimed = zstandard.get_frame_parameters(packed).content_size
            if claimed not in (size, zstandard.CONTENTSIZE_UNKNOWN):
                return None
            page = unpacker.decompress(packed, max_output_size=size)
        except zstandard.ZstdError:
            return None
        return page if len(page) == size else None

    return unpack
