"""What happened, in words; and the place in source and instructions."""

from contextlib import suppress
from typing import Any, Final

from uniobs.cli.report import code
from uniobs.cli.report.context import Context
from uniobs.cli.report.model import Around, Cause, Fact, PageFacts, Section
from uniobs.cli.report.page import page_of, words
from uniobs.cli.stacks import brief_name
from uniobs.errors import UniobsError
from uniobs.image.disasm import Instruction, Operand, disassemble
from uniobs.image.machinery import died_at, waits_at
from uniobs.memory.paging import CR4_LA57
from uniobs.model import fault
from uniobs.model.guest import Frame, Panic, Registers, Thread

PAGE_FAULT: Final = 14
PROTECTION: Final = (12, 13)
# parts of an error code of a page fault: Intel SDM vol. 3A, 4.7
_PRESENT, _WRITE, _USER, _RESERVED, _FETCH = 1, 2, 4, 8, 16


def cause(context: Context) -> Section:
    title = "What happened"
    panic = context.panic
    if panic is None:
        source = context.source_of("panic")
        if not source:
            context.target.walker("panic")  # raises why nobody can tell
        return Section(
            "cause", title, "empty", source=source or None, reason="nothing panicked: see the verdict"
        )
    registers = panic.registers
    facts: list[Fact] = []
    page = None
    sentence = fault.cause(panic) if panic.kind == "signal" else fault.short_cause(panic)
    insn = _instruction(context, panic)
    if panic.vector == PAGE_FAULT and panic.kind in ("exception", "stack_overflow"):
        sentence, page = _page_fault(context, panic, facts)
    elif panic.kind == "exception" and panic.error:
        sentence += f", error code {panic.error:#x}"
    if insn is not None and registers is not None and panic.kind in ("exception", "stack_overflow"):
        sentence += _operands(insn, registers, panic.vector, facts)
    if panic.message and panic.kind in ("assert", "oom", "abort"):
        same = set(sentence.split()) <= set(panic.message.lower().replace(":", " ").split())
        sentence = panic.message if same else f"{sentence}: {panic.message}"
    if panic.kind == "unknown":
        sentence = "it died, but its record of why is garbled or was never finished"
    name = context.names.get(panic.tid) if panic.tid is not None else None
    body = Cause(sentence, panic.tid, name, panic.message, panic.time_ns, tuple(facts), page)
    notes = () if registers is not None else ("the record holds no registers",)
    return Section("cause", title, "ok", body, context.source_of("panic"), notes=notes)


def _page_fault(context: Context, panic: Panic, facts: list[Fact]) -> tuple[str, PageFacts | None]:
    error = panic.error
    address = panic.registers.get("cr2") if panic.registers is not None else None
    access, allowed = "access to", ""
    if error is not None:
        access = "execution of" if error & _FETCH else "write to" if error & _WRITE else "read of"
        mode = "in user mode" if error & _USER else "in kernel mode"
        facts.append(Fact("access", f"{access.split()[0]} {mode} (error code {error:#x})"))
        allowed = "not allowed there" if error & _PRESENT else "not mapped"
        if error & _RESERVED:
            allowed = "a page table entry has reserved bits set"
    what = fault.short_cause(panic) if panic.kind == "stack_overflow" else "page fault"
    if address is None:
        facts.append(Fact("address", "not known (no cr2)"))
        return f"{what}: {access} an unknown address" + (f", {allowed}" if allowed else ""), None
    page = page_of(context.target, address, context.pointers.whose(address))
    facts.append(Fact("address", f"{address:#x}" + (f": {page.whose}" if page.whose else "")))
    facts.append(Fact("page", words(page)))
    sentence = f"{what}: {access} {address:#x}" + (f", {allowed}" if allowed else "")
    if address < 4096 and not (error or 0) & _PRESENT:
        sentence += ": a null pointer" + (f" and {address:#x} bytes behind it" if address else "")
    elif page.whose:
        sentence += f": {page.whose}"
    if error is not None and page.mapped is not None and page.mapped != bool(error & _PRESENT):
        now = "mapped" if page.mapped else "not mapped"
        facts.append(
            Fact("but", f"the fault said otherwise: the page is {now} now, so its tables changed since")
        )
    elif error is not None and page.mapped and error & _WRITE and page.writable is False:
        sentence += " (a read-only page)"
    elif error is not None and page.mapped and error & _FETCH and page.executable is False:
        sentence += " (a page that isn't executable)"
    return sentence, page


