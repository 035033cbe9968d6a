"""Names of OSv's functions and variables, as C++ mangles them (Itanium ABI 5.1): the nested name alone."""

import re
from typing import Final

_NUMBER: Final = re.compile(r"\d{1,3}")
_LOCAL: Final = tuple(f"L{digit}" for digit in range(1, 10))  # L before a part: of one source file alone
PARTS_MAX: Final = 16
PREFIX: Final = re.compile(r"_Z(?:N[rVKRO]*|L|)(?=\d)")
_LAMBDA: Final = "_ZNSt17_Function_handlerIFvvEZ"  # a std::function made in the function that follows


def plain(name: str) -> str | None:
    """_ZN7workman12call_of_dutyEv is workman::call_of_duty; None when its name holds more than plain parts.

    What isn't mangled is itself.
    """
    if not name.startswith("_Z"):
        return name
    if name.startswith(_LAMBDA):
        inside = plain("_Z" + name[len(_LAMBDA) :])
        return f"{inside}::<lambda>" if inside is not None else None
    start = PREFIX.match(name)
    if start is None:
        return None
    nested, at, parts = name.startswith("_ZN"), start.end(), list[str]()
    while len(parts) < PARTS_MAX and (number := _NUMBER.match(name, at)) is not None:
        at = number.end() + int(number[0])
        if at > len(name):
            return None
        parts.append(name[number.end() : at])
        at += name[at : at + 2] in _LOCAL
        if not nested:
            break
    if not parts or (nested and name[at : at + 1] not in ("E", "C")):
        return None
    return "::".join(parts)
