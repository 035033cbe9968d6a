"""Targets that are reached over a channel."""

import os
from collections.abc import Sequence

from uniobs.channel.serial import SerialMemory
from uniobs.errors import NotOffered
from uniobs.model.guest import Registers
from uniobs.target.origin import Origin


def serial_origin(path: str, name: str | None, timeout: float) -> Origin:
    """A guest that answers on a unix socket. Raises TargetError when it doesn't."""
    memory = SerialMemory(path, timeout)

    def registers() -> Sequence[Registers]:
        raise NotOffered("registers can't be had: the channel carries memory only")

    def find_region(hint: int | None) -> int | None:
        return memory.region.start

    base = os.path.basename(path)
    return Origin(
        name=name or os.path.splitext(base)[0] or base,
        kind="serial",
        vmm=base,
        memory=memory,
        live=True,
        find_region=find_region,
        registers=registers,
        refresh=memory.refresh,
    )
