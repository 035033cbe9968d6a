"""How a Nanos guest ended: its shutdown state, what it wrote to its log, the frame of the thread that died.

Sources: src/kernel/init.c (kernel_shutdown), src/kernel/log.c (klog_save keeps the exit code),
src/unix/signal.c (the lines that a deadly signal writes), src/x86_64/frame.h.
"""

import re
import signal
from typing import Any, Final

from uniobs.errors import UniobsError
from uniobs.model.guest import Panic, Registers
from uniobs.model.row import frozen
from uniobs_probes.kernels import nanos_log
from uniobs_probes.kernels.nanos_threads import CR2, ERROR, FSBASE, REGISTERS, VECTOR, Found

ONGOING: Final = 2  # SHUTDOWN_ONGOING
SAVED: Final = b"KLOG"  # klog.dump.header once it was saved
PAGE_FAULT: Final = 14
FAULTS: Final = 32
HALTS: Final = {0x7E: "had a fault", 0x7F: "gave up"}  # VM_EXIT_FAULT, VM_EXIT_HALT of src/runtime/runtime.h
USER: Final = 3  # privilege level in a code selector; Nanos clears its lowest bit in a system call's frame
_SIGNAL: Final = re.compile(
    r"^\*\*\* signal (\d{1,3}) received by tid (\d{1,9}), errno -?\d{1,9}, code (-?\d{1,9})$", re.MULTILINE
)
_ADDRESS: Final = re.compile(r"\n    fault address 0x([0-9a-f]{1,16})\n")


@frozen
class End:
    """``code``: its exit code, None when it isn't kept; ``panic`` when a signal ended it."""

    code: int | None
    panic: Panic | None = None

    @property
    def reason(self) -> str:
        if self.panic is not None:
            return "panicked"
        return f"exited with {self.code}" if self.code is not None else "exited"


def find(module: Any, space: Any, threads: tuple[Found, ...], exits: bool = True) -> End | None:
    """None while it runs. ``exits``: a thread of the program is in the system call that ends it."""
    try:
        if not int(module.types.variable("shutting_down", space)) & ONGOING:
            return None
    except UniobsError:
        return None
    code, panic = _code(module, space), _panic(module, space, threads)
    if panic is None and code in HALTS and not exits:
        panic = Panic("abort", message=f"the kernel itself {HALTS[code]}; its log says why")
    return End(code, panic)


def _code(module: Any, space: Any) -> int | None:
    """It is kept when it isn't 0, before the disk is flushed: without it, 0 or not there yet."""
    try:
        dump = module.types.variable("klog", space).member("dump")
        if dump.member("header").raw()[: len(SAVED)] == SAVED:
            return int(dump.member("exit_code"))
    except UniobsError:
        pass
    return None


def _panic(module: Any, space: Any, threads: tuple[Found, ...]) -> Panic | None:
    try:
        text = nanos_log.read(module, space)[1].decode("utf-8", "replace")
    except UniobsError:
        return None
    found = list(_SIGNAL.finditer(text))
    if not found:
        return None
    last = found[-1]
    number, tid, code = int(last[1]), int(last[2]), int(last[3])
    thread = next((t for t in threads if t.tid == tid), None)
    registers = user_registers(thread) if thread is not None else None
    name = _name(number)
    if code > 0 and thread is not None and thread.frame and thread.frame[VECTOR] < FAULTS:
        vector, error = thread.frame[VECTOR], thread.frame[ERROR]
        address = _ADDRESS.match(text, last.end())
        if registers is not None and vector == PAGE_FAULT and address is not None:
            registers = Registers({**registers.values, "cr2": int(address[1], 16)}, registers.source)
        error_code = error if vector in (13, PAGE_FAULT) else None
        return Panic("exception", vector, error_code, tid=tid, message=name, registers=registers)
    before = text[: last.start()].strip("\n").rpartition("\n")[2].strip()
    sent = f"{name}, sent by the program" if code <= 0 else name
    message = f"{sent}; the last that it wrote: {before}" if before else sent
    return Panic("abort", tid=tid, message=message, registers=registers)


def _name(number: int) -> str:
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"signal {number}"


def user_registers(t: Found, source: str = "kept by the kernel") -> Registers | None:
    """What a thread had in user mode last; None when its frame doesn't look like one."""
    if not t.frame or t.frame[REGISTERS.index("cs")] | 1 not in (0x2B, 0x33):
        return None
    values = dict(zip(REGISTERS, t.frame, strict=False))
    values["fs_base"] = t.frame[FSBASE]
    if t.frame[VECTOR] == PAGE_FAULT:
        values["cr2"] = t.frame[CR2]
    return Registers(values, source)
