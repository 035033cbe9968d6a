"""What a value points at, as far as it is certain: code, a thread's stack, a variable, a lock, a string."""

from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any, Final

from uniobs.cli.report.page import page_of
from uniobs.errors import UniobsError
from uniobs.image.demangle import display
from uniobs.model.guest import Lock, Thread
from uniobs.model.text import size_text

GUARD: Final = 4096  # bytes below a stack that are taken for its guard, if they aren't mapped
STRING_MIN: Final = 4
STRING_MAX: Final = 48
SMALL: Final = 0x1000  # below it a value is a number
ADDRESS: Final = 1 << 20  # below it a value is likelier a number than an address of something unknown
LOAD: Final = 1  # PT_LOAD


class Pointers:
    def __init__(
        self, target: Any, modules: Sequence[Any], threads: Sequence[Thread], locks: Sequence[Lock]
    ) -> None:
        self._target = target
        self._modules = modules
        self._stacks = [
            (t.stack_lo, t.stack_hi, t.name or f"tid {t.tid}")
            for t in threads
            if t.stack_lo and t.stack_hi and t.stack_lo < t.stack_hi
        ]
        self._locks = {lock.address: lock for lock in locks if lock.name and not lock.torn}
        self._known: dict[int, str | None] = {}

    def what(self, value: int) -> str | None:
        """None: a number, or nothing that is known."""
        if not SMALL <= value < (1 << 64) - SMALL:
            return None
        if value not in self._known:
            if len(self._known) > 4096:
                self._known.clear()
            self._known[value] = self._look(value)
        return self._known[value]

    def _look(self, value: int) -> str | None:
        return (
            self.code(value)
            or self._stack(value)
            or self._region(value)
            or self._variable(value)
            or self._string(value)
            or self._heap(value)
            or self._mapping(value)
        )

    def code(self, value: int, *, call: bool = False) -> str | None:
        """deref+0x4 (main.c:30). ``call``: a return address, so the line of the call before it is meant."""
        for module in self._modules:
            if not module.holds(value - call):
                continue
            name = self.symbol(value)
            frames = module.symbolise(value, call)
            spot = ""
            if frames and frames[0].file and frames[0].line:
                spot = f"{frames[0].file.rsplit('/', 1)[-1]}:{frames[0].line}"
            if name is None:
                return f"code of {module.name}" + (f" ({spot})" if spot else "")
            return f"{name} ({spot})" if spot else name
        return None

    def symbol(self, value: int) -> str | None:
        """deref+0x4; None outside of known functions."""
        for module in self._modules:
            found = module.function(value) if module.holds(value) else None
            if found is not None:
                return display(found[0]) + (f"+{value - found[1]:#x}" if value != found[1] else "")
        return None

    def whose(self, address: int) -> str | None:
        """What lies at an address that was accessed; also where nothing may be: null, a guard page."""
        if address < SMALL:
            free = page_of(self._target, address, None).mapped is False
            return "the page at 0" + (", which is kept unmapped to catch null pointers" if free else "")
        for low, _, name in self._stacks:
            if low - GUARD <= address < low and page_of(self._target, address, None).mapped is False:
                return f"the guard page below the stack of {name}"
        return self.code(address) or self._stack(address) or self._region(address) or self._variable(address)

    def _stack(self, value: int) -> str | None:
        for low, high, name in self._stacks:
            if low <= value <= high:
                return f"stack of {name}, {size_text(high - value)} below its top"
            if low - GUARD <= value < low:
                return f"{low - value} bytes below the end of the stack of {name}"
        return None

    def _variable(self, value: int) -> str | None:
        for module in self._modules:
            found = module.variable_at(value)
            if found is not None:
                offset = f"+{value - found[1]:#x}" if value != found[1] else ""
                return f"variable {display(found[0])}{offset}"
        lock = self._locks.get(value)
        return f"{lock.kind or 'lock'} {lock.name}" if lock is not None else None

    def variable(self, value: int) -> str | None:
        """ledger+0x8"""
        text = self._variable(value)
        return text.removeprefix("variable ") if text else None

    def _region(self, value: int) -> str | None:
        with suppress(UniobsError):
            region = self._target.region
            if region is not None and 0 <= value - region.header.self_va < region.header.size:
                return "the uniobs region"
        return None

    def _heap(self, value: int) -> str | None:
        return "heap" if any(low <= value < high for low, high in self._heaps) else None

    @cached_property
    def _heaps(self) -> list[tuple[int, int]]:
        """[start, end) of the heap's areas, of the walkers that know them."""
        with suppress(UniobsError):
            ranges = getattr(self._target.walker("heap"), "heap_ranges", None)
            return list(ranges()) if ranges is not None else []
        return []

    def _string(self, value: int) -> str | None:
        raw = b""
        with suppress(UniobsError):
            raw = self._target.space.read(value, min(STRING_MAX + 1, 4096 - value % 4096))
        text, end, _ = raw.partition(b"\0")
        if len(text) < STRING_MIN or not all(32 <= byte < 127 or byte in b"\t\n\r" for byte in text):
            return None
        if not end and len(text) <= STRING_MAX:
            return None  # it may go on with anything
        shown = (
            text[:STRING_MAX].decode("ascii").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
        )
        return f'"{shown}"' + ("" if end else "...")

    def _mapping(self, value: int) -> str | None:
        """Data of an image; else what the page tables say, where it is likely an address at all."""
        for module in self._modules:
            for segment in module.elf.segments:
                if segment.type == LOAD and 0 <= value - module.bias - segment.vaddr < segment.memsz:
                    return f"data of {module.name}"
        if value < ADDRESS:
            return None
        page = page_of(self._target, value, None)
        return None if not page.mapped else "mapped, " + ("writable" if page.writable else "read-only")
