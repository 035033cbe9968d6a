"""The walker of a process's core without a region: a unikernel's application built for Linux (MirageOS' Unix
target), or the program on a kernel that dumps it (Nanos). Threads are those of the core's notes.
"""

from collections.abc import Sequence
from typing import Any, Final

from uniobs.errors import BadFormat, NotOffered
from uniobs.model.guest import Panic, Registers, Thread, Vitals

SIGNALS: Final = {
    4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 11: "SIGSEGV", 31: "SIGSYS",
}  # fmt: skip
VECTORS: Final = {4: 6, 7: 17}  # what Linux makes a signal of, where that is one thing
FLOATING: Final = {1: 0, 3: 16}  # SIGFPE by its code: FPE_INTDIV, FPE_FLTDIV
FAULTS: Final = {1: 14, 2: 14, 0x80: 13}  # SIGSEGV by its code: not mapped, not allowed, SI_KERNEL


class ProcessWalker:
    """model.view.Walker over the notes of a core."""

    name = "process"
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
        said = f"{SIGNALS[process.signal]} (signal {process.signal})"
        registers = self._target.origin.thread_registers.get(process.tid)
        if process.signal == 6:
            return Panic("abort", tid=process.tid, message=said, registers=registers)
        vector = VECTORS.get(process.signal)
        if process.signal == 8:
            vector = FLOATING.get(process.code)
        elif process.signal == 11:
            vector = FAULTS.get(process.code)
            if vector == 14 and registers is not None and process.address is not None:
                registers = Registers({**registers.values, "cr2": process.address}, registers.source)
        return Panic("exception", vector, tid=process.tid, message=said, registers=registers)

    def vitals(self) -> Vitals:
        return Vitals(ended="panicked" if self.panic() is not None else None)

    def locks(self) -> Sequence[Any]:
        raise NotOffered("the locks of a process without a region aren't known")

    def sockets(self) -> Sequence[Any]:
        raise NotOffered("the sockets of a process are its kernel's")

    def interfaces(self) -> Sequence[Any]:
        raise NotOffered("the interfaces of a process are its kernel's")

    def counters(self) -> Sequence[Any]:
        raise NotOffered("a process without a region counts nothing")

    def heap(self) -> Any:
        raise NotOffered("the heap of a process without a region isn't known")

    def sites(self) -> Sequence[Any]:
        raise NotOffered("allocations of a process without a region aren't known")

    def log(self) -> Any:
        raise NotOffered("a process without a region keeps no log")

    def trace(self) -> Any:
        raise NotOffered("a process without a region keeps no trace")

    def packets(self) -> Any:
        raise NotOffered("a process without a region keeps no packets")


def probe(target: Any) -> ProcessWalker | None:
    """The walker when the target is a core of a process, and nobody else knows more of it."""
    try:
        if target.region is not None or not target.origin.thread_registers:
            return None
    except BadFormat:
        return None
    return ProcessWalker(target)
