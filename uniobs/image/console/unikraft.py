"""Unikraft: "base is 0x3e8fff0 caller is 0x1162d7", and the bytes around RSP and RIP.

Its later crash dumps (lib/ukdebug) have "Call Trace:" and lines of " [0x0000000000115ed0]": the pc, then the
byte before each return address, or in some versions the return address itself.
"""

import re

from uniobs.image.console.found import NUMBER, Address, Code, Fact, address, number

_CALLER = re.compile(rf"\bbase is {NUMBER}\s+caller is ({NUMBER})\b")
_BYTES = re.compile(r"(?:^|\s)([0-9a-f]{4,16}):((?: [0-9a-f]{2}){16})\s*$")


_TRACED = re.compile(r"(?:^|\s)\[(0x[0-9a-f]{16})\]\s*$")


class Unikraft:
    def __init__(self) -> None:
        self._trace: int | None = None  # lines of a call trace so far

    def read(self, text: str) -> list[Address | Fact]:
        if text.rstrip().endswith("Call Trace:"):
            self._trace = 0
            return []
        traced = _TRACED.search(text) if self._trace is not None else None
        if traced and self._trace is not None:
            self._trace += 1
            found = address(traced, 1, "return" if self._trace > 1 else "pc")
            return [found._replace(call=found.value + 1) if found.kind == "return" else found]
        self._trace = None
        caller = _CALLER.search(text)
        if caller:
            return [address(caller, 1, "return")]
        shown = _BYTES.search(text)
        return [Code(number(shown[1]), bytes.fromhex(shown[2]))] if shown else []
