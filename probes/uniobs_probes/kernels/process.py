"""The walker of a process's core without a region: a unikernel's application built for Linux (MirageOS' Unix
target), or the program on a kernel that dumps it (Nanos). Threads are those of the core's notes.
"""

from collections.abc import Sequence
from typing import Any, Final

from uniobs.errors import BadFormat
from uniobs.model.guest import Panic, Registers, Thread, Vitals
from uniobs_probes.kernels.silent import Silent

SIGNALS: Final = {
    4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 11: "SIGSEGV", 31: "SIGSYS",
}  # fmt: skip
SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS = SIGNALS
SI_KERNEL: Final = 0x80
# the exception that Linux made a signal of, by the signal and its code, where it is one for certain
# (arch/x86/kernel/traps.c, arch/x86/mm/fault.c)
VECTORS: Final = {
    **{(SIGILL, code): 6 for code in range(1, 9)},
    **{(SIGSEGV, code): 14 for code in (1, 2, 4)},
    **{(SIGBUS, 1): 17, (SIGFPE, 1): 0},
}
WORDS: Final = {
    (SIGBUS, 2): "a page of a mapped file couldn't be had: it lies behind its end, or reading failed",
    (SIGBUS, 4): "memory that the hardware found broken",
    (SIGBUS, 5): "memory that the hardware found broken",
    (SIGSEGV, SI_KERNEL): "a general protection fault, or no stack to handle a signal on",
    (SIGSYS, 1): "a system call that isn't allowed",
    **{(SIGFPE, code): "a floating point error" for code in range(3, 9)},
}
BREAKPOINT: Final = b"\xcc"  # int3
WHY_NOT: Final = {
    "locks": "those of a process without a region aren't known",
    "sockets": "those of a process are its kernel's",
    "interfaces": "those of a process are its kernel's",
    "counters": "a process without a region counts nothing",
    "heap": "that of a process without a region isn't known",
    "sites": "allocations of a process without a region aren't counted",
    "log": "a process without a region keeps no log",
    "trace": "a process without a region keeps no trace",
    "packets": "a process without a region keeps no packets",
}


class ProcessWalker(Silent):
    """model.view.Walker over the notes of a core."""

    name = "process"
    why_not = WHY_NOT
    answers = frozenset({"threads", "panic"})

    def __init__(self, target: Any) -> None:
        self._target = target
        self._process = target.origin.process

    def threads(self) -> Sequence[Thread]:
        """Names are those of Linux' tasks, of which a core has the first one's only."""
        known = self._process
        first = None if known is None else known.pid or known.tid
        return [
            Thread(tid=tid, os_tid=tid, name=known.name if known is not None and tid == first else None)
            for tid in self._target.origin.thread_registers
        ]

    def panic(self) -> Panic | None:
        process = self._process
        if process is None or process.signal not in SIGNALS:
            return None  # taken of a process that went on, or ended from outside
        signal, code = process.signal, process.code
        said = f"{SIGNALS[signal]} (signal {signal})"
        registers = self._target.origin.thread_registers.get(process.tid)
        if signal == SIGTRAP and not self._met_breakpoint(registers):
            return None  # a debugger's stop: it took the core
        if code is not None and code <= 0 and not (signal == SIGABRT and process.sender == process.pid):
            by = f" by process {process.sender}" if process.sender else ""
            by = " by the process itself" if process.sender == process.pid else by
            return Panic("signal", tid=process.tid, message=f"{said}, sent{by}", registers=registers)
        if signal == SIGABRT:
            return Panic("abort", tid=process.tid, message=said, registers=registers)
        vector = 3 if signal == SIGTRAP else VECTORS.get((signal, code))
        if (signal, code) == (SIGSEGV, SI_KERNEL) and self._is_no_address(registers):
            vector = 13
        if vector is None:
            words = WORDS.get((signal, code))
            told = f"{said}: {words}" if words else said
            return Panic("signal", tid=process.tid, message=told, registers=registers)
        if vector == 14 and registers is not None and process.address is not None:
            registers = Registers({**registers.values, "cr2": process.address}, registers.source)
        return Panic("exception", vector, tid=process.tid, message=said, registers=registers)

    def _met_breakpoint(self, registers: Registers | None) -> bool:
        """Whether the program itself has an int3 where it stopped; a debugger takes its own out of a core."""
        rip = registers.get("rip") if registers is not None else None
        return rip is not None and self._code(rip - 1, 1) == BREAKPOINT

    def _is_no_address(self, registers: Registers | None) -> bool:
        """Whether the instruction accesses what can't be an address: this is a general protection fault."""
        rip = registers.get("rip") if registers is not None else None
        if registers is None or not rip:
            return False
        from uniobs.image.disasm import disassemble

        module = next((one for one in self._target.modules if one.text(rip, 1)), None)
        for insn in disassemble(module, self._target.space, rip):
            for operand in insn.memory:
                parts = [(operand.base, 1), (operand.index, operand.scale)]
                values = [(registers.get(name), scale) for name, scale in parts if name]
                if operand.segment or any(value is None for value, _ in values):
                    continue
                address = operand.offset + sum((value or 0) * scale for value, scale in values)
                if address % (1 << 64) >> 56 not in (0, 0xFF):  # no canonical one with five levels either
                    return True
        return False

    def _code(self, address: int, size: int) -> bytes:
        from uniobs.image.disasm import held

        module = next((one for one in self._target.modules if one.text(address, 1)), None)
        return held(module, self._target.space, address, size)[0]

    def vitals(self) -> Vitals:
        return Vitals(ended="panicked" if self.panic() is not None else None)


def probe(target: Any) -> ProcessWalker | None:
    """The walker when the target is a core of a process, and nobody else knows more of it."""
    try:
        if target.region is not None or not target.origin.thread_registers:
            return None
    except BadFormat:
        return None
    return ProcessWalker(target)
