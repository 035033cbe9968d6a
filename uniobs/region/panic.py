"""The panic record."""

from uniobs.lean import Final
from uniobs.model.guest import Panic, Registers
from uniobs.region import _abi, check
from uniobs.region.reader import Region, text

NAMES: Final = (
    *("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp"),
    *("r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"),
    *("rip", "rflags", "cs", "ss", "cr0", "cr2", "cr3", "cr4"),
)
CHECK: Final = _abi.PANIC_OFFSETS["check"]
MAX_STACK: Final = 1 << 20


def read_panic(region: Region) -> Panic | None:
    """What the guest recorded when it died; None when it recorded nothing (kind is stored last)."""
    section = region.section(_abi.SECTION_PANIC)
    if section is None:
        return None
    raw = region.read(section.offset, _abi.PANIC_SIZE)
    record = _abi.Panic(*_abi.PANIC.unpack(raw))
    kind = _abi.PANIC_NAMES.get(record.kind)
    if not any(raw):
        return None
    if record.kind == _abi.PANIC_NONE or kind is None or not check.record_holds(raw, CHECK):
        return Panic(kind="unknown")  # garbled, or the guest died while it recorded its death
    values = {name: getattr(record, name) for name in NAMES}
    room = min(section.size - _abi.PANIC_SIZE, MAX_STACK)
    stack = b""
    stack_va = None
    if 0 < record.stack_len <= room and record.stack_va + record.stack_len <= 1 << 64:
        stack_va = record.stack_va
        stack = region.read(section.offset + _abi.PANIC_SIZE, record.stack_len)
        if record.stack_len % 8 or check.total(stack) >> 32 != record.stack_check:
            stack, stack_va = b"", None
    is_fault = record.kind in (_abi.PANIC_EXCEPTION, _abi.PANIC_STACK_OVERFLOW)
    return Panic(
        kind=kind,
        vector=record.vector if is_fault and record.vector < 256 else None,
        error=record.error if is_fault else None,
        time_ns=region.clock.ns(record.time),
        tid=record.tid,
        message=text(record.message) or None,
        registers=Registers(values, "panic record", record.cpu) if record.rip else None,
        stack_va=stack_va,
        stack=stack,
    )
