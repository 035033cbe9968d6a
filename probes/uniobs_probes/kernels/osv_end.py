"""How an OSv guest died: abort() of runtime.cc ends in it all, on the CPU that stands in osv::halt().

What lies between the two tells: an exception's entry (arch/x64/entry.S), or who called abort().
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from uniobs.errors import UniobsError
from uniobs.model.guest import Panic, Registers
from uniobs.model.row import frozen

ABORTING: Final = "aborting"  # set first thing
MESSAGE: Final = "_ZZ5abortPKczE3msg"
ABORT: Final = "_Z5abortPKcz"
VECTORS: Final = {
    "ex_de": 0, "ex_db": 1, "ex_nmi": 2, "ex_bp": 3, "ex_of": 4, "ex_br": 5, "ex_ud": 6, "ex_nm": 7,
    "ex_df": 8, "ex_ts": 10, "ex_np": 11, "ex_ss": 12, "ex_gp": 13, "ex_pf": 14, "ex_mf": 16, "ex_ac": 17,
    "ex_mc": 18, "ex_xm": 19,
}  # fmt: skip
WITH_ERROR: Final = (10, 11, 12, 13, 14, 17)
FRAME: Final = "exception_frame"
REGISTERS: Final = (
    "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
    "r15", "rip", "rflags", "cs", "ss",
)  # fmt: skip
SAID_MAX: Final = 1024
DEPTH_MAX: Final = 32


@frozen
class Step:
    """A place on a CPU's stack. ``after``: the code address that its caller goes on at."""

    function: str
    sp: int | None
    after: int | None


def aborted(module: Any, space: Any) -> bool:
    """Whether it aborts, or did: nothing runs after that."""
    try:
        return bool(int.from_bytes(module.types.variable(ABORTING, space, "runtime.cc").raw(), "little"))
    except UniobsError:
        return False


def find(target: Any, module: Any, running: dict[int, int]) -> Panic | None:
    """None while it runs. ``running``: the number of the CPU -> the thread that it runs."""
    space = target.space
    if not aborted(module, space):
        return None
    said = _message(module, space)
    kind = "abort"
    if said is not None and said.startswith("Assertion failed"):
        kind = "assert"
    elif said is not None and "Stack overflow" in said:
        kind = "stack_smash"
    try:
        cpus: Sequence[Registers] = target.registers()
    except UniobsError:
        cpus = ()
    for registers in cpus:
        steps = list(_steps(target.modules, module, space, registers))
        if all(step.function != ABORT for step in steps):
            continue
        tid = running.get(registers.cpu if registers.cpu is not None else 0)
        for step in steps:
            if (vector := VECTORS.get(step.function)) is None:
                continue
            found = _frame(module, space, step)
            error = found[1] if found is not None and vector in WITH_ERROR else None
            if found is None:
                return Panic("exception", vector, tid=tid, message=said)
            values = dict(found[0])
            address = registers.get("cr2")
            if vector == 14 and address is not None and _touches(space, values, address):
                values["cr2"] = address
            return Panic("exception", vector, error, tid=tid, message=said,
                         registers=Registers(values, "its exception frame", registers.cpu))  # fmt: skip
        return Panic(kind, tid=tid, message=said, registers=registers)
    alone = next(iter(running.values())) if len(running) == 1 else None
    more = "" if kind != "abort" else " (a fault or a call of abort(): registers would tell)"
    return Panic(kind, tid=alone, message=f"{said or 'nothing'}{more}")


def _message(module: Any, space: Any) -> str | None:
    symbol = module.symbol(MESSAGE)
    if symbol is None:
        return None
    try:
        data: bytes = space.read(symbol[0], min(symbol[1], SAID_MAX))
    except UniobsError:
        return None
    return data.partition(b"\0")[0].decode("utf-8", "replace").strip() or None


def _steps(modules: Any, module: Any, space: Any, registers: Registers) -> Iterator[Step]:
    """What a CPU stands in, innermost first, as far as unwind tables lead inside the kernel."""
    from uniobs.image.climb import RIP, RSP
    from uniobs.image.steps import NAMES, End, Place, Stepper

    pc = registers.get("rip")
    if pc is None:
        return
    known = {
        n: registers.values[name] for n, name in enumerate(NAMES) if n != RIP and name in registers.values
    }
    stepper = Stepper(list(modules), space, None)
    place = Place(pc, known, "registers", not stepper.is_return(pc))
    for _ in range(DEPTH_MAX):
        function = module.function(place.lookup)
        if function is None or place.trust == "scan":
            return
        try:
            outer = stepper.step(place)
        except (End, UniobsError):
            yield Step(function[0], place.registers.get(RSP), None)
            return
        yield Step(function[0], place.registers.get(RSP), outer.pc)
        place = outer


def _frame(module: Any, space: Any, step: Step) -> tuple[dict[str, int], int] | None:
    """(registers, error code) that an exception's entry pushed, below the word that aligns its call."""
    if step.sp is None or step.after is None:
        return None
    for at in (step.sp + 8, step.sp):
        try:
            frame = module.types.at(FRAME, at, space)
            if not frame.has("error_code", *REGISTERS) or int(frame.member("rip")) != step.after:
                continue
            return {name: int(frame.member(name)) for name in REGISTERS}, int(frame.member("error_code"))
        except UniobsError:
            continue
    return None


def _touches(space: Any, values: dict[str, int], address: int) -> bool:
    """Whether the instruction that faulted goes to ``address``: cr2 is of the last fault, which may be
    another (a backtrace takes some)."""
    from uniobs.image.disasm import disassemble

    if values["rip"] == address:
        return True
    try:
        found = disassemble(None, space, values["rip"])
    except UniobsError:
        return False
    return bool(found) and any(
        abs(address - values[name]) < 1 << 16 for name in found[0].pointers if name in values
    )
