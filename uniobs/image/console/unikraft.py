"""Unikraft: "base is 0x3e8fff0 caller is 0x1162d7", and the bytes around RSP and RIP."""

import re

from uniobs.image.console.found import NUMBER, Address, Code, Fact, address, number

_CALLER = re.compile(rf"\bbase is {NUMBER}\s+caller is ({NUMBER})\b")
_BYTES = re.compile(r"(?:^|\s)([0-9a-f]{4,16}):((?: [0-9a-f]{2}){16})\s*$")


class Unikraft:
    def read(self, text: str) -> list[Address | Fact]:
        caller = _CALLER.search(text)
        if caller:
            return [address(caller, 1, "return")]
        shown = _BYTES.search(text)
        return [Code(number(shown[1]), bytes.fromhex(shown[2]))] if shown else []
