"""Runs inside gdb: single-steps a guest and compares every stack with gdb's own. See test_unwind_demo.py.

Reads its orders from $UNIOBS_STEPS (JSON): root, socket, elf, answer, places ([function, steps, rounds]).
"""

import json
import os
import sys
from typing import Any

ORDERS = json.loads(os.environ["UNIOBS_STEPS"])
sys.path.insert(0, ORDERS["root"])

import gdb  # noqa: E402

from uniobs.errors import UnknownMemory  # noqa: E402
from uniobs.image.module import Module  # noqa: E402
from uniobs.image.unwind import unwind  # noqa: E402

NAMES = "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip".split()
PUSHFQ = b"\x9c"


class Space:
    def read(self, address: int, size: int) -> bytes:
        try:
            return bytes(gdb.selected_inferior().read_memory(address, size))
        except gdb.error as error:
            raise UnknownMemory(address, size) from error

    def translate(self, address: int) -> int:
        return address


def frames_of_gdb() -> list[list[Any]]:
    """[pc, function, line or None where gdb looks a line up otherwise (statements only)] of every frame."""
    rows: list[list[Any]] = []
    frame = gdb.newest_frame()
    while frame is not None:
        if frame.type() != gdb.TAILCALL_FRAME:  # its guess at frames that are no longer there
            inner = frame.newer()
            exact = inner is None or gdb.SIGTRAMP_FRAME in (frame.type(), inner.type())
            rows.append([frame.pc(), frame.name(), None if exact else frame.find_sal().line or None])
        frame = frame.older()
    return rows


def compare(module: Module, space: Space, seen: dict[str, Any]) -> None:
    top = gdb.newest_frame()
    registers = {name: int(top.read_register(name)) & (1 << 64) - 1 for name in NAMES}
    frames, note = unwind([module], space, registers)
    pc = registers["rip"]
    if space.read(pc - 1, 1) == PUSHFQ:  # gdb reads the pushed flags as a return address
        expected = [[f, n, None] for f, n, _ in seen["last"]]
    else:
        expected = frames_of_gdb()
    mine = [[f.pc, f.function, f.line] for f in frames]
    seen["last"] = mine
    seen["count"] += 1
    seen["functions"][mine[0][1]] = seen["functions"].get(mine[0][1], 0) + 1
    shown = [[a[0], a[1], a[2] if b[2] is not None else None] for a, b in zip(mine, expected, strict=False)]
    if space.read(pc - 1, 1) == PUSHFQ:
        wrong = [row[1] for row in mine] != [row[1] for row in expected]
    else:
        wrong = len(mine) != len(expected) or shown != expected
    if wrong or note or any(f.trust not in ("registers", "cfi") for f in frames):
        seen["wrong"].append([note, mine, expected])


def main() -> None:
    for command in ("pagination off", "confirm off", "backtrace past-main on", "backtrace limit 64"):
        gdb.execute(f"set {command}")
    gdb.execute(f"target remote {ORDERS['socket']}", to_string=True)
    module, space = Module.load(ORDERS["elf"]), Space()
    seen: dict[str, Any] = {"count": 0, "functions": {}, "wrong": [], "last": []}
    seen["proven"] = module.prove(space).proven
    for function, steps, rounds in ORDERS["places"]:
        breakpoint = gdb.Breakpoint(f"*{function}", type=gdb.BP_HARDWARE_BREAKPOINT)
        for _ in range(rounds):
            gdb.execute("continue", to_string=True)
            for _ in range(steps):
                compare(module, space, seen)
                gdb.execute("stepi", to_string=True)
        breakpoint.delete()
    seen["notes"] = module.notes
    with open(ORDERS["answer"], "w") as file:
        json.dump(seen, file)
    gdb.execute("detach")


main()
