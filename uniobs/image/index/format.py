"""The index file: mapped, searched as it lies, every page proven by its checksum before it is believed.

Pages of 4096 bytes, little-endian; written by native/write.c::

    head    magic u8[8]  version u32  page size u32  file size u64  rows u64  first page of the sums u64
            then (first page u64, count u64) of tops, nodes, names, ranges, strings
            at 136: CRC-32 of the sums u32, key size u32; at 256: the key; at 4092: CRC-32 of the rest
    rows    204 a page: addresses u64[], nodes u32[], files u32[], lines u32[]; a row holds to the next one
    tops    u64 a page of rows: its first address
    nodes   parent u32  name u32  file u32  line u32. Without a parent it is a function, and file and line
            are its first range and their count; else a call inlined into its parent, from there
    names   the name in the source u32, the linkage name u32
    ranges  low u64  high u64
    strings length u32, bytes; known by their position, 0 is none
    sums    u32 a page: CRC-32

Nodes 0, 1, 2: outside every unit; this unit can't be told here; in no function.
"""

import mmap
import struct
import zlib
from bisect import bisect_right

from uniobs.errors import BadFormat
from uniobs.image.frames import ELSEWHERE, SourceFrame, raw_name, readable
from uniobs.lean import Final

MAGIC: Final = b"\x89uniobs\n"
VERSION: Final = 1
PAGE: Final = 4096
ROWS: Final = 204  # a page
_ASK, _NAMELESS = 1, 2  # nodes
_KEY_AT: Final = 256
_KEY_MAX: Final = 1024
_NODES_AT, _FILES_AT, _LINES_AT = 2 * ROWS, 3 * ROWS, 4 * ROWS  # in a page of rows, in words

Frames = tuple[SourceFrame, ...]
Call = tuple[str | None, str | None, Frames]  # its name, its linkage name, the frames around it
Block = tuple[memoryview, memoryview, list[Frames | None]]  # addresses, words, what was made of them


