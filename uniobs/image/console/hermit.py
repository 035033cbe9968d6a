"""Hermit: where its loader put it ("Loading kernel to 0x1c00000", "Kernel starts at 0x1c00000"), and the
backtraces of Rust's standard library ("   3:        0x1c2f4a0 - <unknown>")."""

import re

from uniobs.image.console.found import NUMBER, Address, Fact, Slide, address, number

_AT = re.compile(rf"(?:\bLoading kernel to|\bKernel starts at) ({NUMBER})\b")
_FRAME = re.compile(rf"^\s*\d{{1,4}}:\s+(0x{NUMBER.removeprefix('(?:0[xX])?')}) - ")


class Hermit:
    def read(self, text: str) -> list[Address | Fact]:
        at = _AT.search(text)
        if at:
            return [Slide(number(at[1]), "hermit")]
        frame = _FRAME.match(text)
        return [address(frame, 1, "return")] if frame else []
