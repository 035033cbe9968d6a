"""Where a switched-out thread goes on, by the code that its kernel will run to let it."""

from typing import Any, Final

from uniobs.errors import NotOffered, UnknownMemory
from uniobs.model.guest import Registers

CODE: Final = 64  # bytes looked at
SOURCE: Final = "saved by the scheduler"
_POPS: Final = {0x58: "rax", 0x59: "rcx", 0x5A: "rdx", 0x5B: "rbx", 0x5D: "rbp", 0x5E: "rsi", 0x5F: "rdi"}
_HIGH: Final = {0x58 + n: f"r{8 + n}" for n in range(8)}


def resume(module: Any, space: Any, ip: int, sp: int) -> Registers:
    """Registers after what is left of the switch (pops and a return at ``ip``, with the stack at ``sp``).

    Code that does anything else is where the thread itself goes on. Raises NotOffered when the stack isn't
    there.
    """
    values: dict[str, int] = {}
    at, top = 0, sp
    code = module.text(ip, CODE)
    try:
        while at < len(code):
            name, size = _pop(code, at)
            if name is None:
                break
            values[name] = _word(space, top)
            top, at = top + 8, at + size
        if at < len(code) and code[at] == 0xC3 and values:
            values |= {"rip": _word(space, top), "rsp": top + 8}
            return Registers(values, SOURCE)
    except UnknownMemory as error:
        raise NotOffered(f"its saved registers at {error.address:#x} aren't in this memory") from None
    return Registers({"rip": ip, "rsp": sp}, SOURCE)


def _pop(code: bytes, at: int) -> tuple[str | None, int]:
    """(register, length) of a pop; (None, 0) of anything else."""
    if code[at] in _POPS:
        return _POPS[code[at]], 1
    if code[at] == 0x41 and at + 1 < len(code) and code[at + 1] in _HIGH:
        return _HIGH[code[at + 1]], 2
    return None, 0


def _word(space: Any, address: int) -> int:
    return int.from_bytes(space.read(address, 8), "little")
