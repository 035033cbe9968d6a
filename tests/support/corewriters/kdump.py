"""kdump-compressed cores: as makedumpfile writes them, plain or flattened, by any of its compressions."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from support.corewriters import PAGE, Snapshot
from support.corewriters.elf import note, prstatus, qemu_state


def _lzo(page: bytes) -> bytes:
    from lzallright import LZOCompressor

    return bytes(LZOCompressor().compress(page))


def _snappy(page: bytes) -> bytes:
    from cramjam import snappy

    return bytes(snappy.compress_raw(page))


def _zstd(page: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor().compress(page)


KINDS: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "none": (0, bytes),
    "zlib": (1, zlib.compress),
    "lzo": (2, _lzo),
    "snappy": (4, _snappy),
    "zstd": (0x20, _zstd),
}


def pieces(taken: Snapshot, kind: str = "zlib", leave_out_zeros: bool = False) -> list[tuple[int, bytes]]:
    """(offset, bytes) of what the file is made of, in the order in which QEMU writes it."""
    flag, pack = KINDS[kind]
    last = max(block.end for block in taken.blocks) // PAGE
    half = -(-last // 8 // PAGE) or 1
    exists, held = bytearray(half * PAGE), bytearray(half * PAGE)
    kept = dict(taken.pages())
    wanted = []
    for block in taken.blocks:
        for address in range(block.start, block.end, PAGE):
            number = address // PAGE
            exists[number >> 3] |= 1 << (number & 7)
            if address in kept or not leave_out_zeros:
                held[number >> 3] |= 1 << (number & 7)
                wanted.append(address)
    notes = b"".join(note(b"CORE", 1, prstatus(cpu + 1, one)) for cpu, one in enumerate(taken.registers))
    notes += b"".join(note(b"QEMU", 0, qemu_state(one)) for one in taken.registers)
    sub_blocks = -(-(0x1000 + len(notes)) // PAGE)
    table = (1 + sub_blocks + 2 * half) * PAGE
    header = struct.pack("<8si", b"KDUMP   ", 6) + b"".join(
        name.ljust(65, b"\0") for name in (b"", b"", b"", b"", b"x86_64", b"")
    )
    header = header.ljust(424, b"\0") + struct.pack(
        "<IIIIIIIIII", 1, PAGE, sub_blocks, 2 * half, min(last, 0xFFFFFFFF), 0, 0, 0, 0, len(taken.registers)
    )
    note_at = PAGE + 0x200
    sub = struct.pack("<QIIQQQQQQQQQQQ", 0, 1, 0, 0, last, 0, 0, note_at, len(notes), 0, 0, 0, last, last)
    at = table + 24 * len(wanted)
    packed_zero = pack(bytes(PAGE)) if flag else bytes(PAGE)
    zero_at = at
    data = [(at, packed_zero)]
    at += len(packed_zero)
    rows = []
    for address in wanted:
        page = kept.get(address)
        if page is None:
            rows.append(struct.pack("<QIIQ", zero_at, len(packed_zero), flag, 0))
            continue
        packed, how = pack(page), flag
        if len(packed) >= PAGE:
            packed, how = page, 0
        rows.append(struct.pack("<QIIQ", at, len(packed), how, 0))
        data.append((at, packed))
        at += len(packed)
    first = [(0, header.ljust(PAGE, b"\0")), (PAGE, sub), (note_at, notes)]
    bitmaps = [((1 + sub_blocks) * PAGE, bytes(exists)), ((1 + sub_blocks + half) * PAGE, bytes(held))]
    described = [(table + 24 * n, b"".join(rows[n : n + 100])) for n in range(0, len(rows), 100)]
    return first + bitmaps + interleaved(described, data)


def interleaved(one: list[tuple[int, bytes]], two: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """QEMU writes descriptors and pages as its two buffers fill: offsets jump to and fro."""
    step = max(len(two) // max(len(one), 1), 1)
    out = []
    for number, piece in enumerate(one):
        out += [*two[number * step : (number + 1) * step], piece]
    return out + two[len(one) * step :]


def write(path: Path, taken: Snapshot, kind: str = "zlib", leave_out_zeros: bool = False) -> None:
    with path.open("wb") as file:
        for offset, data in pieces(taken, kind, leave_out_zeros):
            file.seek(offset)
            file.write(data)


def write_flattened(path: Path, taken: Snapshot, kind: str = "zlib") -> None:
    flatten(path, pieces(taken, kind))


def flatten(path: Path, parts: list[tuple[int, bytes]]) -> None:
    with path.open("wb") as file:
        file.write(struct.pack(">16sqq", b"makedumpfile", 1, 1).ljust(4096, b"\0"))
        for offset, data in parts:
            file.write(struct.pack(">qq", offset, len(data)) + data)
        file.write(struct.pack(">qq", -1, -1))
