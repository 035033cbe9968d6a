"""The images of a log, where each lies, and how well the log's addresses fit them."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from uniobs.image.calls import follows_call
from uniobs.image.console.found import Address, Code, Kind, Slide
from uniobs.image.elf import ET_DYN, PT_LOAD

if TYPE_CHECKING:
    from uniobs.image.module import Module, SourceFrame

OSV_PROGRAM: Final = 0x1000_0000_0000  # where OSv puts the first program that it loads
_WORDS: Final = 3  # words of a stack that are too few to judge by
_NANOS: Final = "kas_kern_offset"  # a variable of Nanos' kernel, which nothing else has
_OTHER: Final = "it isn't the build that printed them, or lies elsewhere"
_OSV: Final = "_ZN5sched10thread_mapE"


class Named(NamedTuple):
    """An address and what lies there. ``frames``: innermost first; empty when ``doubt`` says why not."""

    address: Address
    kind: Kind  # how it was looked up: a word that follows a call is a return address
    module: "Module"
    frames: "tuple[SourceFrame, ...]"
    offset: int | None  # from the function's start
    doubt: str | None = None


@dataclass(slots=True)
class Fit:
    """What a log says for and against an image."""

    returns: set[int] = field(default_factory=set)  # return addresses in its code
    calls: set[int] = field(default_factory=set)  # those of them that follow a call
    stack: set[int] = field(default_factory=set)  # words of a stack in its code
    stack_calls: set[int] = field(default_factory=set)  # those that follow a call, or begin a function
    names: set[int] = field(default_factory=set)  # addresses whose function the log names as the image does
    same: int = 0  # pieces of code that the log shows, and that are the image's
    differs: int | None = None  # where one isn't

    @property
    def wrong(self) -> bool:
        few = len(self.stack) >= _WORDS and 2 * len(self.stack_calls) < len(self.stack)
        return self.differs is not None or 2 * len(self.calls) < len(self.returns) or few

    @property
    def sure(self) -> bool:
        """Nothing speaks against it, and enough for it."""
        if self.differs is not None or len(self.calls) < len(self.returns):
            return False
        return self.same > 0 or len(self.names) > 1 or len(self.calls) > 2


class Image:
    """One module. Its bias is what was said of it: by the user, by its file, or by the log."""

    def __init__(self, module: "Module", bias: int | None = None, placed: bool = False) -> None:
        self.module = module
        self.fit = Fit()
        self.distrusted = False  # a look through the whole log told that it isn't the log's
        self.note: str | None = None  # what was assumed to place it
        self.fixed = bias is not None or placed
        if bias is not None:
            module.bias = bias
        loads = [s.vaddr for s in module.elf.segments if s.type == PT_LOAD]
        self._lowest = min(loads, default=0)
        self.loader: Literal["nanos", "osv"] | None = None
        if module.symbol(_NANOS) is not None:
            self.loader = "nanos"
        elif module.symbol(_OSV) is not None:
            self.loader = "osv"
        self.movable = self.loader == "nanos" or (module.elf.type == ET_DYN and self._lowest < 0x10000)
        self.placed = self.fixed or not self.movable

    def slide(self, fact: Slide) -> None:
        if self.fixed:
            return
        if fact.image == "nanos" and self.loader == "nanos":
            self.module.bias, self.placed = fact.address, True
        elif fact.image == "hermit" and self.loader is None and self.movable:
            self.module.bias, self.placed = fact.address - self._lowest, True

    def check(self, code: Code) -> None:
        if not self.placed or not self.module.holds(code.address):
            return
        mine = self.module.text(code.address, len(code.data))
        if mine == code.data[: len(mine)]:
            self.fit.same += len(mine) == len(code.data)
        elif self.fit.differs is None:
            self.fit.differs = code.address

    def name(self, found: Address) -> Named | None:
        """What lies at an address; None when it isn't in its code, or tells nothing."""
        back = found.call if found.call is not None else found.value
        if not self.placed or not self.module.holds(back - (found.kind == "return")):
            return None
        if self.fit.differs is not None:
            return Named(found, found.kind, self.module, (), None, "its code differs")
        if self.distrusted and found.kind in ("pc", "return"):
            stray = found.kind == "return" and self._judge(found, back)[1:] == (False, False)
            doubt = "no call ends there" if stray else "the log's addresses don't fit it"
            return Named(found, found.kind, self.module, (), None, doubt)
        if found.kind == "pc":
            return self.place(found, "pc", found.value)
        back, follows, starts = self._judge(found, back)
        if found.kind in ("word", "stack"):
            if self.distrusted:
                return None
            if starts:
                return self.place(found, "word", found.value)
            return self.place(found, "return", back) if follows else None
        if starts and not follows:
            return self.place(found, "pc", found.value)  # what a stack is made to begin with
        if follows is False:
            return Named(found, "return", self.module, (), None, "no call ends there")
        return self.place(found, "return", back)

    def _judge(self, found: Address, back: int) -> tuple[int, bool | None, bool]:
        """(the return address, does it follow a call, does it begin a function); the fit learns it."""
        if found.kind == "pc":
            return back, None, False
        function = self.module.function(found.value)
        starts = function is not None and function[1] == found.value
        follows = follows_call(self.module, back)
        if not follows and back != found.value and follows_call(self.module, found.value):
            back, follows = found.value, True  # it is printed as it is
        if found.kind == "stack":
            self.fit.stack.add(back)
            if follows or starts:
                self.fit.stack_calls.add(back)
        elif found.kind == "return" and (follows or not starts):
            self.fit.returns.add(back)
            if follows is not False:
                self.fit.calls.add(back)
            if found.name is not None and function and function[1] == found.value - (found.offset or 0):
                self.fit.names.add(back)
        return back, follows, starts

    def place(self, found: Address, kind: Kind, at: int) -> Named:
        """An address named as what it is, unchecked. ``at``: the pc, or the return address."""
        frames = tuple(self.module.symbolise(at, kind == "return"))
        function = self.module.function(at - (kind == "return"))
        return Named(found, kind, self.module, frames, at - function[1] if function else None)

    def complaint(self) -> str | None:
        """Why it can't be the image that printed the log, or mayn't."""
        if self.fit.differs is not None:
            return (
                f"the code that the log shows at {self.fit.differs:#x} isn't {self.module.name}'s: "
                "another build printed it"
            )
        missing = len(self.fit.returns) - len(self.fit.calls)
        if missing:
            return (
                f"{missing} of {len(self.fit.returns)} return addresses don't follow a call in "
                f"{self.module.name}: "
                + (_OTHER if self.fit.wrong else "unnamed")
            )
        if self.fit.wrong:
            return (
                f"only {len(self.fit.stack_calls)} of the {len(self.fit.stack)} words of a stack that lie in "
                f"{self.module.name}'s code follow a call: {_OTHER}"
            )
        return None


