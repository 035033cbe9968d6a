"""Writing bytes out, with the one error for whatever goes wrong."""

from typing import BinaryIO

from uniobs.errors import OutputError


def write_all(out: BinaryIO, data: bytes, *, flush: bool = False) -> None:
    """Raises OutputError: disk full, closed pipe..."""
    try:
        view = memoryview(data)
        while view:
            written = out.write(view)
            view = view[len(view) if written is None else written :]
        if flush:
            out.flush()
    except OSError as error:
        name = getattr(out, "name", "the output")
        raise OutputError(f"can't write to {name}: {error.strerror or error}") from error
