"""Numbers that a kernel's sources define, from the macro information of its image (gcc -g3)."""

import re
from typing import Any

from uniobs.errors import UniobsError

_NUMBER = re.compile(rb"\(*\s*(0[xX][0-9a-fA-F]{1,16}|\d{1,20})[uUlL]*\s*\)*(?:\s*/\*.*)?")


def macro(module: Any, name: str) -> int | None:
    """The value of ``#define name number``; None when the image doesn't tell, or tells different ones."""
    wanted = b"\0" + name.encode() + b" "
    values: set[int] = set()
    for elf in (module.debug, module.elf):
        if elf is None:
            continue
        for section in (".debug_str", ".debug_macro"):
            try:
                data = bytes(elf.data(section))
            except UniobsError:
                continue
            at = data.find(wanted)
            while at >= 0:
                end = data.find(b"\0", at + 1)
                found = _NUMBER.fullmatch(data[at + len(wanted) : end])
                if found is not None:
                    values.add(int(found[1], 0))
                at = data.find(wanted, at + 1)
    return values.pop() if len(values) == 1 else None
