"""The region as a whole: its header, its strings, its rows. Every byte of it may be garbage."""

from collections.abc import Callable

from uniobs.errors import BadFormat
from uniobs.lean import Any, Final, Generic, NamedTuple, TypeVar
from uniobs.memory.base import Memory
from uniobs.region import _abi, check
from uniobs.region.clock import Clock
from uniobs.region.header import ROW_SIZES, read_header

T = TypeVar("T", bound=tuple[Any, ...])
MAX_STRING: Final = 256
TRIES: Final = 8
LIVE_CHECK: Final = _abi.HEADER_LIVE_OFFSETS["check"]
EVENT_CHECK: Final = _abi.EVENT_OFFSETS["check"]


class Row(NamedTuple, Generic[T]):
    """One used row. ``torn``: its writer was caught, or died, in the middle, or it is garbled. Only when
    it is ``sound`` - its check word holds - may at least its key be shown."""

    index: int  # type: ignore[assignment]  # hides a method of tuple
    value: T
    torn: bool
    sound: bool = True


class Region:
    """A validated region at a physical address. Raises BadFormat or UnknownMemory when it can't be one.

    ``refresh()`` forgets what was read; rows, strings and live() are read when asked for.
    """

    def __init__(self, memory: Memory, address: int) -> None:
        self.memory = memory
        self.address = address
        self._strings: bytes | None = None
        self._load()

    def _load(self) -> None:
        self.header, self.sections = read_header(self.memory, self.address)
        header = self.header
        self.clock = Clock(header.tsc_khz, header.anchor_tsc, header.anchor_wall_ns)
        self.hosted = bool(header.flags & _abi.FLAG_HOSTED)

    def refresh(self) -> None:
        """Read the header again (the clock may have been calibrated) and forget the strings."""
        self._load()
        self._strings = None

    # --- header ---------------------------------------------------------------------------------------

    @property
    def image_id(self) -> bytes:
        """The GNU build-id that the guest states, or b""."""
        return self.header.image_id[: self.header.image_id_len]

    @property
    def kernel(self) -> str:
        return text(self.header.kernel)

    @property
    def app(self) -> str:
        return text(self.header.app)

    def live(self) -> _abi.HeaderLive:
        """The part of the header that changes, as it is now. Raises BadFormat when it is garbled."""
        for _ in range(TRIES if self.memory.live else 1):
            raw = self.memory.read(self.address + _abi.LIVE_OFFSET, _abi.HEADER_LIVE_SIZE)
            if check.total(raw[:LIVE_CHECK]) >> 32 == int.from_bytes(
                raw[LIVE_CHECK : LIVE_CHECK + 4], "little"
            ):
                return _abi.HeaderLive(*_abi.HEADER_LIVE.unpack(raw))
        raise BadFormat(f"region at {self.address:#x}: its state and heartbeat are garbled")

    def live_or_none(self) -> _abi.HeaderLive | None:
        """live(), or None when it is garbled."""
        try:
            return self.live()
        except BadFormat:
            return None

    def state(self) -> int | None:
        """One of STATE_*, or None when that can't be told."""
        live = self.live_or_none()
        return live.state if live is not None and live.state in _abi.STATE_NAMES else None

    @property
    def settled(self) -> bool:
        """Nothing will be written any more: what is half written stays so."""
        return not self.memory.live or self.state() in (_abi.STATE_PANICKED, _abi.STATE_EXITED)

    # --- sections -------------------------------------------------------------------------------------

    def section(self, kind: int) -> _abi.Section | None:
        return next((s for s in self.sections if s.kind == kind), None)

    def sections_of(self, kind: int) -> list[_abi.Section]:
        """All of a kind, by index (trace rings)."""
        return sorted((s for s in self.sections if s.kind == kind), key=lambda s: s.index)

    def read(self, offset: int, size: int) -> bytes:
        """Bytes of the region. Raises BadFormat beyond its end."""
        if offset < 0 or size < 0 or offset + size > self.header.size:
            raise BadFormat(f"region at {self.address:#x}: {size} bytes at {offset:#x} are beyond its end")
        return self.memory.read(self.address + offset, size)

    def string(self, offset: int) -> str | None:
        """The text at an offset of the string section; None when nothing begins there."""
        section = self.section(_abi.SECTION_STRINGS)
        if section is None or not _abi.STRINGS_SIZE <= offset < section.size:
            return None
        found = self._string_at(section, offset)
        if found is None and self.memory.live and self._strings is not None:
            self._strings = None  # may have been added since
            found = self._string_at(section, offset)
        return found

    def _string_at(self, section: _abi.Section, offset: int) -> str | None:
        if self._strings is None:
            self._strings = self.read(section.offset, section.size)
        data = self._strings
        used = min(int.from_bytes(data[:4], "little"), section.size)
        if offset < _abi.STRINGS_SIZE + 4 or offset >= used:
            return None
        end = data.find(b"\0", offset, min(offset + MAX_STRING + 1, used))
        if end <= offset or check.text_check(data[offset:end]) != int.from_bytes(
            data[offset - 4 : offset], "little"
        ):
            return None
        return data[offset:end].decode("utf-8", "replace")

    # --- rows -----------------------------------------------------------------------------------------

    def threads(self) -> list[Row[_abi.Thread]]:
        return self._rows(_abi.SECTION_THREADS, lambda raw: _abi.Thread(*_abi.THREAD.unpack(raw)))

    def locks(self) -> list[Row[_abi.Lock]]:
        return self._rows(_abi.SECTION_LOCKS, lambda raw: _abi.Lock(*_abi.LOCK.unpack(raw)))

    def sockets(self) -> list[Row[_abi.Socket]]:
        return self._rows(_abi.SECTION_SOCKETS, lambda raw: _abi.Socket(*_abi.SOCKET.unpack(raw)))

    def sites(self) -> list[Row[_abi.Site]]:
        return self._rows(_abi.SECTION_SITES, lambda raw: _abi.Site(*_abi.SITE.unpack(raw)))

    def interfaces(self) -> list[Row[_abi.Iface]]:
        return self._rows(_abi.SECTION_IFACES, lambda raw: _abi.Iface(*_abi.IFACE.unpack(raw)))

    def heap(self) -> list[Row[_abi.Heap]]:
        return self._rows(_abi.SECTION_HEAP, lambda raw: _abi.Heap(*_abi.HEAP.unpack(raw)))

    def counters(self) -> list[Row[_abi.Counter]]:
        """Counters have no sequence: ``torn`` when the value and its inverse disagree, or name, kind and unit
        with their check."""
        section = self.section(_abi.SECTION_COUNTERS)
        if section is None:
            return []
        out: list[Row[_abi.Counter]] = []
        for _ in range(TRIES if self.memory.live else 1):
            raws = self._raw_rows(section, _abi.COUNTER_SIZE)
            parsed = ((i, _abi.Counter(*_abi.COUNTER.unpack(raw))) for i, raw in enumerate(raws) if any(raw))
            out = [counter_row(i, value) for i, value in parsed]
            if not any(row.torn for row in out):
                break
        return out

    def events(self) -> list[Row[_abi.Event]]:
        """Event descriptors as they stand, row i that of event i; descriptors.Descriptors checks them."""
        section = self.section(_abi.SECTION_EVENTS)
        if section is None:
            return []
        raws = self._raw_rows(section, _abi.EVENT_SIZE)
        return [
            Row(i, _abi.Event(*_abi.EVENT.unpack(raw)), not check.record_holds(raw, EVENT_CHECK))
            for i, raw in enumerate(raws)
            if any(raw)
        ]

    def _rows(self, kind: int, parse: Callable[[bytes], T]) -> list[Row[T]]:
        section = self.section(kind)
        if section is None:
            return []
        size = ROW_SIZES[kind]
        raws = self._raw_rows(section, size)
        torn = {i for i, raw in enumerate(raws) if raw[0] & 1}
        if self.memory.live:
            torn = self._confirm(section, size, raws)
        # A row that was never used is all zero.
        return [
            Row(i, parse(raw), not (sound := check.row_holds(raw)) or i in torn, sound)
            for i, raw in enumerate(raws)
            if any(raw[4:])
        ]

    def _confirm(self, section: _abi.Section, size: int, raws: list[bytes]) -> set[int]:
        """Read again until each row was the same twice with an even sequence: nobody was writing it.

        Puts the confirmed rows into ``raws`` and returns those that never were.
        """
        open_rows = set(range(len(raws)))
        for _ in range(TRIES):
            again = self._raw_rows(section, size)
            for i in tuple(open_rows):
                if again[i] == raws[i] and not raws[i][0] & 1:
                    open_rows.discard(i)
                raws[i] = again[i] if i in open_rows else raws[i]
            if not open_rows:
                break
        return open_rows

    def _raw_rows(self, section: _abi.Section, size: int) -> list[bytes]:
        each, count = section.entry_size, section.entry_count
        data = self.read(section.offset, each * count)
        return [data[at : at + size] for at in range(0, each * count, each)]


def counter_row(index: int, row: _abi.Counter) -> Row[_abi.Counter]:
    words = row.name | row.kind << 32 | row.unit << 48
    sound = check.total(words.to_bytes(8, "little")) >> 32 == row.check
    return Row(index, row, not sound or row.value ^ row.inverse != check.MASK, sound)


def text(raw: bytes) -> str:
    """A NUL-padded text field."""
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace")
