"""Code that can't be left: proof, from one moment's registers, that a thread spins."""

from typing import Any, Final

INSTRUCTIONS_MAX: Final = 512


def endless(module: Any, pc: int) -> str | None:
    """The function that nothing reachable from ``pc`` leaves; None when something does, or may.

    Calls, returns, traps and computed jumps may.
    """
    function = module.function(pc)
    if function is None:
        return None
    import capstone
    from capstone import x86

    from uniobs.image.demangle import display

    name, start, size = function
    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    decoder.detail = True
    seen: set[int] = set()
    left = [pc]
    while left:
        address = left.pop()
        if address in seen:
            continue
        if len(seen) >= INSTRUCTIONS_MAX or not start <= address < start + size:
            return None
        seen.add(address)
        row = next(decoder.disasm(module.text(address, 16), address, 1), None)
        if row is None or any(
            row.group(kind) for kind in (capstone.CS_GRP_CALL, capstone.CS_GRP_RET, capstone.CS_GRP_IRET,
                                         capstone.CS_GRP_INT, capstone.CS_GRP_PRIVILEGE)
        ):  # fmt: skip
            return None
        if row.group(capstone.CS_GRP_JUMP):
            if row.operands[0].type != x86.X86_OP_IMM:
                return None
            left.append(row.operands[0].imm)
            if row.mnemonic == "jmp":
                continue
        left.append(address + row.size)
    return display(name)
