"""The reference guest: "  thread 3 breaker, vector 14, error 0x2", registers, and its tables (@dump)."""

import re

from uniobs.image.console.found import NUMBER, Address, Fact, address

_FIELD = re.compile(rf"\b(entry|pc|acquire_pc)=({NUMBER})\b")


class Demo:
    def read(self, text: str) -> list[Address | Fact]:
        if not text.startswith("@dump "):
            return []
        return [address(f, 2, "pc" if f[1] == "entry" else "return") for f in _FIELD.finditer(text)]
