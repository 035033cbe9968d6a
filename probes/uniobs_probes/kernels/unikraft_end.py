"""How a Unikraft guest ended: what its vCPU stands in tells (lib/ukdebug, plat/common/x86/traps.c).

Assertions, crashes and normal ends all go through ukplat_terminate(); who called it tells them apart. A
fault's registers are the struct __regs that the trap's entry left on its own stack.
"""

from contextlib import suppress
from typing import Any, Final

from uniobs.errors import NotOffered, UniobsError, UnknownMemory
from uniobs.model.guest import Frame, Panic, Registers
from uniobs.model.row import frozen

TERMINATE: Final = "ukplat_terminate"
BOOT: Final = ("uk_boot_entry", "ukplat_entry_argp", "ukplat_entry", "uk_boot_shutdown")
IF: Final = 1 << 9
VECTORS: Final = {
    "divide_error": 0, "debug": 1, "nmi": 2, "int3": 3, "overflow": 4, "bounds": 5, "invalid_op": 6,
    "no_device": 7, "double_fault": 8, "invalid_tss": 10, "no_segment": 11, "stack_error": 12,
    "gp_fault": 13, "page_fault": 14, "coproc_error": 16, "alignment_check": 17, "machine_check": 18,
    "simd_error": 19, "virt_error": 20, "security_error": 21,
}  # fmt: skip
REGISTERS: Final = (
    "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
    "r15", "rip",
)  # fmt: skip
SAID_MAX: Final = 256
ASSERTION: Final = "Assertion failure: %s\n"  # UK_ASSERT of uk/assert.h


@frozen
class End:
    """``reason``: "panicked" or "exited"; ``panic`` with the former."""

    reason: str
    panic: Panic | None = None


def find(target: Any, module: Any, tid: int | None) -> End | None:
    """None while it runs, and when the vCPU's registers aren't known."""
    try:
        cpus = target.registers()
    except UniobsError:
        return None
    for registers in cpus:
        if registers.get("rip") is None or not _may_have_ended(module, registers):
            continue
        frames = _frames(target, registers)
        at = next((n for n, frame in enumerate(frames) if frame.function == TERMINATE), None)
        if at is not None:
            return _end(target, module, tid, registers, frames[at + 1 :])
    return None


def _may_have_ended(module: Any, registers: Registers) -> bool:
    """Interrupts off, or stopped in code that ends it: what runs on needn't be unwound."""
    flags = registers.get("rflags")
    function = module.function(registers.get("rip"))
    known = function is not None and function[0] in (TERMINATE, "cpu_halt", "system_off")
    return known or flags is None or not flags & IF


def _frames(target: Any, registers: Registers) -> tuple[Frame, ...]:
    from uniobs.image.unwind import unwind

    try:
        return unwind(target.modules, target.space, registers)[0]
    except UniobsError:
        return ()


def _end(
    target: Any, module: Any, tid: int | None, registers: Registers, callers: tuple[Frame, ...]
) -> End | None:
    """By the frames outside ukplat_terminate()."""
    for n, frame in enumerate(callers):
        name = frame.function or ""
        vector = VECTORS.get(_trap(name))
        if vector is not None:
            entry = next((f for f in callers[n:] if f.function and f.function != name), None)
            return End("panicked", _fault(target, module, tid, registers, vector, entry))
    if not callers or callers[0].function is None:
        return None
    if callers[0].function in BOOT:
        return End("exited")
    said = strings_before(module, callers[0].pc)
    if ASSERTION in said:
        # the text of the condition is the last argument but for what the compiler orders around it
        rest = [text for text in said if text not in (ASSERTION, _file(callers[0]))]
        return End("panicked", Panic("assert", tid=tid, message=rest[-1] if rest else None))
    message = next((text.strip() for text in reversed(said) if text != _file(callers[0])), None)
    return End("panicked", Panic("abort", tid=tid, message=message or None))


def _file(frame: Frame) -> str | None:
    return frame.file.rsplit("/", 1)[-1] if frame.file else None


def _trap(name: str) -> str:
    """page_fault of do_page_fault; "" of anything else."""
    return name.removeprefix("do_") if name.startswith("do_") else ""


def _fault(
    target: Any, module: Any, tid: int | None, cpu: Registers, vector: int, entry: Frame | None
) -> Panic:
    """The fault that a trap handler was called for; its registers where they can be read."""
    found = None
    error = None
    with suppress(NotOffered, UnknownMemory):
        regs = module.types.type("struct __regs")
        if entry is not None and entry.cfa is not None and regs.has("rip"):
            # the trap entry's CFA lies just above the slot of rip, where the processor put it
            row = module.types.at(regs, entry.cfa - 8 - regs.offset("rip"), target.space)
            values = {name: int(row.member(name)) for name in REGISTERS if row.has(name)}
            for name, member in (("rflags", "eflags"), ("cs", "cs"), ("ss", "ss")):
                if row.has(member):
                    values[name] = int(row.member(member))
            if row.has("orig_rax"):
                error = int(row.member("orig_rax"))
            for name in ("cr0", "cr2", "cr3", "cr4"):
                if (value := cpu.get(name)) is not None:
                    values[name] = value
            found = Registers(values, "left by the trap handler")
    return Panic("exception", vector, error, tid=tid, registers=found)


def strings_before(module: Any, pc: int) -> list[str]:
    """Texts of the image whose addresses the code before a call loads, in order: what it said last."""
    function = module.function(pc - 1)
    if function is None:
        return []
    import capstone

    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    decoder.detail = True
    code = module.text(function[1], pc - function[1])
    found: list[str] = []
    calls: list[list[str]] = []  # texts that each call was given
    for row in decoder.disasm(code, function[1]):
        if row.mnemonic in ("jmp", "ret", "call"):
            last, found = (found, []) if row.mnemonic == "call" else ([], [])
            if row.mnemonic == "call" and last and row.address + row.size <= pc:
                calls.append(last)
            if row.mnemonic != "call":
                calls.clear()  # what comes after is reached from elsewhere
            continue
        for operand in row.operands[1:]:
            address = None
            if operand.type == capstone.x86.X86_OP_IMM:
                address = operand.imm
            elif row.mnemonic == "lea" and operand.mem.base == capstone.x86.X86_REG_RIP:
                address = row.address + row.size + operand.mem.disp
            text = _text(module, address) if address is not None else None
            if text is not None:
                found.append(text)
    return calls[-1] if calls else found


def _text(module: Any, address: int) -> str | None:
    """A printable string of the image's data at an address; None when there is none."""
    if module.holds(address):
        return None
    raw = module.text(address, SAID_MAX)
    end = raw.find(b"\0")
    if end < 2:
        return None
    text = raw[:end].decode("utf-8", "replace")
    return text if text.rstrip("\n").isprintable() else None
