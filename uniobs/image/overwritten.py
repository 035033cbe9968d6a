"""An image that is overwritten in place while it is mapped: the process would die of SIGBUS without a word.

Copies of all images would cost their size in memory, and checks before each read don't close the gap. So
commands that run for long say what happened, and end.
"""

import os
import signal
from typing import Any

from uniobs.errors import EXIT_TARGET

MESSAGE = (
    b"uniobs: a file that was in use (an image, a debug file or a core) was overwritten or cut in place; "
    b"start again\n"
)
_kept: list[Any] = []  # what the C library calls must stay


def guard() -> None:
    """From now on such a death is one line and exit code 3. Costs ctypes' import."""
    if _kept:
        return
    import ctypes

    def died(_: int) -> None:
        # The fault is synchronous: nothing of Python's is half done but the read that ends here.
        os.write(2, MESSAGE)
        os._exit(EXIT_TARGET)

    handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(died)
    library = ctypes.CDLL(None)
    library.signal.argtypes = [ctypes.c_int, type(handler)]
    library.signal.restype = ctypes.c_void_p
    library.signal(int(signal.SIGBUS), handler)
    _kept.append(handler)
