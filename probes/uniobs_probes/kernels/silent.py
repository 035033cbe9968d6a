"""What a walker can't answer, and why: said by the guest when it is asked, and by the walker itself."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from uniobs.errors import NotOffered


class Silent:
    """Every question of model.view.Walker, refused for the reason in ``why_not``; walkers answer theirs."""

    why_not: ClassVar[Mapping[str, str]] = {}

    def _refused(self, question: str) -> NotOffered:
        return NotOffered(self.why_not.get(question, f"its {question} can't be told"))

    def locks(self) -> Sequence[Any]:
        raise self._refused("locks")

    def sockets(self) -> Sequence[Any]:
        raise self._refused("sockets")

    def interfaces(self) -> Sequence[Any]:
        raise self._refused("interfaces")

    def counters(self) -> Sequence[Any]:
        raise self._refused("counters")

    def heap(self) -> Any:
        raise self._refused("heap")

    def sites(self) -> Sequence[Any]:
        raise self._refused("sites")

    def log(self) -> Any:
        raise self._refused("log")

    def trace(self) -> Any:
        raise self._refused("trace")

    def packets(self) -> Any:
        raise self._refused("packets")
