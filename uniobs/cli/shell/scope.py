"""What names in an expression mean on a target: its variables, types, and registers of its threads."""

from collections.abc import Callable
from typing import Any

from uniobs.cli.shell.line import is_number
from uniobs.errors import Incomplete, NotOffered, UniobsError, UnknownMemory
from uniobs.image.types_expr import Operand
from uniobs.image.types_model import Type
from uniobs.image.types_value import Value
from uniobs.memory.base import AddressSpace
from uniobs.model.guest import Registers, Thread

_NAMES = 20_000  # among so many a likely one is looked for
_LOAD, _WRITE = 1, 2  # PT_LOAD, PF_W
ALIASES = {"pc": "rip", "sp": "rsp", "fp": "rbp", "eflags": "rflags"}


class Backed:
    """An address space in which segments that nobody writes are known from their image."""

    def __init__(self, space: AddressSpace, modules: Callable[[], list[Any]]) -> None:
        self._space = space
        self._modules = modules

    def translate(self, address: int) -> int:
        return self._space.translate(address)

    def read(self, address: int, size: int) -> bytes:
        try:
            return self._space.read(address, size)
        except UnknownMemory:
            data = self._constant(address, size)
            if data is None:
                raise
            return data

    def _constant(self, address: int, size: int) -> bytes | None:
        for module in self._modules():
            start = address - module.bias
            for segment in module.elf.segments:
                if segment.type != _LOAD or segment.flags & _WRITE:
                    continue
                if segment.vaddr <= start and start + size <= segment.vaddr + segment.filesz:
                    data: bytes = module.text(address, size)
                    return data if len(data) == size else None
        return None


