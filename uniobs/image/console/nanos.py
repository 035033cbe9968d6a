"""Nanos: a register dump, "frame trace:" and "stack trace:" of words, and "kernel load offset"."""

import re

from uniobs.image.console.found import Address, Crash, Fact, Slide, address, number

_BEGIN = re.compile(r"^\*\*\* (?:signal \d+ received|Thread context|CPU Faulted)|^frame trace:")
_OFFSET = re.compile(r"\bkernel load offset ([0-9a-f]{1,16})\b")
_WORD = re.compile(r"^\s*[0-9a-f]{16}:\s+([0-9a-f]{16})\b")


class Nanos:
    def __init__(self) -> None:
        self._part: str | None = None
        self._open = False  # a dump that hasn't said yet where the kernel lies

    def read(self, text: str) -> list[Address | Fact]:
        if _BEGIN.search(text):
            begins = not self._open
            self._open = True
            self._part = "frame" if text.startswith("frame") else None
            return [Crash("nanos", slide=True)] if begins else []
        offset = _OFFSET.search(text)
        if offset:
            self._open, self._part = False, None
            return [Slide(number(offset[1]), "nanos")]
        if text.startswith("stack trace:"):
            self._part = "stack"
            return []
        word = _WORD.match(text)
        if word is None or self._part is None:
            return []
        return [address(word, 1, "return" if self._part == "frame" else "stack")]
