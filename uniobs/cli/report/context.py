"""What the sections of one report share: each question is asked once."""

from functools import cached_property
from typing import Any

from uniobs.cli import stacks
from uniobs.cli.report.pointers import Pointers
from uniobs.cli.report.sources import Sources
from uniobs.errors import UniobsError
from uniobs.model.guest import Panic, Stack, Thread
from uniobs.model.row import frozen

FRAMES_MAX = 1500  # of all stacks together
CODES_MAX = 160  # of them with source and instructions


@frozen
class Options:
    """``source_dirs``: (directory, the prefix that it stands for or None)."""

    source_dirs: tuple[tuple[str, str | None], ...] = ()


class Context:
    """Guest rows are read lazily; what can't be had raises where it's asked for."""

    def __init__(self, target: Any, options: Options) -> None:
        self.target = target
        self.sources = Sources(options.source_dirs)
        self.stacks: dict[int, Stack] = {}
        self.codes_left = CODES_MAX
        self.told: frozenset[int] = frozenset()  # the threads of the first verdict
        self.frames_left = FRAMES_MAX

    @cached_property
    def panic(self) -> Panic | None:
        """None when it didn't panic, or isn't known to have. Raises what the walker raises but NotOffered."""
        return stacks.panic_of(self.target)

    @cached_property
    def known_panic(self) -> Panic | None:
        """The same, but None when it can't be read."""
        try:
            return self.panic
        except UniobsError:
            return None

    @cached_property
    def threads(self) -> tuple[Thread, ...]:
        return tuple(self.target.walker("threads").threads())

    @cached_property
    def known_threads(self) -> tuple[Thread, ...]:
        """() when nobody tells."""
        try:
            return self.threads
        except UniobsError:
            return ()

    @cached_property
    def names(self) -> dict[int, str]:
        return {thread.tid: thread.name for thread in self.known_threads if thread.name}

    @cached_property
    def waits(self) -> dict[int, str]:
        return stacks.waits_of(self.target)

    @cached_property
    def modules(self) -> tuple[Any, ...]:
        """() when no image is known."""
        try:
            return tuple(self.target.modules)
        except UniobsError:
            return ()

    @cached_property
    def pointers(self) -> Pointers:
        return Pointers(self.target, self.modules, self.known_threads, self._known_locks)

    @property
    def _known_locks(self) -> tuple[Any, ...]:
        try:
            return self.locks
        except UniobsError:
            return ()

    @cached_property
    def locks(self) -> tuple[Any, ...]:
        return tuple(self.target.walker("locks").locks())

    def stack(self, thread: Thread) -> Stack:
        found = self.stacks.get(thread.tid)
        if found is None:
            found = self.stacks[thread.tid] = stacks.stack_of(self.target, thread)
        return found

    def who(self, tid: int | None) -> str:
        """worker-a (tid 3)"""
        if tid is None:
            return "an unknown thread"
        name = self.names.get(tid)
        return f"{name} (tid {tid})" if name else f"tid {tid}"

    def source_of(self, question: str) -> str:
        """How an answer is known: "the guest's own tables (stub)", "structures of the unikraft kernel"."""
        try:
            name = str(self.target.walker(question).name)
        except UniobsError:
            return ""
        return provenance(name)


def provenance(walker: str) -> str:
    told = {"stub": "the stub's region", "process": "the core's notes"}
    return told.get(walker, f"structures of {walker}, through its image's DWARF")