class GuestScope:
    """See uniobs.image.types_expr.Scope. ``chosen`` gives the thread whose registers are meant, or None."""

    def __init__(self, target: Any, chosen: Callable[[], Thread | None]) -> None:
        self.target = target
        self.chosen = chosen
        self.dot: Operand | None = None
        self.local: Callable[[str], Value | None] | None = None  # of the chosen frame

    @property
    def space(self) -> AddressSpace:
        """The guest's memory; what a core leaves out of a proven image's constants comes from its file."""
        return Backed(self.target.space, self._proven)

    def _proven(self) -> list[Any]:
        return [m for m in self.target.modules if m.proof is not None and not m.proof.forced]

    def _meant(self, name: str) -> tuple[list[Any], str]:
        """The images that may have a name, and the name in them ('kernel.elf'::ticks is of one)."""
        modules = list(self.target.modules)
        image, _, rest = name.partition("::")
        chosen = [module for module in modules if rest and module.name == image]
        if chosen and not any(m.types.has_variable(name) for m in modules if m.dwarf is not None):
            return chosen, rest
        return modules, name  # also of a namespace that is called as its image

    def _ask_back(self, modules: list[Any], name: str) -> None:
        """Raises NotOffered for a name that a kernel and its program have; libraries come after both."""
        found = [
            module.name
            for number, module in enumerate(modules)
            if (not number or ".so" not in module.name) and module.symbol(name) is not None
        ]
        if len(found) > 1:
            ways = " or ".join(f"'{image}'::{name}" for image in found)
            raise NotOffered(f"{name} is in {len(found)} images: say {ways}")

    def _modules(self, what: str, modules: list[Any] | None = None) -> list[Any]:
        """Those with debug information. Raises NotOffered when there are none."""
        modules = list(self.target.modules) if modules is None else modules
        described = [module for module in modules if module.dwarf is not None]
        if not described:
            if not modules:
                why = f"no image of {self.target.name} is: name its ELF with --image"
            else:
                why = f"{modules[0].name} has no debug information (DWARF): name the unstripped file"
            raise NotOffered(f"{what} isn't known: {why}")
        return described

    def variable(self, name: str) -> Value:
        """ "name", "ns::name", or "file.c::name" or "image::name" for one of several of a name; a local one
        comes first."""
        if self.local is not None and "::" not in name and (local := self.local(name)) is not None:
            return local
        among, name = self._meant(name)
        self._ask_back(among, name)
        modules = self._modules(name, among)
        problems: list[NotOffered] = []
        unit, _, rest = name.partition("::")
        for module in modules:
            try:
                if rest and "." in unit:
                    found: Value = module.types.variable(rest, self.space, unit)
                    return found
                found = module.types.variable(name, self.space)
                return found
            except NotOffered as error:
                problems.append(error)
        return self._missing(name, problems)

    def _missing(self, name: str, problems: list[NotOffered]) -> Value:
        better = [error for error in problems if "has no variable" not in str(error)]
        if better:
            raise better[0]
        if self.symbol(name) is not None:
            raise NotOffered(f"{name} has no debug information: its type isn't known")
        near = self._near(name)
        raise NotOffered(f"no variable or function is called {name}" + (f": is it {near}?" if near else ""))

    def _near(self, name: str) -> str:
        from difflib import get_close_matches

        names: set[str] = set()
        for module in self.target.modules:
            if module.dwarf is not None:
                names.update(module.types.table.index.names("v"))
        alike = [one for one in names if 0.6 * len(name) <= len(one) <= 1.7 * len(name)]  # the others aren't
        return " or ".join(get_close_matches(name, alike, n=2, cutoff=0.75)) if len(alike) < _NAMES else ""

    def symbol(self, name: str) -> tuple[int, bool] | None:
        modules, name = self._meant(name)
        self._ask_back(modules, name)
        for module in modules:
            found = module.symbol(name)
            if found is not None:
                return found[0], bool(module.holds(found[0]))
        return None

    def type(self, words: str) -> Type:
        problem: NotOffered | None = None
        for module in self._modules(words):
            try:
                found: Type = module.types.type(words)
                return found
            except NotOffered as error:
                problem = problem or error
        assert problem is not None
        raise problem

    def it(self) -> Operand | None:
        return self.dot

    # --- registers ------------------------------------------------------------------------------------

    def register(self, thread: str, name: str) -> int:
        registers = self.registers(self.thread(thread) if thread else self.chosen())
        found = registers.get(ALIASES.get(name, name))
        if found is None:
            have = " ".join(registers.values)
            raise NotOffered(f"{registers.source or 'the registers'}: there is no {name} (known: {have})")
        return found

    def registers(self, thread: Thread | None) -> Registers:
        """Of a thread, or of the first vCPU. Raises NotOffered and its kin."""
        if thread is not None:
            from uniobs.target.stacks import start_of

            return start_of(self.target, thread).registers
        found = self.target.registers()
        if not found:
            raise NotOffered("no vCPU's registers are known")
        first: Registers = found[0]
        return first

    def threads(self) -> list[Thread]:
        return list(self.target.walker("threads").threads())

    def thread(self, word: str) -> Thread:
        """By id or name. Raises Incomplete when there is none, or several."""
        threads = [thread for thread in self.threads() if not thread.torn]
        if is_number(word):
            found = [thread for thread in threads if thread.tid == int(word)]
        else:
            found = [thread for thread in threads if thread.name == word and thread.state != "exited"]
        if len(found) > 1:
            tids = ", ".join(str(thread.tid) for thread in found)
            raise Incomplete(f"{len(found)} threads are named {word}: say which ({tids})")
        if not found:
            names = ", ".join(f"{thread.tid} {thread.name or '-'}" for thread in threads[:24])
            raise Incomplete(f"no thread {word}: there are {names}")
        return found[0]

    # --- names of addresses ---------------------------------------------------------------------------

    def _named(self) -> list[Any]:
        """All images, and a live process's libraries."""
        if self.target.live and self.target.kind == "process":
            from uniobs.target.hosted import libraries

            return [*self.target.modules, *libraries(self.target)]
        return list(self.target.modules)

    def symbol_at(self, address: int) -> str | None:
        """ "deref+4", "lock_a"; None for what has no name."""
        from uniobs.image.demangle import display

        try:
            modules = self._named()
        except UniobsError:
            return None
        for module in modules:
            found = module.function(address) or module.variable_at(address)
            if found is not None:
                name, start = display(found[0]), found[1]
                return f"{name}+{address - start}" if address != start else str(name)
        return None

