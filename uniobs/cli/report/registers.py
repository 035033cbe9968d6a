"""Registers, and what each points at."""

from contextlib import suppress
from typing import Final

from uniobs.cli.report.context import Context
from uniobs.cli.report.model import Register, Registers, RegisterSet, Section
from uniobs.errors import UniobsError
from uniobs.model import guest

GENERAL: Final[tuple[str, ...]] = (
    *("rip", "rsp", "rbp", "rax", "rbx", "rcx", "rdx", "rsi", "rdi"),
    *("r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"),
)
AARCH64: Final[tuple[str, ...]] = ("pc", "sp", *(f"x{number}" for number in range(31)))
MAIN: Final = frozenset((*GENERAL, *AARCH64))  # that have a line each
SETS_MAX: Final = 16
THREADS_MAX: Final = 4
_FLAGS: Final = {0: "CF", 2: "PF", 4: "AF", 6: "ZF", 7: "SF", 8: "TF", 9: "IF", 10: "DF", 11: "OF"}


def registers(context: Context) -> Section:
    panic = context.known_panic
    found = [panic.registers] if panic is not None and panic.registers is not None else []
    notes = []
    try:
        cpus = context.target.registers()
        found += [one for one in cpus if all(one.values != other.values for other in found)]
        if panic is not None and panic.registers is not None and len(found) > 1:
            notes.append("the vCPUs had gone on from the fault to where the guest stopped")
    except UniobsError as error:
        threads = _of_threads(context)
        if not found and not threads:
            raise
        notes.append(f"of the vCPUs: {error}")
    else:
        threads = _of_threads(context)
    found += [one for one in threads if all(one.values != other.values for other in found)]
    if len(found) > SETS_MAX:
        notes.append(f"{len(found) - SETS_MAX} more sets aren't shown")
    sets = tuple(_set(context, one) for one in found[:SETS_MAX])
    if not sets:
        return Section("registers", "Registers", "empty", reason="none are held")
    sources = ", ".join(dict.fromkeys(one.source.partition(", of ")[0] for one in sets))
    return Section("registers", "Registers", "ok", Registers(sets), sources, notes=tuple(notes))


def _of_threads(context: Context) -> list[guest.Registers]:
    """What the first verdict's threads go on with."""
    from uniobs.target.stacks import start_of

    found = []
    panic = context.known_panic
    for thread in context.known_threads:
        if thread.tid not in context.told or (panic is not None and panic.tid == thread.tid):
            continue
        with suppress(UniobsError):
            one = start_of(context.target, thread).registers
            found.append(guest.Registers(one.values, f"{one.source}, of {context.who(thread.tid)}"))
    return found[:THREADS_MAX]


def _set(context: Context, one: guest.Registers) -> RegisterSet:
    general = AARCH64 if "pc" in one.values else GENERAL
    names = [name for name in general if name in one.values]
    names += [name for name in one.values if name not in general]
    rows = tuple(Register(name, one.values[name], _what(context, name, one.values[name])) for name in names)
    return RegisterSet(one.source, one.cpu, rows, tuple(name for name in general if name not in one.values))


def _what(context: Context, name: str, value: int) -> str | None:
    if name == "rflags":
        return " ".join(flag for bit, flag in _FLAGS.items() if value >> bit & 1) or None
    if name in GENERAL or name in AARCH64 or name in ("cr2", "fs_base", "gs_base"):
        return context.pointers.what(value)
    return None
