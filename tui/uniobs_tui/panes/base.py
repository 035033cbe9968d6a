"""Pane: one view of a guest. It asks in the worker's thread, and shows in the screen's."""

from collections.abc import Mapping
from typing import Any, ClassVar

from textual.containers import Vertical
from textual.message import Message
from textual.widget import Widget

from uniobs_tui.session import Session
from uniobs_tui.table import LineTable
from uniobs_tui.worker import Answer


class Pane(Vertical):
    """``ask`` runs in the worker's thread and reads only what never changes once it is set (a query that is
    replaced, never written to). Everything else runs in the screen's.
    """

    name_: ClassVar[str] = ""  # what ``:`` calls it: "threads"
    title: ClassVar[str] = ""
    key_: ClassVar[str] = ""  # the key that opens it
    filter_hint: ClassVar[str] = "a regular expression"  # what ``\`` takes

    class Again(Message):
        """The pane wants to be asked again now: its query changed."""

    class Open(Message):
        """Go on in another pane, about something of this one: it is given to that pane's narrow()."""

        def __init__(self, pane: str, about: Mapping[str, Any]) -> None:
            super().__init__()
            self.pane, self.about = pane, about

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

    def first(self) -> Widget | None:
        """What has the focus when the pane is opened."""
        return next((w for w in self.query("*") if w.focusable and w.display), None)

    # --- what the screen passes on --------------------------------------------------------------------

    def narrow(self, about: Mapping[str, Any]) -> None:
        """Show only what belongs to these (``{"tid": 3}``): a drill-down came here; empty: everything."""

    def back(self) -> bool:
        """Escape: undo one step within this pane (its filter, a detail); False when there is none."""
        return False

    def search(self, pattern: str, by: int = 1) -> str:
        """``/`` and n, N: the next match after (-1: before) the cursor; "" or one line that says why not."""
        table = self.table()
        return _asked(table, "search", pattern, by) if table is not None else "nothing to search here"

    def check_filter(self, text: str) -> str:
        """While ``\\`` is typed: "" when it can be used, else what is wrong with it."""
        table = self.table()
        return _asked(table, "check_filter", text) if table is not None else "nothing to filter here"

    def set_filter(self, text: str) -> str:
        """``\\``: show only what matches, "" everything. "" or what is wrong."""
        table = self.table()
        return _asked(table, "set_filter", text) if table is not None else "nothing to filter here"

    def table(self) -> LineTable | None:
        """The one that has the focus, or else the first that is on the screen."""
        tables = [table for table in self.query(LineTable) if table.display]
        return next((table for table in tables if table.has_focus), tables[0] if tables else None)


def _asked(table: LineTable, method: str, *args: Any) -> str:
    """What a table that offers it says; "" when it has nothing to say."""
    asked = getattr(table, method, None)
    return "not offered here" if asked is None else str(asked(*args) or "")
