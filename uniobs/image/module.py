"""Module: an image placed in an address space - what its addresses mean, and whether it's in memory."""

import gc
import os
from functools import cached_property

from uniobs.errors import BadFormat
from uniobs.image import proof
from uniobs.image.dwarf.cfi import CallFrames
from uniobs.image.elf import Elf
from uniobs.image.frames import ELSEWHERE, QUALIFIED, SourceFrame, readable
from uniobs.image.opened import Opened, open_image
from uniobs.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from uniobs.image.dwarf.cfa import Rules
    from uniobs.image.dwarf.index import Dwarf, Location
    from uniobs.image.index.keep import Keeper
    from uniobs.image.types import Types
    from uniobs.memory.base import AddressSpace


__all__ = ["Module", "SourceFrame"]
_SAMPLES = 4
_SAMPLE = 32  # bytes
_REMEMBERED = 1 << 16  # addresses


def _source_frame(place: "Location") -> SourceFrame:
    name, linkage = readable(place.function)
    return SourceFrame(name, place.file, place.line, place.inlined, linkage)


class Module:
    """Addresses are runtime ones: link address + ``bias``."""

    def __init__(self, image: Opened, file: str, bias: int = 0, debug: Opened | None = None) -> None:
        self._opened = [image] + ([debug] if debug else [])
        self.elf = image.elf
        self.bias = bias
        self.debug = debug.elf if debug else None  # a separate file with the DWARF, if there is one
        self.file = file  # the one in image.elf itself may be shared with a module that found it elsewhere
        self.name = os.path.basename(file)
        self.build_id: str | None = image.elf.build_id
        self.proof: proof.Proof | None = None  # None: not compared yet
        self.notes: list[str] = []  # what of its debug information couldn't be read
        self._frames: dict[int, tuple[SourceFrame, ...]] = {}
        self._part = (0, 0)  # of the code, where the last address lay

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], bias: int = 0, debug: str | os.PathLike[str] | None = None
    ) -> "Module":
        """From an ELF file. ``debug`` names a separate debug file; without it, the usual places are tried.

        Raises NoSuchTarget, AccessDenied, BadFormat, NotOffered; ImageMismatch: ``debug`` is another's.
        """
        image = open_image(path)
        image.elf.check_loaded()
        file = os.fspath(path)
        if debug is None and image.elf.has_dwarf:
            return cls(image, file, bias)
        from pathlib import Path

        from uniobs.image import separate

        if debug is not None:
            return cls(image, file, bias, separate.named(image.elf, Path(debug)))
        return cls(image, file, bias, separate.find(image.elf, Path(file)))

    @cached_property
    def path(self) -> "Path":
        from pathlib import Path

        return Path(self.file)

    def __repr__(self) -> str:
        return f"Module({self.name!r}, bias={self.bias:#x})"

    @cached_property
    def _elves(self) -> list[Elf]:
        return [opened.elf for opened in self._opened]

    @cached_property
    def dwarf(self) -> "Dwarf | None":
        """None when neither the image nor a file beside it carries DWARF."""
        for opened in reversed(self._opened):
            if opened.elf.has_dwarf:
                return opened.dwarf
        return None

    @property
    def has_dwarf(self) -> bool:
        return any(elf.has_dwarf for elf in self._elves)

    @cached_property
    def types(self) -> "Types":
        """Its types and variables. Raises NotOffered when there is no DWARF."""
        from uniobs.image.types import Types

        return Types(self)

    @cached_property
    def _call_frames(self) -> CallFrames:
        return CallFrames(self._elves)

    @cached_property
    def text_sha(self) -> str:
        """SHA-256 of the text's bytes in the file: the image's identity where it has no build-id."""
        import hashlib

        digest = hashlib.sha256()
        for address, text in self.elf.text:
            digest.update(address.to_bytes(8, "little"))
            digest.update(text)
        return digest.hexdigest()

    @cached_property
    def samples(self) -> tuple[tuple[int, bytes], ...]:
        """(link address, bytes) of a few functions spread over the text: they tell it from most others."""
        named = next((rows for elf in self._elves if (rows := elf.symbols.functions())), [])
        functions = [start for start, size, _ in named if size >= _SAMPLE]
        step = max(1, len(functions) // _SAMPLES)
        places = functions[step // 2 :: step] or [start + len(text) // 2 for start, text in self.elf.text]
        found = ((address, self.elf.read(address, _SAMPLE)) for address in places[:_SAMPLES])
        return tuple(row for row in found if len(row[1]) == _SAMPLE)

    @cached_property
    def code_ranges(self) -> tuple[tuple[int, int], ...]:
        """[start, end) runtime addresses of its code."""
        return tuple((low + self.bias, high + self.bias) for low, high in self.elf.code_ranges)

    def holds(self, pc: int) -> bool:
        """Whether ``pc`` lies in its code."""
        return self.elf.code_part(pc - self.bias) is not None

    def text(self, address: int, size: int) -> bytes:
        """Bytes of the file at a runtime address; fewer at a segment's end."""
        return self.elf.read(address - self.bias, size)

    def prove(self, space: "AddressSpace") -> proof.Proof:
        """Compare the text with memory, and remember the answer as ``proof``.

        Raises ImageMismatch when another build is in memory.
        """
        self.proof = proof.prove(self.elf, self.bias, space)
        return self.proof

    def force(self, why: str) -> None:
        """Take it for the image in memory without proof; its frames and answers are then unproven."""
        self.proof = proof.Proof(0, 0, forced=why)

    def differs(self, pc: int) -> bool:
        """Whether the function around ``pc`` was found to differ in memory from the image."""
        return self.proof is not None and self.proof.differs(pc)

    def _complain(self, note: str) -> None:
        if note not in self.notes and len(self.notes) < 16:
            self.notes.append(note)

    @cached_property
    def _keeper(self) -> "Keeper | None":
        return next((opened.keeper for opened in reversed(self._opened) if opened.elf.has_dwarf), None)

    def function(self, pc: int) -> tuple[str, int, int] | None:
        """(name, start, size in bytes) of the function around ``pc``; by its symbol, else by DWARF."""
        address = pc - self.bias
        if self.elf.code_part(address) is None:
            return None
        for elf in self._elves:
            symbol = elf.symbols.function(address)
            if symbol is not None:
                return symbol.name, symbol.address + self.bias, symbol.size
        found = self._dwarf_function(address)
        if found is None or found[0] is None:
            return None
        return found[0], found[1] + self.bias, found[2]

    def _dwarf_function(self, address: int) -> tuple[str | None, int, int] | None:
        keeper = self._keeper
        index = keeper.index or keeper.get() if keeper else None
        if index and keeper:
            try:
                return index.function(address)
            except LookupError:
                pass  # it leaves this unit to the DWARF
            except BadFormat:
                keeper.garbled()
        try:
            return self.dwarf.function(address) if self.dwarf else None
        except BadFormat as error:
            self._complain(str(error))
            return None

    def symbolise(self, pc: int, return_address: bool = False) -> list[SourceFrame]:
        """Source positions of ``pc``, innermost first; empty outside the image's code.

        A return address is looked up one byte before, inside its call. Debug information that can't be
        read is said in ``notes``; then the symbol alone answers.
        """
        address = pc - self.bias - return_address
        try:
            return [*self._frames[address]]
        except KeyError:
            return [*self._symbolise(address)]

    def symbolise_many(
        self, pcs: "Iterable[int]", return_addresses: bool = False
    ) -> list[tuple[SourceFrame, ...]]:
        """As symbolise, for many: where the same source line holds it is the same tuple."""
        pcs = [*pcs]
        if self._keeper is not None:
            self._keeper.expect(len(pcs))
        known = self._frames.get
        back = self.bias + return_addresses
        collecting = gc.isenabled()
        gc.disable()  # nothing that is made here can be garbage: a third of the time would go into looking
        try:
            # an answer may be (), which is false too, but costs only the second look
            return [known(pc - back) or self._symbolise(pc - back) for pc in pcs]
        finally:
            if collecting:
                gc.enable()

    def _symbolise(self, address: int) -> tuple[SourceFrame, ...]:
        part = self._part
        if not part[0] <= address < part[1]:
            found_part = self.elf.code_part(address)
            if found_part is None:
                return ()
            self._part = found_part
        keeper = self._keeper
        index = keeper.index or keeper.get() if keeper else None
        found = ELSEWHERE
        if index and keeper:
            try:
                found = index.find(address)
            except BadFormat:
                keeper.garbled()
        if found is ELSEWHERE:
            found = self._from_dwarf(address)
        if not found or not found[-1].function:
            found = self._named_by_symbol(address, found)
        elif found[-1].linkage_name is None and (self._has_qualified or found[-1].function[0] == "_"):
            found = self._said_better(address, found)
        if len(self._frames) > _REMEMBERED:
            self._frames.clear()
        self._frames[address] = found
        return found

    def _from_dwarf(self, address: int) -> tuple[SourceFrame, ...]:
        """Read where it lies: what an index answers too, but slower."""
        if self.dwarf is None:
            return ()
        frames: tuple[SourceFrame, ...] = ()
        try:
            frames = tuple(_source_frame(place) for place in self.dwarf.locate(address))
        except BadFormat as error:
            self._complain(str(error))
        if self.dwarf.note:
            self._complain(self.dwarf.note)
        return frames

    @cached_property
    def _has_qualified(self) -> bool:
        """Whether it has symbols of C++ or Rust at all."""
        return any(elf.symbols.holds(b"\0_Z") or elf.symbols.holds(b"\0_R") for elf in self._elves)

    def _said_better(self, address: int, frames: tuple[SourceFrame, ...]) -> tuple[SourceFrame, ...]:
        """By the symbol there, where its name is that of debug information, but says more: with the namespace
        that wasn't repeated; or without what a C library puts before (__libc_accept is accept).

        Nothing else: two functions that a linker folded into one share their address too.
        """
        named = self.function(address + self.bias)
        mine = frames[-1].function or ""
        if named is None:
            return frames
        if not named[0].startswith(QUALIFIED):
            public = named[0][0] != "_" and mine[0] == "_" and mine.endswith("_" + named[0])
            return (*frames[:-1], frames[-1]._replace(function=named[0])) if public else frames
        from uniobs.image.demangle import bare

        name, linkage = readable(named[0])
        if name is None or bare(name) != mine.partition("<")[0]:
            return frames
        return (*frames[:-1], frames[-1]._replace(function=name, linkage_name=linkage))

    def _named_by_symbol(self, address: int, frames: tuple[SourceFrame, ...]) -> tuple[SourceFrame, ...]:
        named = self.function(address + self.bias)
        name, linkage = readable(named[0] if named else None)
        if not frames:
            return (SourceFrame(name, None, None, False, linkage),)
        return (*frames[:-1], frames[-1]._replace(function=name, linkage_name=linkage))

    def cfi(self, pc: int) -> "Rules | None":
        """How to undo the frame at ``pc`` (its start and end are link addresses); None when no table says."""
        rules = self._call_frames.find(pc - self.bias)
        if self._call_frames.problem:
            self._complain(self._call_frames.problem)
        return rules

    def variable_at(self, address: int) -> tuple[str, int, int] | None:
        """(name, start, size in bytes) of the variable around a runtime address, by its symbol."""
        for elf in self._elves:
            found = elf.symbols.variable(address - self.bias)
            if found is not None:
                return found.name, found.address + self.bias, found.size
        return None

    def variables(self, sizes: "Collection[int] | None" = None) -> list[tuple[str, int, int]]:
        """(name, start, size in bytes) of its variables, or of those of one of these sizes."""
        for elf in self._elves:
            rows = elf.symbols.variables(sizes)
            if rows:
                return [(row.name, row.address + self.bias, row.size) for row in rows]
        return []

    def symbol(self, name: str) -> tuple[int, int] | None:
        """(runtime address, size) of a symbol by name."""
        for elf in self._elves:
            found = elf.symbols.find(name)
            if found is not None:
                return found.address + self.bias, found.size
        return None