class SymbolIndex:
    """One index. Raises BadFormat when the file isn't the index of ``key``, now or at any later answer."""

    def __init__(self, file: int, key: bytes) -> None:
        try:
            data = memoryview(mmap.mmap(file, 0, access=mmap.ACCESS_READ))
        except (OSError, ValueError) as error:
            raise BadFormat(f"the symbol index can't be mapped ({error})") from error
        self._data = data
        if len(data) < PAGE or bytes(data[:8]) != MAGIC:
            raise BadFormat("this is no symbol index")
        version, page, size, rows, sums = struct.unpack_from("<IIQQQ", data, 8)
        parts = struct.unpack_from("<10Q", data, 40)
        check, key_size = struct.unpack_from("<II", data, 136)
        if version != VERSION or page != PAGE:
            raise BadFormat(f"the symbol index is of version {version}, not {VERSION}")
        if size != len(data) or zlib.crc32(data[: PAGE - 4]) != struct.unpack_from("<I", data, PAGE - 4)[0]:
            raise BadFormat("the symbol index is cut or garbled")
        if key_size > _KEY_MAX or bytes(data[_KEY_AT : _KEY_AT + key_size]) != key:
            raise BadFormat("the symbol index is of another image")
        end = sums * PAGE + 4 * (sums - 1)
        if sums < 1 or end > size or zlib.crc32(data[sums * PAGE : end]) != check:
            raise BadFormat("the checksums of the symbol index are garbled")
        self._sums = data[sums * PAGE : end].cast("I")
        self.rows = rows
        pages = -(-rows // ROWS)
        self._words: list[memoryview | None] = [None] * sums  # pages whose checksum was right
        self._tops = self._bytes(parts[0] * PAGE, 8 * pages).cast("Q")
        self._node_page, self._node_count, self._name_page, self._name_count = parts[2:6]
        self._ranges, self._range_count = parts[6] * PAGE, parts[7]
        self._strings, self._string_size = parts[8] * PAGE, parts[9]
        self._blocks: list[Block | None] = [None] * pages
        self._calls: dict[int, Call] = {}
        self._texts: dict[int, str | None] = {0: None}

    def _page(self, number: int) -> memoryview:
        """A proven page, as words."""
        if not 0 < number < len(self._words):
            raise BadFormat("the symbol index points outside itself")
        data = self._data[number * PAGE : (number + 1) * PAGE]
        if zlib.crc32(data) != self._sums[number - 1]:
            raise BadFormat(f"page {number} of the symbol index is garbled")
        words = self._words[number] = data.cast("I")
        return words

    def _bytes(self, at: int, size: int) -> memoryview:
        """Proven bytes."""
        words = self._words
        first, last = at // PAGE, (at + size - 1) // PAGE
        if last >= len(words):
            raise BadFormat("the symbol index points outside itself")
        while first <= last:
            if words[first] is None:
                self._page(first)
            first += 1
        return self._data[at : at + size]

    def find(self, address: int) -> Frames:
        """Source positions of a link address, innermost first; empty outside every unit; or ELSEWHERE.

        Where the same row holds it is the same tuple.
        """
        number = bisect_right(self._tops, address) - 1
        if number < 0:
            return ()
        block = self._blocks[number] or self._block(number)
        index = bisect_right(block[0], address) - 1
        found = block[2][index]
        if found is None:
            found = block[2][index] = self._frames(block[1], index)
        return found

    def _block(self, number: int) -> Block:
        words = self._page(1 + number)
        count = min(ROWS, self.rows - number * ROWS)
        block = words[: 2 * count].cast("B").cast("Q"), words, list[Frames | None]([None]) * count
        if block[0][0] != self._tops[number]:
            raise BadFormat(f"page {1 + number} of the symbol index starts elsewhere than it should")
        self._blocks[number] = block
        return block

    def _frames(self, words: memoryview, index: int) -> Frames:
        node = words[_NODES_AT + index]
        if node <= _ASK:
            return ELSEWHERE if node == _ASK else ()
        name, linkage, outer = self._calls.get(node) or self._call(node)
        file = words[_FILES_AT + index]
        path = self._texts.get(file) or self.text(file)
        frame = SourceFrame(name, path, words[_LINES_AT + index] or None, bool(outer), linkage)
        return (frame, *outer) if outer else (frame,)

    def _node(self, node: int) -> tuple[int, int, int, int]:
        if node >= self._node_count:
            raise BadFormat("the symbol index names a call that it doesn't hold")
        page = self._node_page + (node >> 8)
        words = self._words[page] or self._page(page)
        at = (node & 255) * 4
        return words[at], words[at + 1], words[at + 2], words[at + 3]

    def _call(self, node: int) -> Call:
        """What the node is called, its linkage name, and the frames around it."""
        chain = []
        at = node
        while at not in self._calls:
            row = self._node(at)
            chain.append((at, row))
            if row[0] >= at:
                raise BadFormat("a call of the symbol index lies in itself")
            at = row[0]
            if not at:
                break
        for at, (parent, name, file, line) in reversed(chain):
            outer: Frames = ()
            if parent:
                above, linkage, beyond = self._calls[parent]
                outer = (SourceFrame(above, self.text(file), line or None, bool(beyond), linkage), *beyond)
            shown, linkage = readable(self._name(name))
            self._calls[at] = shown, linkage, outer
        return self._calls[node]

    def _name(self, number: int) -> str | None:
        if number >= self._name_count:
            raise BadFormat("the symbol index names a name that it doesn't hold")
        page = self._name_page + (number >> 9)
        words = self._words[page] or self._page(page)
        at = (number & 511) * 2
        return raw_name(self.text(words[at]), self.text(words[at + 1]))

    def text(self, at: int) -> str | None:
        """The text at a position of the strings; 0: None."""
        found = self._texts.get(at)
        if found is None and at:
            if at + 4 > self._string_size:
                raise BadFormat("the symbol index names a text that it doesn't hold")
            start = self._strings + at
            size = int.from_bytes(self._bytes(start, 4), "little")
            if size > self._string_size - at - 4:
                raise BadFormat("a text of the symbol index is too long")
            found = str(self._bytes(start + 4, size), "utf-8", "replace")
            self._texts[at] = found
        return found

    def function(self, address: int) -> tuple[str | None, int, int] | None:
        """(raw name, start, size) of the function's range around a link address; None: there is none.

        Raises LookupError where the DWARF is to be asked.
        """
        number = bisect_right(self._tops, address) - 1
        if number < 0:
            return None
        block = self._blocks[number] or self._block(number)
        node = block[1][_NODES_AT + bisect_right(block[0], address) - 1]
        if node == _ASK:
            raise LookupError("not in the index")
        if node in (0, _NAMELESS):
            return None
        parent, name, first, count = self._node(node)
        while parent:
            if parent >= node:
                raise BadFormat("a call of the symbol index lies in itself")
            node = parent
            parent, name, first, count = self._node(node)
        if first + count > self._range_count:
            raise BadFormat("the symbol index names a range that it doesn't hold")
        for low, high in struct.iter_unpack("<QQ", self._bytes(self._ranges + 16 * first, 16 * count)):
            if low <= address < high:
                return self._name(name), low, high - low
        return None
