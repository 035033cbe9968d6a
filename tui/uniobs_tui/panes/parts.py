"""What panes are made of: a body, a line of notes below it, and why there is no body."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final

from textual.app import ComposeResult
from textual.containers import Container
from textual.widget import Widget
from textual.widgets import Static

from uniobs.errors import NotOffered
from uniobs.model.text import safe
from uniobs_tui.lines_view import LinesView
from uniobs_tui.panes.base import Pane
from uniobs_tui.session import Session
from uniobs_tui.table import LineTable
from uniobs_tui.worker import Answer

WIDE: Final = 130  # cells from which panes put things side by side


class PartPane(Pane):
    """Asks ``look``; what comes is given to ``fill``. A guest that stands still is asked once a moment."""

    DEFAULT_CSS = """
    PartPane .foot { height: auto; max-height: 3; color: $text-muted; display: none; }
    PartPane .why { height: 1fr; padding: 1 2; color: $text-muted; display: none; }
    PartPane .body { height: 1fr; layout: vertical; }
    PartPane.-wide .beside { layout: horizontal; }
    """

    question: ClassVar[str] = ""  # what a walker is asked; "": it doesn't depend on one

    @classmethod
    def applies_to(cls, target: Any) -> bool:
        if not cls.question:
            return True
        try:
            target.walker(cls.question)
        except NotOffered:
            return False
        return True

    def __init__(self) -> None:
        super().__init__()
        self.wish: Any = None  # what look() is given: replaced, never written to
        self._looked: tuple[Any, Any] | None = None  # worker's thread: (of what, what came)
        self._shown: object = None

    def parts(self) -> Iterable[Widget]:
        """The body."""
        return ()

    def compose(self) -> ComposeResult:
        with Container(classes="body beside"):
            yield from self.parts()
        yield Static(classes="why", markup=False)
        yield Static(classes="foot", markup=False)

    # --- in the worker's thread -----------------------------------------------------------------------

    def ask(self, session: Session) -> Any:
        wish = self.wish
        still = not session.live or session.moment is not None or session.gone is not None
        about = (session.moment, session.gone, wish)
        if still and self._looked is not None and self._looked[0] == about:
            return self._looked[1]
        self._looked = None
        value = self.look(session, wish)
        if still and not self.unfinished(value):
            self._looked = about, value
        return value

    def look(self, session: Session, wish: Any) -> Any:
        """What fill() is given. Raises UniobsError when it can't be had."""
        raise NotImplementedError(type(self).__name__)

    def unfinished(self, value: Any) -> bool:
        """Whether more will be known of the same moment later."""
        return False

    # --- in the screen's ------------------------------------------------------------------------------

    def show(self, value: Any, answer: Answer) -> None:
        self._offered("")
        if value is not self._shown:
            self._shown = value
            self.fill(value, answer)

    def fill(self, value: Any, answer: Answer) -> None:
        """Show it."""

    def fail(self, why: str, answer: Answer) -> None:
        self._shown = None
        self._offered(why)

    def first(self) -> Widget | None:
        return super().first() if self.query_one(".body").display else None

    def _offered(self, why: str) -> None:
        body = self.query_one(".body")
        if body.display == bool(why):
            body.display = not why
            focused = self.screen.focused
            if why and focused is not None and body in focused.ancestors:
                self.screen.set_focus(None)
            elif not why and focused is None and self.display and (first := self.first()) is not None:
                first.focus()
        told = self.query_one(".why", Static)
        told.display = bool(why)
        if why:
            told.update(f"{self.title}: {safe(why)}")
            self.foot(())

    def foot(self, notes: Sequence[str]) -> None:
        """What the table doesn't hold, in small."""
        told = self.query_one(".foot", Static)
        told.display = bool(notes)
        told.update(safe(" · ".join(notes)))

    def again(self, wish: Any) -> None:
        """Look for something else, now."""
        if wish != self.wish:
            self.wish = wish
            self.post_message(self.Again())

    def on_resize(self) -> None:
        self.set_class(self.size.width >= WIDE, "-wide")

    # --- what the screen passes on --------------------------------------------------------------------

    def narrow(self, about: Mapping[str, Any]) -> None:
        """``text`` is what was typed behind the view's name: a table is filtered by it."""
        if isinstance(text := about.get("text"), str):
            self.set_filter(text)

    def lines(self) -> LinesView | None:
        """The text that has the focus, or the first one when there is no table."""
        views = [view for view in self.query(LinesView) if view.display]
        focused = next((view for view in views if view.has_focus), None)
        return focused or (views[0] if views and not self.query(LineTable) else None)

    def search(self, pattern: str, by: int = 1) -> str:
        view = self.lines()
        return view.search(pattern, by) if view is not None else super().search(pattern, by)


class TextPane(PartPane):
    """A pane of text: fill() says how it is laid out."""

    def parts(self) -> Iterable[Widget]:
        yield LinesView()

    def lay_out(self, value: Any) -> Callable[[int, int], Any]:
        raise NotImplementedError(type(self).__name__)

    def fill(self, value: Any, answer: Answer) -> None:
        self.query_one(LinesView).show(self.lay_out(value))