class Images:
    """All images of a log."""

    def __init__(self, images: list[Image]) -> None:
        self.images = images

    def find(self, found: Address) -> Named | None:
        best: Named | None = None
        for image in self.images:
            named = image.name(found)
            if named is not None and (named.frames or best is None):
                best = named
                if named.frames:
                    break
        return best or self._on_osv(found)

    def _on_osv(self, found: Address) -> Named | None:
        """The first program that OSv loads lies at a known place, which its log doesn't say."""
        if found.kind != "return" or found.value < OSV_PROGRAM:
            return None
        programs = [i for i in self.images if not i.placed and i.loader is None]
        if len(programs) != 1 or not any(i.loader == "osv" for i in self.images):
            return None
        program = programs[0]
        program.module.bias, program.placed = OSV_PROGRAM, True
        named = program.name(found)
        if named is None or not named.frames:
            program.module.bias, program.placed, program.fit = 0, False, Fit()
            return None
        program.note = (
            f"{program.module.name} is taken to lie at {OSV_PROGRAM:#x}, where OSv puts the first program "
            "(--bias says otherwise)"
        )
        return named

    def slide(self, fact: Slide) -> None:
        for image in self.images:
            image.slide(fact)

    def unknown_again(self) -> None:
        """Another boot: where Nanos' kernel lies must be said anew."""
        for image in self.images:
            if image.loader == "nanos" and not image.fixed:
                image.placed = False

    def check(self, code: Code) -> None:
        for image in self.images:
            image.check(code)

    @property
    def waits(self) -> bool:
        """Whether a slide is still to come."""
        return any(not image.placed and image.loader == "nanos" for image in self.images)
