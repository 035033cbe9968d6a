"""Proving that an image is the one in memory: its text compared byte by byte, not its name."""

import struct

from uniobs.errors import ImageMismatch, UnknownMemory
from uniobs.image.elf import Elf
from uniobs.image.patches import Patches
from uniobs.lean import TYPE_CHECKING, Final
from uniobs.model.row import frozen

if TYPE_CHECKING:
    from uniobs.memory.base import AddressSpace

_BLOCK: Final = 1 << 16
_PAGE: Final = 4096
_R_RELATIVE: Final = 8
# An image whose build-id tells which build it is may differ (break points, a wild write) in so many
# functions, and in a sixteenth of those compared of a larger one. Without one, only in listed places.
_FEW: Final = 3
_SHARE: Final = 16
_MANY: Final = 64  # words that differ, from which on it is another build whatever the rest is


@frozen
class Proof:
    """What the comparison saw. Sizes in bytes of text."""

    compared: int
    missing: int  # not held by this memory
    differing: tuple[tuple[int, int, str], ...] = ()  # (start, size, name) at runtime addresses, ascending
    build_id: bool | None = None  # the note in memory is the image's; None: not held, or none
    forced: str | None = None  # why it isn't the image in memory, though it is taken for it (--force)

    @property
    def proven(self) -> bool:
        """Some text was compared, and (but for the functions that differ) it is the image's."""
        return self.compared > 0 and not self.forced

    def differs(self, pc: int) -> bool:
        return bool(self.forced) or any(start <= pc < start + size for start, size, _ in self.differing)

    @property
    def note(self) -> str | None:
        """What qualifies the proof, for a reader; None when all of the text is the image's."""
        if self.forced:
            return f"UNPROVEN, as --force has it: {self.forced}"
        parts = []
        if not self.compared:
            same = ", though its build-id is" if self.build_id else ""
            parts.append(f"text not held by this memory, so the image isn't proven{same}")
        elif self.missing:
            parts.append(f"{self.compared} of {self.compared + self.missing} bytes of text compared")
        if self.differing:
            names = ", ".join(name for _, _, name in self.differing[:3])
            more = f" and {len(self.differing) - 3} more" if len(self.differing) > 3 else ""
            verb = "differs" if len(self.differing) == 1 else "differ"
            parts.append(f"{names}{more} {verb} in memory from the image")
        return "; ".join(parts) or None


def expected(elf: Elf, bias: int) -> list[tuple[int, bytes, list[tuple[int, int]]]]:
    """(link address, bytes as loaded at ``bias``, spans that can't be foretold) of each part of the text."""
    parts = [(address, bytes(text)) for address, text in elf.text]
    patches: dict[int, tuple[int, int, int]] = {}
    for section in elf.sections:
        if section.type == 4 and section.flags & 2 and section.entry_size == 24:  # SHT_RELA, SHF_ALLOC
            rows = elf.content(section)
            for where, info, addend in struct.iter_unpack("<QQq", rows[: len(rows) // 24 * 24]):
                if elf.code_part(where):
                    patches[where] = (where, info & 0xFFFFFFFF, addend)
    result: list[tuple[int, bytes, list[tuple[int, int]]]] = []
    for address, text in parts:
        inside = [row for row in patches.values() if address <= row[0] <= address + len(text) - 8]
        unsure: list[tuple[int, int]] = []
        if inside:
            changed = bytearray(text)
            for where, kind, addend in inside:
                at = where - address
                if kind == _R_RELATIVE:
                    changed[at : at + 8] = ((addend + bias) & (1 << 64) - 1).to_bytes(8, "little")
                else:
                    unsure.append((at, at + 8))
            text = bytes(changed)
        result.append((address, text, unsure))
    return result


class _Comparison:
    def __init__(self, elf: Elf, space: "AddressSpace", bias: int) -> None:
        self._space = space
        self._bias = bias
        self._patches = Patches(elf)
        self.compared = 0
        self.missing = 0
        self.wrong: list[int] = []  # link addresses of differing bytes, one an eight-byte word at most
        self.unlisted = 0  # how many of those no known patch explains

    def part(self, address: int, text: bytes, unsure: list[tuple[int, int]]) -> None:
        at = 0
        while at < len(text):
            end = min(len(text), at + _BLOCK - (address + self._bias + at) % _BLOCK)
            if not self._block(address, text, at, end, unsure):
                while at < end:
                    stop = min(end, at + _PAGE - (address + self._bias + at) % _PAGE)
                    if not self._block(address, text, at, stop, unsure):
                        self.missing += stop - at
                    at = stop
            at = end

    def _block(self, address: int, text: bytes, at: int, end: int, unsure: list[tuple[int, int]]) -> bool:
        try:
            held = self._space.read(address + self._bias + at, end - at)
        except UnknownMemory:
            return False
        self.compared += end - at
        if held != text[at:end]:
            for word in range(at, end, 8):
                stop = min(word + 8, end)
                if held[word - at : stop - at] != text[word:stop]:
                    differ = [
                        address + i
                        for i in range(word, stop)
                        if held[i - at] != text[i] and not any(low <= i < high for low, high in unsure)
                    ]
                    self._judge(address + word, held[word - at : stop - at], differ)
        return True

    def _judge(self, word: int, held: bytes, differ: list[int]) -> None:
        if not differ or (self.unlisted < _MANY and self._patches.boot(word, held, differ)):
            return
        self.wrong.append(differ[0])
        if self.unlisted < _MANY and not self._patches.listed(word, held):
            self.unlisted += 1


def _same_build_id(elf: Elf, bias: int, space: "AddressSpace") -> bool | None:
    note = elf.build_id_note
    if note is None or not note[0]:
        return None
    try:
        return space.read(note[0] + bias, len(note[1])) == note[1]
    except UnknownMemory:
        return None


def prove(elf: Elf, bias: int, space: "AddressSpace") -> Proof:
    """Compare. Raises ImageMismatch when the image is another build: its entry or much text differs."""
    comparison = _Comparison(elf, space, bias)
    for address, text, unsure in expected(elf, bias):
        comparison.part(address, text, unsure)
    build_id = _same_build_id(elf, bias, space)
    functions: dict[int, tuple[int, int, str]] = {}
    for address in comparison.wrong:
        symbol = elf.symbols.function(address)
        if symbol is not None:
            functions[symbol.address + bias] = (symbol.address + bias, symbol.size, symbol.name)
        else:
            start = address & ~15
            functions[start + bias] = (start + bias, 16, f"{start + bias:#x}")
    differing = tuple(functions[start] for start in sorted(functions))
    named = sum(1 for start, _, name in differing if name != f"{start:#x}")
    total = len(elf.symbols.functions()) if differing else 0
    held = comparison.compared + comparison.missing
    limit = max(_FEW, total * comparison.compared // max(held, 1) // _SHARE)
    entry = any(start <= elf.entry + bias < start + size for start, size, _ in differing)
    strange = bool(comparison.unlisted) and elf.build_id_note is None
    if differing and (entry or strange or len(differing) > limit):
        where = comparison.wrong[0] + bias
        first = next(
            (name for start, size, name in differing if start <= where < start + size), differing[0][2]
        )
        raise ImageMismatch(
            f"{elf.file} is not the image in memory: its text differs at {where:#x}, first in {first}"
            f" ({named} of {total} functions differ)"
        )
    if build_id is False:
        first = f", and {differing[0][2]} differs" if differing else ""
        raise ImageMismatch(f"{elf.file} is not the image in memory: another build-id is there{first}")
    return Proof(comparison.compared, comparison.missing, differing, build_id)
