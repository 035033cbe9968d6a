"""The instruction at a pc, as it stands in the guest's memory, with the registers it uses."""

from contextlib import suppress
from typing import Any

from uniobs.errors import UniobsError
from uniobs.model.guest import Registers

LONGEST = 15  # bytes of an x86-64 instruction
PAGE = 4096
_SKIP = frozenset({"rip", "eip", "rflags", "eflags"})
_PART = {"a": "rax", "b": "rbx", "c": "rcx", "d": "rdx"}
_WHOLE = {"si": "rsi", "di": "rdi", "bp": "rbp", "sp": "rsp"}


def instruction(target: Any, pc: int) -> tuple[str, tuple[str, ...]] | None:
    """(text in Intel's syntax, the 64-bit registers it names); None when it can't be read or decoded."""
    code = _code(target, pc)
    if not code:
        return None
    try:
        import capstone
    except ImportError:
        return None
    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    decoder.detail = True
    for found in decoder.disasm(code, pc, 1):
        names: list[str] = []
        for operand in found.operands:
            ids = [operand.reg] if operand.type == 1 else [operand.mem.base, operand.mem.index] if operand.type == 3 else []
            for number in ids:
                name = _full(found.reg_name(number)) if number else None
                if name is not None and name not in names:
                    names.append(name)
        return f"{found.mnemonic} {found.op_str}".strip(), tuple(names)
    return None


def instruction_text(target: Any, registers: Registers) -> str | None:
    """mov dword ptr [rdi], 0x2a      rdi = 0"""
    pc = registers.get("rip")
    found = instruction(target, pc) if pc is not None else None
    if found is None:
        return None
    text, names = found
    values = [f"{name} = {value:#x}" for name in names if (value := registers.get(name)) is not None]
    return f"{text}      {'  '.join(values)}" if values else text


def _code(target: Any, pc: int) -> bytes:
    """Up to LONGEST bytes; fewer at the end of what is mapped."""
    with suppress(UniobsError):
        return bytes(target.space.read(pc, LONGEST))
    with suppress(UniobsError):
        left = PAGE - pc % PAGE
        return bytes(target.space.read(pc, min(LONGEST, left)))
    return b""


def _full(name: str) -> str | None:
    """The 64-bit register that holds this one."""
    if name in _SKIP:
        return None
    if name[0] == "r":
        return name.rstrip("dwb") if name[1:2].isdigit() else name
    core = name[1:] if name[0] == "e" else name
    if core in _WHOLE:
        return _WHOLE[core]
    if len(core) == 2 and core[0] in _PART and core[1] in "xhl":
        return _PART[core[0]]
    return _WHOLE.get(core[:-1]) if core.endswith("l") else None
