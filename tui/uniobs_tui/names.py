"""Threads' names, asked for when somebody unknown appears."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from uniobs.errors import UniobsError
from uniobs.model.text import safe


class Names:
    """By tid. Who is asked for in vain isn't asked for again: it ended, and its number says who it was."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._asked: set[int] = set()

    def of(self, target: Any, tids: Iterable[int]) -> Mapping[int, str]:
        unknown = {tid for tid in tids if tid not in self._asked}
        if unknown:
            with suppress(UniobsError):
                rows = target.walker("threads").threads()
                self._names |= {row.tid: safe(row.name) for row in rows if row.name and not row.torn}
            self._asked |= unknown
        return self._names
