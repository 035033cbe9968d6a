"""Which pages a kdump core holds, and where: a bit for each, and as many descriptors as bits are set."""

import struct
from array import array
from collections.abc import Iterator

from uniobs.cores.flattened import Source
from uniobs.cores.pieces import runs_of_bits
from uniobs.cores.unpack import NAMES, ZLIB, Unpack, unpacker, zlib_head
from uniobs.errors import BadFormat, UnknownMemory

DESCRIPTOR = struct.Struct("<QIIQ")  # offset, size, flags, page flags
PART = 1 << 12  # bytes of the bitmap that are looked at together
PART_BITS = PART * 8
BATCH = 512  # descriptors that are read together
KEPT = 32  # parts and batches kept
PACKED = sum(NAMES)


class Pages:
    """Pages by number. Raises BadFormat when the bitmap isn't there, UnknownMemory for what isn't held."""

    def __init__(
        self,
        source: Source,
        path: str,
        *,
        page_size: int,
        count: int,
        bitmap_at: int,
        bitmap_size: int,
        zeros_left_out: bool,
    ) -> None:
        self.source = source
        self.path = path
        self.page_size = page_size
        self.count = count
        self._all_at = bitmap_at
        self._held_at = bitmap_at + bitmap_size
        self._table = bitmap_at + 2 * bitmap_size
        self._zeros_left_out = zeros_left_out
        if self._held_at + (count + 7) // 8 > source.size:
            raise BadFormat(f"{path}: cut short or garbled: its bitmaps lie beyond its end")
        self._ranks = array("Q", [0])  # bits set before each part of the bitmap
        self._parts: dict[int, bytes] = {}
        self._batches: dict[int, bytes] = {}
        self._unpackers: dict[int, Unpack] = {}
        first = self._descriptor(0) if self._total() else None
        if first is not None and first[2] & PACKED in NAMES:
            self._unpacker(first[2] & PACKED)  # who can't unpack them learns it now

    def _part(self, number: int) -> bytes:
        """A part of the bitmap of pages held, without bits beyond the last page."""
        part = self._parts.pop(number, None)
        if part is None:
            left = self.count - number * PART_BITS
            size = min(PART, (left + 7) // 8)
            part = self.source.read(self._held_at + number * PART, size)
            part += bytes(size - len(part))
            if left < size * 8:
                part = part[:-1] + bytes([part[-1] & (1 << left % 8) - 1])
            if len(self._parts) >= KEPT:
                del self._parts[next(iter(self._parts))]
        self._parts[number] = part
        return part

    def _before(self, part: int) -> int:
        """How many pages are held before a part."""
        while len(self._ranks) <= part:
            bits = int.from_bytes(self._part(len(self._ranks) - 1), "little").bit_count()
            self._ranks.append(self._ranks[-1] + bits)
        return self._ranks[part]

    def _total(self) -> int:
        return self._before((self.count + PART_BITS - 1) // PART_BITS)

    def cut(self) -> bool:
        """Whether the last pages that it should hold aren't whole: those before all that share bytes."""
        total = self._total()
        if not total:
            return False
        if self._descriptor(total - 1) is None:
            return True
        number, index = divmod(total - 1, BATCH)
        batch = self._batch(number)[: (index + 1) * DESCRIPTOR.size]
        last = batch[-DESCRIPTOR.size :]
        while number and batch == last * (len(batch) // DESCRIPTOR.size):
            number -= 1
            batch = self._batch(number)
        end: int = max(row[0] + row[1] for row in DESCRIPTOR.iter_unpack(batch))
        return end > self.source.size

    def _descriptor(self, rank: int) -> tuple[int, int, int] | None:
        """(offset, size, flags)"""
        number, index = divmod(rank, BATCH)
        batch = self._batch(number)
        if len(batch) < (index + 1) * DESCRIPTOR.size:
            return None
        offset, size, flags, _ = DESCRIPTOR.unpack_from(batch, index * DESCRIPTOR.size)
        return offset, size, flags

    def _batch(self, number: int) -> bytes:
        batch = self._batches.pop(number, None)
        if batch is None:
            size = BATCH * DESCRIPTOR.size
            batch = self.source.read(self._table + number * size, size)
            if len(self._batches) >= KEPT:
                del self._batches[next(iter(self._batches))]
        self._batches[number] = batch
        return batch

    def page(self, number: int) -> bytes:
        if not 0 <= number < self.count:
            raise self._unknown(number, "not in this core")
        part, bit = divmod(number, PART_BITS)
        data = self._part(part)
        if not data[bit >> 3] >> (bit & 7) & 1:
            if self._zeros_left_out and self._exists(number):
                return bytes(self.page_size)
            raise self._unknown(number, "not in this core")
        below = int.from_bytes(data[: bit >> 3], "little").bit_count()
        below += (data[bit >> 3] & (1 << (bit & 7)) - 1).bit_count()
        return self._stored(number, self._descriptor(self._before(part) + below))

    def _exists(self, number: int) -> bool:
        data = self.source.read(self._all_at + (number >> 3), 1)
        return bool(data and data[0] >> (number & 7) & 1)

    def _stored(self, number: int, descriptor: tuple[int, int, int] | None) -> bytes:
        if descriptor is None:
            raise self._unknown(number, "its descriptor was cut off")
        offset, size, flags = descriptor
        if not 0 < size <= self.page_size:
            raise self._unknown(number, f"garbled: a page of {size} bytes")
        data = self.source.read(offset, size)
        if len(data) != size:
            raise self._unknown(number, "cut off")
        kind = flags & PACKED
        page: bytes | None = data
        if kind:
            page = self._unpacker(kind)(data, self.page_size) if kind in NAMES else None
        if page is None or len(page) != self.page_size:
            raise self._unknown(number, "garbled: it doesn't unpack to a page")
        return page

    def _unpacker(self, kind: int) -> Unpack:
        if kind not in self._unpackers:
            self._unpackers[kind] = unpacker(kind, self.path)
        return self._unpackers[kind]

    def _unknown(self, number: int, why: str) -> UnknownMemory:
        return UnknownMemory(number * self.page_size, self.page_size, why)

    def _parts_held(self) -> Iterator[tuple[int, bytes]]:
        """(first page's number, bits) of each part."""
        for part in range((self.count + PART_BITS - 1) // PART_BITS):
            yield part * PART_BITS, self._part(part)

    def runs(self) -> Iterator[range]:
        """Numbers of pages held, ascending."""
        return runs_of_bits(self._parts_held(), self.count)

    def heads(self, size: int) -> Iterator[tuple[int, bytes]]:
        """(number, its first bytes) of every page held. Pages of zeros mostly share one descriptor."""
        shared = b""  # the descriptor of a page of zeros
        for first, bits in self._parts_held():
            rank = self._before(first // PART_BITS)
            count = self._before(first // PART_BITS + 1) - rank
            rows = self.source.read(self._table + rank * DESCRIPTOR.size, count * DESCRIPTOR.size)
            if rows == shared * count:
                continue
            at = 0  # in rows
            for run in runs_of_bits([(first, bits)], first + len(bits) * 8):
                mine = rows[at : at + len(run) * DESCRIPTOR.size]
                at += len(mine)
                if mine == shared * len(run):
                    continue
                for number, row in zip(run, _each(mine), strict=False):
                    if row == shared:
                        continue
                    head = self._head(number, DESCRIPTOR.unpack(row)[:3], size)
                    if head.strip(b"\0"):
                        yield number, head
                    else:
                        shared = row
                if len(mine) < len(run) * DESCRIPTOR.size:
                    return  # the others were cut off

    def _head(self, number: int, descriptor: tuple[int, int, int], size: int) -> bytes:
        offset, stored, flags = descriptor
        if flags & PACKED == ZLIB and 0 < stored <= self.page_size:
            return zlib_head(self.source.read(offset, stored), size)
        try:
            return self._stored(number, descriptor)[:size]
        except UnknownMemory:
            return b""


def _each(rows: bytes) -> Iterator[bytes]:
    """Whole descriptors."""
    size = DESCRIPTOR.size
    return (rows[at : at + size] for at in range(0, len(rows) - size + 1, size))
