"""Capture files: where -w writes, and what -r reads."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from uniobs.errors import NoSuchTarget, OutputError, TargetError

FORMATS = ("pcapng", "pcap")


@contextmanager
def writer(path: str | None, kind: str | None, snap: int, *, flush: bool) -> Iterator[Any]:
    """A packet writer for ``path`` ("-" is stdout; None: no writer). ``kind`` None: by the name's end.

    Raises OutputError when it can't be opened or written.
    """
    if path is None:
        yield None
        return
    from uniobs.export.pcap import PcapWriter
    from uniobs.export.pcapng import PcapngWriter

    kind = kind or ("pcap" if path.endswith((".pcap", ".cap")) else "pcapng")
    make = PcapWriter if kind == "pcap" else PcapngWriter
    if path == "-":
        yield make(sys.stdout.buffer, snap, flush=True)
        return
    try:
        file = open(path, "wb")  # noqa: SIM115 - closed below, where its errors become ours
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}") from error
    try:
        yield make(file, snap, flush=flush)
    finally:
        _close(path, file)


def _close(path: str, file: BinaryIO) -> None:
    try:
        file.close()
    except OSError as error:
        raise OutputError(f"can't write to {path}: {error.strerror}") from error


def packets(path: str) -> Iterator[Any]:
    """Of a pcap or pcapng file; "-" is stdin. Raises NoSuchTarget, TargetError, BadFormat."""
    from uniobs.export.pcap import read_capture

    if path == "-":
        yield from read_capture(sys.stdin.buffer)
        return
    try:
        with open(path, "rb") as file:
            yield from read_capture(file)
    except FileNotFoundError as error:
        raise NoSuchTarget(f"{path}: no such file") from error
    except OSError as error:
        raise TargetError(f"{path}: {error.strerror}") from error
