"""tcpdump's filter language, compiled by libpcap itself (through ctypes)."""

import ctypes
import os
from typing import Final

from uniobs.errors import NotOffered, UsageError

LIBRARIES: Final = ("libpcap.so.1", "libpcap.so.0.8", "libpcap.so", "libpcap.dylib")
ETHERNET: Final = 1
SNAP: Final = 262144
NO_NETMASK: Final = 0xFFFFFFFF


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint), ("instructions", ctypes.c_void_p))


class _Header(ctypes.Structure):
    _fields_ = (
        ("seconds", ctypes.c_long),
        ("microseconds", ctypes.c_long),
        ("captured", ctypes.c_uint32),
        ("length", ctypes.c_uint32),
    )


def _library() -> ctypes.CDLL:
    for name in LIBRARIES:
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        library.pcap_open_dead.restype = ctypes.c_void_p
        library.pcap_open_dead.argtypes = (ctypes.c_int, ctypes.c_int)
        library.pcap_compile.argtypes = (
            ctypes.c_void_p,
            ctypes.POINTER(_Program),
            ctypes.c_char_p,
            ctypes.c_int,
            ctypes.c_uint32,
        )
        library.pcap_geterr.restype = ctypes.c_char_p
        library.pcap_geterr.argtypes = (ctypes.c_void_p,)
        library.pcap_offline_filter.argtypes = (
            ctypes.POINTER(_Program),
            ctypes.POINTER(_Header),
            ctypes.c_char_p,
        )
        library.pcap_freecode.argtypes = (ctypes.POINTER(_Program),)
        library.pcap_close.argtypes = (ctypes.c_void_p,)
        return library
    raise NotOffered("filters are compiled by libpcap, which isn't here: install it (Debian: libpcap0.8)")


class Filter:
    """A compiled expression for Ethernet frames. Raises UsageError (libpcap's words), NotOffered."""

    def __init__(self, expression: str) -> None:
        if "\0" in expression:
            raise UsageError("a filter can't hold a NUL character")
        self._library = _library()
        self._program = _Program()
        handle = self._library.pcap_open_dead(ETHERNET, SNAP)
        if not handle:
            raise NotOffered("libpcap could not be opened")
        try:
            failed = self._library.pcap_compile(
                handle, ctypes.byref(self._program), os.fsencode(expression), 1, NO_NETMASK
            )
            if failed:
                said = self._library.pcap_geterr(handle).decode("utf-8", "replace").strip()
                raise UsageError(f"filter {expression!r}: {' '.join(said.split())}")
        finally:
            self._library.pcap_close(handle)

    def __call__(self, data: bytes, length: int) -> bool:
        """Whether a frame (its captured bytes, its full length) passes."""
        header = _Header(0, 0, len(data), length)
        passed: int = self._library.pcap_offline_filter(
            ctypes.byref(self._program), ctypes.byref(header), data
        )
        return passed != 0

    def close(self) -> None:
        """Give the program's memory back. Closing twice is fine."""
        if self._program.instructions:
            self._library.pcap_freecode(ctypes.byref(self._program))
            self._program.instructions = None
