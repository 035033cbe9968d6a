"""LiME images: lime.h's header before each block."""

import struct
from pathlib import Path

from support.corewriters import Snapshot, put


def write(path: Path, taken: Snapshot) -> None:
    with path.open("wb") as file:
        at = 0
        for block in taken.blocks:
            file.seek(at)
            file.write(struct.pack("<4sIQQQ", b"EMiL", 1, block.start, block.end - 1, 0))
            put(file, at + 32, taken, block.start, block.size)
            at += 32 + block.size
