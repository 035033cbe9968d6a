"""x86-64 instructions as text, by capstone's library without its Python package: that takes 25 ms to import.

Source of the structure: capstone.h of versions 4 and 5; any other is used through the package.
"""

import ctypes
import os
import sys
from functools import lru_cache

from uniobs.lean import Any, Final, NamedTuple

_ARCH_X86, _MODE_64 = 3, 8
_MAJOR: Final = (4, 5)
_MAX: Final = 1 << 20  # bytes decoded at once


class _Insn(ctypes.Structure):
    _fields_ = (
        ("id", ctypes.c_uint),
        ("address", ctypes.c_uint64),
        ("size", ctypes.c_uint16),
        ("bytes", ctypes.c_ubyte * 24),
        ("mnemonic", ctypes.c_char * 32),
        ("op_str", ctypes.c_char * 160),
        ("detail", ctypes.c_void_p),
    )


class Decoded(NamedTuple):
    address: int
    size: int  # bytes
    mnemonic: str
    operands: str  # Intel syntax

    @property
    def text(self) -> str:
        return f"{self.mnemonic} {self.operands}".strip()

    @property
    def pointers(self) -> tuple[str, ...]:
        """The registers that its memory operands are addressed by."""
        found: dict[str, None] = {}
        for part in self.operands.split("[")[1:]:
            inner = part.split("]")[0].replace("-", "+").replace("*", "+")
            found.update((word, None) for word in inner.replace(" ", "").split("+") if word[:1].isalpha())
        return tuple(found)


def decode(code: bytes, address: int, count: int = 0) -> list[Decoded]:
    """Up to ``count`` instructions (0: all) up to the first bytes that are none."""
    library = _library()
    code = code[:_MAX]
    if library is None:
        import capstone

        lite = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64).disasm_lite(code, address, count)
        return [Decoded(*row) for row in lite]
    handle = ctypes.c_size_t()
    if library.cs_open(_ARCH_X86, _MODE_64, ctypes.byref(handle)):
        return []
    rows = ctypes.POINTER(_Insn)()
    try:
        size = library.cs_disasm(handle, code, len(code), address, count, ctypes.byref(rows))
        found = [
            Decoded(row.address, row.size, row.mnemonic.decode("ascii"), row.op_str.decode("ascii"))
            for row in (rows[at] for at in range(size))
        ]
        library.cs_free(rows, size)
    finally:
        library.cs_close(ctypes.byref(handle))
    return found


@lru_cache(maxsize=1)
def _library() -> Any:
    """The library in capstone's package; None when it isn't there, or of another version."""
    for directory in sys.path:
        path = os.path.join(directory, "capstone", "lib", "libcapstone.so")
        if not os.path.exists(path):
            continue
        try:
            library: Any = ctypes.CDLL(path)
            if library.cs_version(None, None) >> 8 not in _MAJOR:
                return None
        except (OSError, AttributeError):
            return None
        size = ctypes.c_size_t
        library.cs_disasm.argtypes = [size, ctypes.c_char_p, size, ctypes.c_uint64, size, ctypes.c_void_p]
        library.cs_disasm.restype = size
        library.cs_free.argtypes = [ctypes.c_void_p, size]
        return library
    return None
