"""The walker of Solo5 guests: no threads, one flow of control, whose place and end its stack tells.

On top may be MirageOS (OCaml): its Lwt promises are heap objects that nothing names, so they aren't shown.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, ClassVar, Final

from uniobs.errors import BadFormat, NotOffered, UniobsError, UnknownMemory
from uniobs.model.guest import Frame, Heap, Panic, Registers, Thread, Vitals, Wait
from uniobs.model.row import frozen
from uniobs_probes.kernels.silent import Silent

TID: Final = 1
PAGE: Final = 4096
OCAML: Final = ("caml_startup", "caml_main")
ABORTS: Final = ("solo5_abort", "_abort", "_assert_fail")
EXITS: Final = ("solo5_exit", "platform_exit")
WAITS: Final = ("solo5_yield", "sys_epoll_pwait", "yield")
TRAP: Final = "cpu_trap_handler"
TRAP_STACK: Final = "cpu_trap_stack"
TRAP_ERROR: Final = 48  # below its top
WITH_ERROR: Final = (8, 10, 11, 12, 13, 14, 17)
TRAP_FRAME: Final = (("rip", 40), ("cs", 32), ("rflags", 24), ("rsp", 16), ("ss", 8))  # below its top


@frozen
class End:
    reason: str
    panic: Panic | None = None


class Solo5Walker(Silent):
    """model.view.Walker over a proven image that Solo5's bindings are in."""

    why_not: ClassVar = {
        "locks": "Solo5 has none",
        "sockets": "Solo5 has none: they are its application's",
        "interfaces": "Solo5 has no network stack: it is its application's",
        "counters": "Solo5 counts nothing",
        "sites": "Solo5 doesn't count allocations",
        "log": "Solo5 keeps none: what it prints goes to its console only",
        "trace": "Solo5 keeps none",
        "packets": "Solo5 keeps none",
    }

    def __init__(self, target: Any, module: Any) -> None:
        self._target = target
        self._module = module
        ocaml = any(module.symbol(name) is not None for name in OCAML)
        self.name = "solo5 (OCaml)" if ocaml else "solo5"
        self.answers = frozenset({"threads", "panic", "heap"})

    def threads(self) -> Sequence[Thread]:
        entry = self._module.symbol("solo5_app_main")
        waits = self._waits()
        return [
            Thread(
                tid=TID,
                state=None if waits is None else "blocked" if waits else "running",
                wait=Wait("poll") if waits else None,
                cpu=0,
                entry=entry[0] if entry is not None else None,
                switches=self._turns(),
                current=True,  # it's always where the only CPU is
            )
        ]

    def _waits(self) -> bool | None:
        """For devices or a deadline, as its tender's process or its stack shows."""
        info = self._target.origin.info
        if self._tender() and info is not None:
            from uniobs.target.solo5 import waits

            return waits(info.pid)
        try:
            frames = self._frames()
        except UniobsError:
            return None
        return any(frame.function in WAITS for frame in frames) if frames else None

    def _turns(self) -> int | None:
        info = self._target.origin.info
        if not self._tender() or info is None:
            return None
        from uniobs.target.solo5 import turns

        return turns(info.pid)

    def _tender(self) -> bool:
        return bool(self._target.vmm.startswith("solo5-"))

    def _frames(self) -> tuple[Frame, ...]:
        from uniobs.image.unwind import unwind

        cpus = self._target.registers()
        if len(cpus) != 1 or cpus[0].get("rip") is None:
            return ()
        return unwind(self._target.modules, self._target.space, cpus[0])[0]

    def heap(self) -> Heap:
        """What the application was given, its stack included; how it uses it is its own business."""
        symbol = self._module.symbol("heap_start")
        last = self._module.symbol("_end")
        ram = self._target.memory.ranges()
        if symbol is None or last is None or not ram or not self._identity():
            raise NotOffered("where the heap of this Solo5 guest ends isn't known")
        start, end = self._word(symbol[0]), ram[-1].end
        if start % PAGE or not last[0] <= start < end:
            raise NotOffered("the heap of this Solo5 guest isn't set up (or its bounds are garbled)")
        return Heap(total=end - start)

    def _identity(self) -> bool:
        return bool(self._target.origin.identity)

    def _word(self, address: int) -> int:
        return int.from_bytes(self._target.space.read(address, 8), "little")

    # --- how it ended ---------------------------------------------------------------------------------

    def vitals(self) -> Vitals:
        end = self._ended()
        return Vitals(ended=None if end is None else end.reason)

    def panic(self) -> Panic | None:
        end = self._ended()
        return None if end is None else end.panic

    def _ended(self) -> End | None:
        if self._target.live and self._tender():
            return None  # its tender ends with it
        try:
            frames = self._frames()
            registers = self._target.registers()
        except UniobsError:
            return None
        names = [frame.function for frame in frames]
        dumped = self._target.kind == "core" and self._identity()  # solo5-hvt dumps what aborts or traps
        if TRAP in names:
            return End("panicked", self._trap(names))
        if any(name in ABORTS for name in names):
            return End("panicked", Panic("abort", tid=TID, registers=registers[0]))
        if dumped and names and names[0] is not None and not any(name in EXITS for name in names):
            return End("panicked", Panic("exception", tid=TID, registers=registers[0]))
        if any(name in EXITS for name in names):
            return End("panicked" if dumped else "exited")
        return End("panicked") if dumped else None

    def _trap(self, names: Sequence[str | None]) -> Panic:
        """Traps have a stack of their own: the processor left the place of the fault at its top."""
        vector = None
        for name in names:
            number = (name or "").removeprefix("cpu_trap_")
            if number != name and number.isdigit():
                vector = int(number)
        found = error = None
        symbol = self._module.symbol(TRAP_STACK)
        with suppress(UnknownMemory):
            if symbol is not None and symbol[1]:
                top = symbol[0] + symbol[1]
                values = {name: self._word(top - below) for name, below in TRAP_FRAME}
                cr2 = self._target.registers()[0].get("cr2")
                if vector == 14 and cr2 is not None:
                    values["cr2"] = cr2
                if self._module.holds(values["rip"]):
                    found = Registers(values, "left by the trap")
                    error = self._word(top - TRAP_ERROR) if vector in WITH_ERROR else None
        return Panic("exception", vector, error, tid=TID, registers=found)


def probe(target: Any) -> Solo5Walker | None:
    """The walker when a proven image of the target carries Solo5's manifest and entry."""
    try:
        if target.region is not None:
            return None
    except BadFormat:
        return None
    for module in target.modules:
        if module.symbol("solo5_app_main") is not None and module.symbol("__solo5_mft1_note") is not None:
            return Solo5Walker(target, module)
    return None
