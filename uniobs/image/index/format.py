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
_WORD: Final = struct.Struct("<I")
_KEY_AT: Final = 256
_KEY_MAX: Final = 1024
_NODES_AT, _FILES_AT, _LINES_AT = 2 * ROWS, 3 * ROWS, 4 * ROWS  # in a page of rows, in words

Frames = tuple[SourceFrame, ...]
Call = tuple[str | None, str | None, Frames]  # its name, its linkage name, the frames around it
Block = tuple[memoryview, memoryview, list[Frames | None]]  # addresses, words, what was made of them
_new = tuple.__new__  # frames are made by the hundred thousand


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
        sizes = (8, 16, 8, 16, 1)
        for first, count, size in zip(parts[::2], parts[1::2], sizes, strict=True):
            if first < 1 or first * PAGE + count * size > sums * PAGE:
                raise BadFormat("the symbol index points outside itself")
        self._blocks: list[Block | None] = [None] * pages
        self._calls: dict[int, Call] = {}
        self._shown: dict[int, tuple[str | None, str | None]] = {}
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

    def _prove(self, at: int, end: int) -> None:
        """Check the pages of [at, end) that weren't yet."""
        words = self._words
        page, last = at >> 12, (end - 1) >> 12
        if last >= len(words):
            raise BadFormat("the symbol index points outside itself")
        while page <= last:
            if words[page] is None:
                self._page(page)
            page += 1

    def _bytes(self, at: int, size: int) -> memoryview:
        """Proven bytes."""
        self._prove(at, at + size)
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
        path = self._texts[file] if file in self._texts else self._text(file)
        line = words[_LINES_AT + index] or None
        if outer:
            return _new(SourceFrame, (name, path, line, True, linkage)), *outer
        return (_new(SourceFrame, (name, path, line, False, linkage)),)

    def _node(self, node: int) -> tuple[int, int, int, int]:
        if node >= self._node_count:
            raise BadFormat("the symbol index names a call that it doesn't hold")
        page = self._node_page + (node >> 8)
        words = self._words[page] or self._page(page)
        at = (node & 255) * 4
        parent = words[at]
        if parent >= node:
            raise BadFormat("a call of the symbol index lies in itself")
        return parent, words[at + 1], words[at + 2], words[at + 3]

    def _call(self, node: int) -> Call:
        """What the node is called, its linkage name, and the frames around it.

        It calls itself as deep as calls are nested, which the builder bounds.
        """
        parent, number, file, line = self._node(node)
        shown = self._shown.get(number) or self._name(number)
        if parent:
            name, linkage, outer = self._calls.get(parent) or self._call(parent)
            path = self._texts[file] if file in self._texts else self._text(file)
            caller = _new(SourceFrame, (name, path, line or None, bool(outer), linkage))
            call = *shown, (caller, *outer)
        else:
            call = *shown, ()
        self._calls[node] = call
        return call

    def _name(self, number: int) -> tuple[str | None, str | None]:
        self._shown[number] = shown = readable(self._raw_name(number))
        return shown

    def _raw_name(self, number: int) -> str | None:
        if number >= self._name_count:
            raise BadFormat("the symbol index names a name that it doesn't hold")
        page = self._name_page + (number >> 9)
        words = self._words[page] or self._page(page)
        at = (number & 511) * 2
        linkage = words[at + 1]
        return raw_name(self._text(words[at]), self._text(linkage) if linkage else None)

    def _text(self, at: int) -> str | None:
        """The text at a position of the strings; 0: None."""
        if at in self._texts:
            return self._texts[at]
        start = self._strings + at
        if at + 4 > self._string_size:
            raise BadFormat("the symbol index names a text that it doesn't hold")
        page = start >> 12
        if self._words[page] is None or start & (PAGE - 1) > PAGE - 4:
            self._prove(start, start + 4)
        (size,) = _WORD.unpack_from(self._data, start)
        start += 4
        end = start + size
        if size > self._string_size - at - 4:
            raise BadFormat("a text of the symbol index is too long")
        if (end - 1) >> 12 != page:
            self._prove(start, end)
        found = self._texts[at] = str(self._data[start:end], "utf-8", "replace")
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
            parent, name, first, count = self._node(parent)
        if first + count > self._range_count:
            raise BadFormat("the symbol index names a range that it doesn't hold")
        for low, high in struct.iter_unpack("<QQ", self._bytes(self._ranges + 16 * first, 16 * count)):
            if low <= address < high:
                return self._raw_name(name), low, high - low
        return None
