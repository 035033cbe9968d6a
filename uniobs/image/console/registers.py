"""Register dumps, as every kernel prints them: RIP: 0000000000115ed0, rip=0x105fc0, rip 0000000000100284,
rip: 0008:0000000000115ed0 (with its segment); on aarch64 ELR_EL1=..., pc : ..., lr : ..."""

import re

from uniobs.image.console.found import NUMBER, Address, Fact, address

_NAMES = "RAX|RBX|RCX|RDX|RSI|RDI|RBP|RSP|RIP|EIP|R[ 0]?[89]|R1[0-5]"
_REGISTER = re.compile(
    rf"(?<![\w.])({_NAMES})(?:[:=]| (?=[0-9a-fx ]))\s*(?:[0-9a-f]{{4}}:)?({NUMBER})(?![\w.])", re.IGNORECASE
)
# Rust's x86_64 crate: instruction_pointer: 0x1c28360, or VirtAddr(0x1c28360), or that on three lines
_POINTER = re.compile(rf"\binstruction_pointer: (?:VirtAddr\()?({NUMBER})\b")
_AARCH64 = re.compile(rf"(?<![\w.])(pc|lr|x30|elr(?:_el[1-3])?)\s*[:=]\s*({NUMBER})(?![\w.])", re.IGNORECASE)
# one of which is in each line of a dump: to look for them is cheaper than the patterns
_HINTS = (
    "rip", "eip", "rax", "rbx", "rdx", "rsi", "rdi", "r8", "r08", "r 8", "r9", "r 9", "r09", "r1", "lr",
    "rcx", "pc", "instruction_pointer", "x30",
)  # fmt: skip
_POINTER_NEXT = re.compile(r"\binstruction_pointer: VirtAddr\(\s*$")
_ALONE = re.compile(rf"^\s*({NUMBER}),?\s*$")


class Registers:
    def __init__(self) -> None:
        self._next = False  # the pointer comes on a line of its own

    def read(self, text: str) -> list[Address | Fact]:
        alone = _ALONE.match(text) if self._next else None
        self._next = _POINTER_NEXT.search(text) is not None
        if alone:
            return [address(alone, 1, "pc")]
        found: list[Address | Fact] = []
        lower = text.lower()
        if not any(hint in lower for hint in _HINTS):
            return found
        for match in _REGISTER.finditer(text):
            name = match[1].lower()
            if name not in ("rsp", "rbp"):
                found.append(address(match, 2, "pc" if name in ("rip", "eip") else "word"))
        for match in _AARCH64.finditer(text):
            found.append(address(match, 2, "return" if match[1].lower() in ("lr", "x30") else "pc"))
        found += [address(match, 1, "pc") for match in _POINTER.finditer(text)]
        return found
