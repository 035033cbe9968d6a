"""Instructions around a pc, from memory where it is held."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from uniobs.errors import UnknownMemory

if TYPE_CHECKING:
    from uniobs.image.module import Module
    from uniobs.memory.base import AddressSpace


@dataclass(frozen=True, slots=True)
class Instruction:
    address: int
    size: int  # bytes
    text: str  # Intel syntax: "mov dword ptr [rdi], 0x2a"
    pointers: tuple[str, ...]  # registers that its memory operands are addressed by
    from_memory: bool  # False: the image's bytes, since the memory isn't held


def _bytes(module: "Module | None", space: "AddressSpace | None", pc: int, size: int) -> tuple[bytes, bool]:
    found = b""
    piece = 16  # memory may end within an instruction's reach
    while space is not None and len(found) < size:
        try:
            found += space.read(pc + len(found), min(piece, size - len(found)))
        except UnknownMemory:
            if piece == 1:
                break
            piece = 1
    if found:
        return found, True
    return (module.text(pc, size) if module else b""), False


def disassemble(
    module: "Module | None", space: "AddressSpace | None", pc: int, count: int = 1
) -> list[Instruction]:
    """Up to ``count`` instructions from ``pc`` on; fewer where bytes are unknown or no instruction."""
    import capstone
    from capstone import x86

    code, from_memory = _bytes(module, space, pc, 15 * max(0, min(count, 4096)))
    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    decoder.detail = True
    found: list[Instruction] = []
    for row in decoder.disasm(code, pc, count):
        pointers: list[str] = []
        for operand in row.operands:
            if operand.type == x86.X86_OP_MEM:
                for number in (operand.mem.base, operand.mem.index):
                    if number and row.reg_name(number) not in pointers:
                        pointers.append(row.reg_name(number))
        text = f"{row.mnemonic} {row.op_str}".strip()
        found.append(Instruction(row.address, row.size, text, tuple(pointers), from_memory))
    return found
