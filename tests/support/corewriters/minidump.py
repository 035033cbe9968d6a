"""Minidumps of a process: memory by virtual address, a context a thread, modules by name."""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from support.corewriters import Snapshot, put
from support.corewriters.windows import context


class Module(NamedTuple):
    base: int
    size: int
    path: str


class _File:
    """Pieces in a row, and where each begins."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.data = b""

    def add(self, data: bytes) -> int:
        where = self.at + len(self.data)
        self.data += data
        return where


def write(
    path: Path,
    taken: Snapshot,
    threads: Mapping[int, dict[str, int]],
    modules: Sequence[Module] = (),
    *,
    crashed: int | None = None,
    full: bool = True,
    padded: bool = False,
) -> None:
    """``full``: a Memory64List, as Windows and a full Crashpad dump have. ``padded``: lists as Breakpad's."""
    count = 4 + (crashed is not None)
    file = _File(32 + 12 * count)
    pad = bytes(4) if padded else b""
    streams = [(7, 56, file.add(struct.pack("<HHH", 9, 6, 1) + bytes(50)))]
    contexts = {thread: file.add(context(known)) for thread, known in threads.items()}
    thread_row = struct.Struct("<IIIIQQIIII")
    rows = [thread_row.pack(thread, 0, 0, 0, 0, 0, 0, 0, 0x4D0, at) for thread, at in contexts.items()]
    data = struct.pack("<I", len(rows)) + pad + b"".join(rows)
    streams.append((3, len(data), file.add(data)))
    rows = []
    for base, size, name in modules:
        text = name.encode("utf-16-le")
        where = file.add(struct.pack("<I", len(text)) + text + b"\0\0")
        rows.append(struct.pack("<QIIII", base, size, 0, 0, where) + bytes(84))
    data = struct.pack("<I", len(rows)) + pad + b"".join(rows)
    streams.append((4, len(data), file.add(data)))
    if crashed is not None:
        where = file.add(context(threads[crashed]))
        data = struct.pack("<I", crashed) + bytes(156) + struct.pack("<II", 0x4D0, where)
        streams.append((6, 168, file.add(data)))
    if full:
        size = 16 + 16 * len(taken.blocks)
        base = file.at + len(file.data) + size
        table = struct.pack("<QQ", len(taken.blocks), base)
        table += b"".join(struct.pack("<QQ", *block) for block in taken.blocks)
        streams.append((9, size, file.add(table)))
        at = base
    else:
        size = 4 + len(pad) + 16 * len(taken.blocks)
        at = base = file.at + len(file.data) + size
        table = struct.pack("<I", len(taken.blocks)) + pad
        for block in taken.blocks:
            table += struct.pack("<QII", block.start, block.size, at)
            at += block.size
        streams.append((5, size, file.add(table)))
        at = base
    with path.open("wb") as out:
        out.write(struct.pack("<4sIIIIIQ", b"MDMP", 0xA793, len(streams), 32, 0, 0, 2))
        out.write(b"".join(struct.pack("<III", *stream) for stream in streams) + file.data)
        for block in taken.blocks:
            put(out, at, taken, block.start, block.size)
            at += block.size