def _instruction(context: Context, panic: Panic) -> Instruction | None:
    pc = panic.registers.get("rip") if panic.registers is not None else None
    if pc is None:
        return None
    with suppress(UniobsError):
        found = disassemble(None, context.target.space, pc)
        return found[0] if found else None
    return None


def _operands(insn: Instruction, registers: Registers, vector: int | None, facts: list[Fact]) -> str:
    """The registers that the instruction names as facts; what they explain goes behind the sentence."""
    names = dict.fromkeys(name for name in (*insn.pointers, *insn.registers) if name != "rip")
    values = [f"{name} = {value:#x}" for name in names if (value := _value(registers, name)) is not None]
    facts.append(Fact("instruction", insn.text))
    if values:
        facts.append(Fact("with", ", ".join(values)))
    if vector == 0 and insn.text.startswith(("div ", "idiv ")) and insn.registers:
        return f" by {insn.registers[0]}" if _value(registers, insn.registers[0]) == 0 else ""
    if vector in PROTECTION:
        for operand in insn.memory:
            address = effective(operand, registers, insn)
            if address is not None and not _canonical(address, registers.get("cr4")):
                facts.append(Fact("address", f"{address:#x}: no canonical address"))
                return f": {address:#x} is no address (not canonical)"
    return ""


def _canonical(address: int, cr4: int | None) -> bool:
    """Whether it can be an address; with five levels of page tables, more can (cr4 unknown: may be so)."""
    bits = 47 if cr4 is not None and not cr4 & CR4_LA57 else 56
    return address >> bits in (0, (1 << 64 - bits) - 1)


def _value(registers: Registers, name: str) -> int | None:
    """Of a register or its lower half; None for what isn't held, or other parts."""
    if (value := registers.get(name)) is not None:
        return value
    whole = f"r{name[1:]}" if name.startswith("e") else name.removesuffix("d") if name.endswith("d") else ""
    value = registers.get(whole)
    return None if value is None else value & 0xFFFFFFFF


def effective(operand: Operand, registers: Registers, insn: Instruction) -> int | None:
    """The address of a memory operand; None when a register of it isn't known."""
    if operand.segment:
        return None
    total = operand.offset
    for name, scale in ((operand.base, 1), (operand.index, operand.scale)):
        if not name:
            continue
        value = insn.address + insn.size if name == "rip" else registers.get(name)
        if value is None:
            return None
        total += value * scale
    return total & (1 << 64) - 1


def place(context: Context, threads: tuple[int, ...]) -> Section:
    """The innermost frame of the crashed thread that has a line; where there was no panic, of the first
    verdict's thread."""
    title = "The place"
    panic = context.known_panic
    tid = panic.tid if panic is not None else threads[0] if threads else None
    frame = _frame(context, tid)
    pc = frame.pc if frame is not None else panic.registers.get("rip") if panic and panic.registers else None
    if pc is None:
        why = "no thread crashed or is in a verdict" if tid is None else "no frame of the thread is known"
        return Section("place", title, "empty", reason=why)
    call = frame is not None and frame.level > 0
    file, line = (frame.file, frame.line) if frame is not None else (None, None)
    lines, insns = code.around(context, file, line, pc, call=call, reach=code.FAULT)
    text = place_text(frame, pc) + (f", in {context.who(tid)}" if tid is not None else "")
    notes = []
    if lines is None:
        known = "its image has no lines for it" if context.modules else "no image is known: --image FILE"
        notes.append(f"no source: {known}")
    if insns is None:
        notes.append(f"no instructions: the bytes at {pc:#x} aren't held, or are none")
    body = Around(text, lines, insns, frame.unproven if frame is not None else False)
    state: Any = "ok" if lines is not None or insns is not None else "unknown"
    parts = (lines and "the image's line table", insns and "instructions in memory")
    source = ", ".join(part for part in parts if part) or None
    return Section("place", title, state, body, source, notes=tuple(notes))


def _frame(context: Context, tid: int | None) -> Frame | None:
    if tid is None:
        return None
    thread = next((t for t in context.known_threads if t.tid == tid), Thread(tid))
    with suppress(UniobsError):
        stack = context.stack(thread)
        panic = context.known_panic
        return died_at(stack, panic.kind) if panic is not None and panic.tid == tid else waits_at(stack)
    return None


def place_text(frame: Frame | None, pc: int) -> str:
    """deref (srv.c:14)"""
    if frame is None:
        return f"{pc:#x}"
    spot = f"{frame.file.rsplit('/', 1)[-1]}:{frame.line}" if frame.file and frame.line else ""
    name = brief_name(frame.function) if frame.function else f"{pc:#x}"
    return name + (f" ({spot})" if spot else "")
