"""Does a call instruction end right before an address? What tells a return address from any other number."""

from uniobs.image.elf import EM_AARCH64
from uniobs.lean import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from uniobs.image.module import Module

_LONGEST: Final = 16  # bytes before the address that are looked at
_LARGEST: Final = 1 << 16  # functions up to this size are disassembled from their start
_FUNCTIONS: Final = 256  # that are remembered


def _length(code: bytes, at: int) -> int:
    """The length of `FF /2` and its operand at ``at``, or 0 when it's another instruction."""
    if at + 1 >= len(code) or code[at] != 0xFF:
        return 0
    modrm = code[at + 1]
    if modrm >> 3 & 7 != 2:
        return 0
    mode, base = modrm >> 6, modrm & 7
    if mode == 3:
        return 2
    length = 2
    if base == 4:
        if at + 2 >= len(code):
            return 0
        length = 3
        if mode == 0 and code[at + 2] & 7 == 5:
            return 7
    elif mode == 0 and base == 5:
        return 6
    return length + (0, 1, 4)[mode]


def ends_with_call(code: bytes) -> bool:
    """Whether the bytes may end with a call: E8 rel32, or FF /2 in any of its lengths."""
    if len(code) >= 5 and code[-5] == 0xE8:
        return True
    return any(_length(code, len(code) - size) == size for size in range(2, min(7, len(code)) + 1))


def _branches_with_link(word: int) -> bool:
    """Of aarch64: BL, BLR, or BLR with pointer authentication."""
    return word >> 26 == 0x25 or word & 0xFFFFFC1F == 0xD63F0000 or word & 0xFEFFF800 == 0xD63F0800


def follows_call(module: "Module", address: int) -> bool | None:
    """By the image's bytes; None when the image doesn't carry the text there."""
    if module.elf.machine == EM_AARCH64:
        word = module.text(address - 4, 4)
        return _branches_with_link(int.from_bytes(word, "little")) if len(word) == 4 else None
    code = module.text(address - _LONGEST, _LONGEST)
    if len(code) < _LONGEST:
        code = module.text(address - 7, 7) or module.text(address - 5, 5)
    if not code:
        return None
    return ends_with_call(code)


class CallSites:
    """Where calls end, as functions are disassembled from their starts; each is once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], tuple[frozenset[int], int]] = {}

    def surely(self, module: "Module", address: int) -> bool:
        """As follows_call, and not by bytes in the midst of instructions (as far as they can be decoded)."""
        if not follows_call(module, address):
            return False
        function = module.function(address - 1)
        if function is None or not 0 < function[2] <= _LARGEST or module.elf.machine == EM_AARCH64:
            return True
        key = (id(module), function[1])
        if key not in self._known:
            if len(self._known) >= _FUNCTIONS:
                self._known.clear()
            self._known[key] = _calls(module, function[1], function[2])
        ends, decoded = self._known[key]
        return address in ends or address > decoded


def _calls(module: "Module", start: int, size: int) -> tuple[frozenset[int], int]:
    """(where its calls end, how far it could be decoded)."""
    from uniobs.image.decoder import decode

    ends: set[int] = set()
    decoded = start
    for at, length, mnemonic, _ in decode(module.text(start, size), start):
        decoded = at + length
        if mnemonic in ("call", "lcall"):
            ends.add(decoded)
    return frozenset(ends), decoded
