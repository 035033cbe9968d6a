"""Memory that is made page by page: each page is unpacked when it is read, and few are kept."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from uniobs.errors import UnknownMemory
from uniobs.memory.base import Range
from uniobs.memory.file import READ_MAX

KEPT = 1 << 20  # bytes of unpacked pages
RANGES_MAX = 1 << 16  # ranges that are listed; what follows is given as one


class PagedMemory:
    """``count`` pages, not all of which need be held.

    ``page(number)`` gives a page's bytes, or raises UnknownMemory; ``runs()`` the numbers held, ascending;
    ``heads(size)``: (page number, its first bytes) of every page held that may not be zero, cheaply.
    """

    live = False

    def __init__(
        self,
        page_size: int,
        count: int,
        page: Callable[[int], bytes],
        runs: Callable[[], Iterator[range]],
        heads: Callable[[int], Iterator[tuple[int, bytes]]],
        close: Callable[[], None],
    ) -> None:
        self.page_size = page_size
        self._count = count
        self._page = page
        self._runs = runs
        self._heads = heads
        self._close = close
        self._kept: dict[int, bytes] = {}  # the least recently used first
        self._most = max(KEPT // page_size, 2)
        self._closed = False

    def read(self, address: int, size: int) -> bytes:
        if size <= 0:
            return b""
        if address < 0 or size > READ_MAX or self._closed:
            raise UnknownMemory(address, size)
        number, offset = divmod(address, self.page_size)
        if offset + size <= self.page_size:
            return self._kept_page(number)[offset : offset + size]
        parts = []
        left = size
        while left > 0:
            part = self._kept_page(number)[offset : offset + left]
            parts.append(part)
            left -= len(part)
            number, offset = number + 1, 0
        return b"".join(parts)

    def _kept_page(self, number: int) -> bytes:
        page = self._kept.pop(number, None)
        if page is None:
            page = self._page(number)
            if len(self._kept) >= self._most:
                del self._kept[next(iter(self._kept))]
        self._kept[number] = page
        return page

    def ranges(self) -> Sequence[Range]:
        size = self.page_size
        runs = self._runs()
        found = [Range(run.start * size, len(run) * size) for run in islice(runs, RANGES_MAX)]
        following = next(runs, None)
        if following is not None:
            found.append(Range(following.start * size, (self._count - following.start) * size))
        return found

    def heads(self, size: int) -> Iterator[tuple[int, bytes]]:
        """(address, its first ``size`` bytes) of every page that may not be zero."""
        return ((number * self.page_size, head) for number, head in self._heads(size))

    def close(self) -> None:
        self._kept.clear()
        if not self._closed:  # its descriptor's number may be another file's by now
            self._closed = True
            self._close()
