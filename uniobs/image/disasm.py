"""Instructions around a pc, from memory where it is held."""

from uniobs.errors import UnknownMemory
from uniobs.image.elf import EM_AARCH64
from uniobs.lean import TYPE_CHECKING, Any
from uniobs.model.row import frozen

if TYPE_CHECKING:
    from uniobs.image.module import Module
    from uniobs.memory.base import AddressSpace


@frozen
class Operand:
    """Memory: [base + index * scale + offset]; ``segment`` fs or gs adds its base. "": none."""

    base: str
    index: str
    scale: int
    offset: int
    segment: str
    size: int  # bytes that are accessed


@frozen
class Instruction:
    address: int
    size: int  # bytes
    text: str  # Intel syntax: "mov dword ptr [rdi], 0x2a"
    pointers: tuple[str, ...]  # registers that its memory operands are addressed by
    from_memory: bool  # False: the image's bytes, since the memory isn't held
    memory: tuple[Operand, ...] = ()
    target: int | None = None  # where a call or jump goes, if it says so itself
    registers: tuple[str, ...] = ()  # its register operands


def held(module: "Module | None", space: "AddressSpace | None", pc: int, size: int) -> tuple[bytes, bool]:
    """(bytes of code at ``pc``, whether they're memory's); fewer where less is known."""
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
    if module is not None and module.elf.machine == EM_AARCH64:
        return _aarch64(module, space, pc, count)
    import capstone
    from capstone import x86

    code, from_memory = held(module, space, pc, 15 * max(0, min(count, 4096)))
    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    decoder.detail = True
    found: list[Instruction] = []
    for row in decoder.disasm(code, pc, count):
        memory = tuple(_operand(row, one) for one in row.operands if one.type == x86.X86_OP_MEM)
        pointers = tuple(dict.fromkeys(name for one in memory for name in (one.base, one.index) if name))
        goes = row.group(x86.X86_GRP_CALL) or row.group(x86.X86_GRP_JUMP)
        targets = [one.imm for one in row.operands if goes and one.type == x86.X86_OP_IMM]
        text = f"{row.mnemonic} {row.op_str}".strip()
        names = tuple(row.reg_name(one.reg) for one in row.operands if one.type == x86.X86_OP_REG)
        found.append(
            Instruction(
                *(row.address, row.size, text, pointers, from_memory, memory),
                targets[0] & (1 << 64) - 1 if targets else None,
                names,
            )
        )
    return found


def _aarch64(module: "Module", space: "AddressSpace | None", pc: int, count: int) -> list[Instruction]:
    """Their text alone."""
    import capstone

    code, from_memory = held(module, space, pc, 4 * max(0, min(count, 4096)))
    decoder = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM)
    return [
        Instruction(row.address, row.size, f"{row.mnemonic} {row.op_str}".strip(), (), from_memory)
        for row in decoder.disasm(code, pc, count)
    ]


def _operand(row: Any, operand: Any) -> Operand:
    mem = operand.mem
    base, index, segment = (row.reg_name(n) if n else "" for n in (mem.base, mem.index, mem.segment))
    return Operand(base, index, mem.scale, mem.disp, segment, operand.size)
