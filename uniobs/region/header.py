"""The region's header and directory: read, and refused when anything in them can't be."""

import zlib

from uniobs.errors import BadFormat
from uniobs.lean import Final, NamedTuple
from uniobs.memory.base import Memory
from uniobs.region import _abi

PAGE: Final = 4096
MAX_SIZE: Final = 1 << 28  # bounds of what a reader will hold; a guest that claims more is refused
MAX_SECTIONS: Final = 1024
MAX_ROWS: Final = 1 << 16
MAX_SLOTS: Final = 1 << 21  # over all rings of a kind
MAX_PACKET: Final = 1 << 17
TRIES: Final = 4  # the guest may be rewriting its header (clock calibration)

ROW_SIZES: Final[dict[int, int]] = {
    _abi.SECTION_EVENTS: _abi.EVENT_SIZE,
    _abi.SECTION_COUNTERS: _abi.COUNTER_SIZE,
    _abi.SECTION_THREADS: _abi.THREAD_SIZE,
    _abi.SECTION_LOCKS: _abi.LOCK_SIZE,
    _abi.SECTION_SOCKETS: _abi.SOCKET_SIZE,
    _abi.SECTION_HEAP: _abi.HEAP_SIZE,
    _abi.SECTION_SITES: _abi.SITE_SIZE,
    _abi.SECTION_IFACES: _abi.IFACE_SIZE,
}
RINGS: Final = frozenset({_abi.SECTION_LOG, _abi.SECTION_TRACE, _abi.SECTION_PACKETS})
HEAD_SIZES: Final[dict[int, int]] = {
    _abi.SECTION_STRINGS: _abi.STRINGS_SIZE,
    _abi.SECTION_PANIC: _abi.PANIC_SIZE,
}


class Guarded(NamedTuple):
    """What the header's CRC guards."""

    header: _abi.Header
    sections: tuple[_abi.Section, ...]


def read_header(memory: Memory, address: int) -> Guarded:
    """The validated header and directory. Raises BadFormat (one line) or UnknownMemory."""
    for attempt in range(TRIES):
        try:
            return _read(memory, address)
        except BadFormat:
            if not memory.live or attempt == TRIES - 1:
                raise
    raise BadFormat(f"region at {address:#x}: its header keeps changing")


def _read(memory: Memory, address: int) -> Guarded:
    where = f"region at {address:#x}"
    raw = memory.read(address, _abi.HEADER_SIZE)
    header = _abi.Header(*_abi.HEADER.unpack(raw))
    if header.magic != _abi.MAGIC:
        raise BadFormat(f"{where}: no magic there")
    if not 0 < header.section_count <= MAX_SECTIONS:
        raise BadFormat(f"{where}: {header.section_count} sections in its header")
    directory = memory.read(address + _abi.DIRECTORY_OFFSET, header.section_count * _abi.SECTION_SIZE)
    if zlib.crc32(directory, zlib.crc32(raw[: _abi.HEADER_OFFSETS["crc"]])) != header.crc:
        raise BadFormat(f"{where}: the header's checksum is wrong, so nothing in it can be trusted")
    if header.major != _abi.MAJOR:
        raise BadFormat(
            f"{where}: layout version {header.major}.{header.minor}, this uniobs reads {_abi.MAJOR}.x"
        )
    if header.self_pa != address:
        raise BadFormat(f"{where}: a copy of the region at {header.self_pa:#x}")
    if header.header_size != _abi.HEADER_SIZE or header.image_id_len > len(header.image_id):
        raise BadFormat(f"{where}: impossible sizes in its header")
    directory_end = _abi.DIRECTORY_OFFSET + len(directory)
    if not directory_end <= header.size <= MAX_SIZE:
        raise BadFormat(f"{where}: impossible size of {header.size} bytes")
    sections = tuple(_abi.Section(*fields) for fields in _abi.SECTION.iter_unpack(directory))
    _check_directory(where, header, directory_end, sections)
    return Guarded(header, sections)


def _check_directory(
    where: str, header: _abi.Header, first_free: int, sections: tuple[_abi.Section, ...]
) -> None:
    seen: set[tuple[int, int]] = set()
    slots: dict[int, int] = {}
    end = first_free
    for section in sorted(sections, key=lambda s: s.offset):
        name = _abi.SECTION_NAMES.get(section.kind, f"kind {section.kind}")
        what = f"{where}: section {name} {section.index}"
        if section.offset < end or section.offset % 8:
            raise BadFormat(f"{what} overlaps what lies before it, or is not aligned")
        end = section.offset + section.size
        if end > header.size:
            raise BadFormat(f"{what} ends beyond the region")
        key = (section.kind, section.index if section.kind == _abi.SECTION_TRACE else 0)
        if key in seen and section.kind in _abi.SECTION_NAMES:
            raise BadFormat(f"{what} is there twice")
        seen.add(key)
        _check_shape(what, section)
        if section.kind in RINGS:
            slots[section.kind] = slots.get(section.kind, 0) + section.entry_count
            if slots[section.kind] > MAX_SLOTS:
                raise BadFormat(f"{what}: more than {MAX_SLOTS} slots")


def _check_shape(what: str, section: _abi.Section) -> None:
    """Row size and count against the section's size. A later minor version may have longer rows."""
    count, each = section.entry_count, section.entry_size
    if section.kind in ROW_SIZES:
        fits = ROW_SIZES[section.kind] <= each <= PAGE and each % 8 == 0 and count <= MAX_ROWS
        if not fits or count * each > section.size:
            raise BadFormat(f"{what}: {count} rows of {each} bytes in {section.size} bytes")
    elif section.kind in RINGS:
        ok = count > 0 and count & (count - 1) == 0
        if section.kind == _abi.SECTION_PACKETS:
            ok = ok and _abi.PACKET_SIZE < each <= MAX_PACKET and each & (each - 1) == 0
        else:
            ok = ok and each == _abi.SLOT_SIZE
        if not ok or _abi.RING_SIZE + count * each > section.size:
            raise BadFormat(f"{what}: {count} slots of {each} bytes in {section.size} bytes")
    elif section.size < HEAD_SIZES.get(section.kind, 0):
        raise BadFormat(f"{what}: only {section.size} bytes")
