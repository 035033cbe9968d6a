"""Places of an image's text that rightly differ in memory: what a booting kernel or a debugger writes there.

Everything else that differs is another build, or damage.
"""


from uniobs.lean import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from uniobs.image.elf import Elf

_PAGE: Final = 4096
_PRESENT: Final = 1
_TOUCHED: Final = 0x60  # accessed and dirty: the processor sets them (Intel SDM vol. 3A, 4.8)
_ENTRY: Final = 0x800F_FFFF_FFFF_FFFF  # bits that a page table's entry may have without protection keys
_BREAKPOINT: Final = 0xCC
# Start-up code that writes its own far jumps (Unikraft's plat/kvm/x86/lcpu_start.S), or that keeps what
# the other processors begin with (Nanos' src/x86_64/init.s).
_SELF_WRITING: Final = (
    r"lcpu_start(16|32)|jump_to(32|64)|gdt32(_ptr)?|\w+_imm[248]_start16|\w+_uk_reloc_imm[248]"
    r"|ap_pagetable|ap_idt_pointer|apinit_end"
)
# Intel's recommended multi-byte NOPs (SDM vol. 2B, NOP), 5 to 9 bytes and their 66-prefixed forms
_NOPS: Final = (
    b"\x0f\x1f\x44\x00\x00",
    b"\x66\x0f\x1f\x44\x00\x00",
    b"\x0f\x1f\x80\x00\x00\x00\x00",
    b"\x0f\x1f\x84\x00\x00\x00\x00\x00",
    b"\x66\x0f\x1f\x84\x00\x00\x00\x00\x00",
    b"\x90\x90\x90\x90\x90",
)
_JUMPS: Final = b"\xe8\xe9"  # call and jmp with four bytes of distance


class Patches:
    """Of one image. ``boot``: written by the kernel itself, so that nothing is in doubt by it."""

    def __init__(self, elf: "Elf") -> None:
        self._elf = elf
        self._tables: dict[int, bool] = {}

    def boot(self, address: int, memory: bytes, differ: list[int]) -> bool:
        """Whether the word at ``address`` (its bytes in memory; those at ``differ`` aren't the image's) was
        changed by the processor or start-up."""
        symbols = [self._elf.symbols.function(at) for at in differ]
        import re

        if all(symbol is not None and re.fullmatch(_SELF_WRITING, symbol.name) for symbol in symbols):
            return True
        if address % 8 or len(memory) != 8 or not self._is_table(address & -_PAGE):
            return False
        mine = int.from_bytes(self._elf.read(address, 8), "little")
        changed = mine ^ int.from_bytes(memory, "little")
        return bool(mine & _PRESENT) and not changed & ~_TOUCHED

    def _is_table(self, page: int) -> bool:
        """Whether a page of the text is one of page-table entries and nothing else."""
        if page not in self._tables:
            data = self._elf.read(page, _PAGE)
            words = [int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data), 8)]
            self._tables[page] = (
                len(words) == 512
                and any(words)
                and all(not word or (word & _PRESENT and not word & ~_ENTRY) for word in words)
            )
        return self._tables[page]

    def listed(self, address: int, memory: bytes) -> bool:
        """Whether the bytes of a word in memory are the image's but for a break point or a patched NOP."""
        mine = self._elf.read(address, len(memory))
        at = [i for i in range(min(len(mine), len(memory))) if mine[i] != memory[i]]
        if len(mine) != len(memory):
            return False
        if all(memory[i] == _BREAKPOINT for i in at):
            return True
        return self._nop(address + at[0], address + at[-1], address, memory)

    def _nop(self, first: int, last: int, start: int, memory: bytes) -> bool:
        """A NOP of the image that became a call or jump: all that differs lies in its first five bytes.

        What lies outside the word is the image's: its neighbours are judged by themselves.
        """
        for begin in range(last - 4, first + 1):
            mine = self._elf.read(begin, 9)
            if not any(mine.startswith(nop) for nop in _NOPS):
                continue
            here = begin - start
            if not 0 <= here < len(memory) or memory[here] in _JUMPS:
                return True
        return False
