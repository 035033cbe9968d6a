"""Pane: one view of a guest. It asks in the worker's thread, and shows in the screen's."""

from typing import Any, ClassVar

from textual.containers import Vertical
from textual.message import Message

from uniobs_tui.session import Session
from uniobs_tui.worker import Answer


class Pane(Vertical):
    """``ask`` runs in the worker's thread and reads only what never changes once it is set (a query that is
    replaced, never written to). ``show`` and ``fail`` run in the screen's."""

    name_: ClassVar[str] = ""  # what ``:`` calls it: "threads"
    title: ClassVar[str] = ""
    key_: ClassVar[str] = ""  # the key that opens it

    class Again(Message):
        """The pane wants to be asked again now: its query changed."""

    @classmethod
    def applies_to(cls, target: Any) -> bool:
        """Whether a guest can have it at all; runs in the worker's thread."""
        return True

    def ask(self, session: Session) -> Any:
        """What show() is given. Raises UniobsError when it can't be had."""
        raise NotImplementedError(type(self).__name__)

    def show(self, value: Any, answer: Answer) -> None:
        """The answer, as of answer.moment."""

    def fail(self, why: str, answer: Answer) -> None:
        """It can't be had: one line says why."""
        self.border_subtitle = why
