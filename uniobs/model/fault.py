"""What a panic record says, in words."""

from uniobs.model.guest import Panic

_VECTORS = {
    0: "division by zero",
    1: "debug trap",
    2: "non-maskable interrupt",
    3: "breakpoint",
    4: "overflow trap",
    5: "bound exceeded",
    6: "invalid instruction",
    7: "no FPU",
    8: "double fault",
    10: "invalid TSS",
    11: "segment not present",
    12: "stack segment fault",
    13: "general protection fault",
    14: "page fault",
    16: "floating point error",
    17: "unaligned access",
    18: "machine check",
    19: "SIMD floating point error",
}
_KINDS = {
    "assert": "failed assertion",
    "stack_smash": "stack smashed",
    "stack_overflow": "stack overflow",
    "oom": "out of memory",
    "abort": "abort",
}
TELLING = ("exception", "signal")  # kinds whose cause says all that their message does
VERDICT_NAMES = {
    "exception": "crash",
    "assert": "assertion",
    "stack_smash": "stack-smash",
    "stack_overflow": "stack-overflow",
    "oom": "oom",
    "abort": "abort",
}


def short_cause(panic: Panic) -> str:
    """page fault, failed assertion..."""
    if panic.kind == "exception":
        if panic.vector is None:
            return "exception"
        return _VECTORS.get(panic.vector, f"exception {panic.vector}")
    if panic.kind == "signal":
        return (panic.message or "a signal").partition(":")[0]
    return _KINDS.get(panic.kind, panic.kind)


def cause(panic: Panic) -> str:
    """page fault, write to 0x0 (not mapped): a null pointer"""
    text = short_cause(panic)
    if panic.kind in ("exception", "stack_overflow") and panic.vector == 14:
        return text + _page_fault(panic)
    if panic.kind == "signal":
        return panic.message or text
    if panic.kind == "exception" and panic.error:
        text += f", error code {panic.error:#x}"
    return text


def _page_fault(panic: Panic) -> str:
    error = panic.error
    address = panic.registers.get("cr2") if panic.registers is not None else None
    access = "access"
    mapped = ""
    if error is not None:
        access = "execution" if error & 16 else "write" if error & 2 else "read"
        mapped = " (not allowed there)" if error & 1 else " (not mapped)"
    spot = f"{access} {'of' if access in ('read', 'execution') else 'to'} "
    spot += f"{address:#x}" if address is not None else "an unknown address"
    null = ": a null pointer" if address is not None and address < 4096 and not (error or 0) & 1 else ""
    return f", {spot}{mapped}{null}"
