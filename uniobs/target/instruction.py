"""The instruction that a vCPU or a fault stands at, with the registers its address is made of."""

from uniobs.errors import UniobsError
from uniobs.lean import Any
from uniobs.model.guest import Registers


def instruction_text(target: Any, registers: Registers) -> str | None:
    """mov dword ptr [rdi], 0x2a      rdi = 0x0; None when its bytes aren't held or are no instruction."""
    from uniobs.image.decoder import decode
    from uniobs.image.disasm import held

    pc = registers.get("rip")
    if pc is None:
        return None
    try:
        found = decode(held(None, target.space, pc, 15)[0], pc, 1)
    except UniobsError:
        return None
    if not found:
        return None
    values = [
        f"{name} = {value:#x}" for name in found[0].pointers if (value := registers.get(name)) is not None
    ]
    return f"{found[0].text}      {'  '.join(values)}" if values else found[0].text
