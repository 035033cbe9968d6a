"""A target made of rows, for rules and views that need no bytes."""

import time
from collections.abc import Sequence
from typing import Any

from uniobs.errors import NotOffered
from uniobs.model.guest import Frame, Stack, Status, Thread


class FakeWalker:
    """Answers what it was given, by question."""

    name = "fake"

    def __init__(self, answers: dict[str, Any]) -> None:
        self._answers = answers
        self.answers = frozenset(answers)

    def __getattr__(self, question: str) -> Any:
        if question.startswith("_") or question not in self._answers:
            raise AttributeError(question)
        return lambda: self._answers[question]


class FakeTarget:
    """``rounds`` are what each refresh() moves on to; the first is there from the start."""

    name = "shop"
    kind = "vm"
    vmm = "qemu microvm"
    pid = 4802
    region = None
    modules: Sequence[Any] = ()

    def __init__(self, *rounds: dict[str, Any], live: bool = True, status: Status | None = None) -> None:
        self.rounds = list(rounds)
        self.live = live
        self.notices: list[str] = []
        self.stacks: dict[int, Stack] = {}
        self.clock_ns = time.monotonic_ns
        self._status = status or Status("live", "running")

    def walker(self, question: str) -> FakeWalker:
        if question not in self.rounds[0]:
            raise NotOffered(f"{self.name} doesn't offer {question}")
        return FakeWalker(self.rounds[0])

    def stack(self, thread: Thread) -> Stack:
        return self.stacks.get(thread.tid, Stack(thread.tid, error="nobody knows"))

    def status(self, watch: float | None = None) -> Status:
        return self._status

    def refresh(self) -> None:
        if len(self.rounds) > 1:
            self.rounds.pop(0)

    def close(self) -> None:
        self.rounds.clear()


def stack(tid: int, *frames: tuple[str, str, int]) -> Stack:
    """Of (function, file, line), innermost first."""
    made = [
        Frame(
            level=n, pc=0x1000 + n, function=function, file=file, line=line, trust="cfi" if n else "registers"
        )
        for n, (function, file, line) in enumerate(frames)
    ]
    return Stack(tid, tuple(made))
