"""OSv: "[backtrace]" and lines of "0x00000000403d78cc <osv::handle_mmap_fault(...)+28>".

It prints the byte before each return address.
"""

import re

from uniobs.image.console.found import Address, Fact, number

_LINE = re.compile(r"^\s*(0x[0-9a-f]{16})(?: <(.{1,1024})\+(\d{1,12})>)?\s*$")


class Osv:
    def __init__(self) -> None:
        self._inside = False

    def read(self, text: str) -> list[Address | Fact]:
        if text.strip() == "[backtrace]":
            self._inside = True
            return []
        line = _LINE.match(text)
        if line is None:
            self._inside = False
            return []
        if not self._inside:
            return []
        value = number(line[1])
        known = line[2] is not None and not line[2].startswith("???")
        return [
            Address(
                value,
                "return",
                line.start(1),
                line.end(1),
                call=value + 1,
                name=line[2] if known else None,
                offset=int(line[3]) if known else None,
            )
        ]
