"""StreamPane: rows as they come, at their end; what they're narrowed to stands below them."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final

from textual.widget import Widget

from uniobs.errors import NotOffered, UniobsError
from uniobs_tui.arrange import Test, TextTest
from uniobs_tui.frame import Frame
from uniobs_tui.panes.parts import PartPane
from uniobs_tui.rowtests import OfThread
from uniobs_tui.session import Session
from uniobs_tui.streamlog import StreamSource
from uniobs_tui.table import LineTable
from uniobs_tui.tableline import fit
from uniobs_tui.worker import Answer

FOOT_MAX: Final = 60
AGAIN_S: Final = 0.25  # between two looks at a ring that may be written over


class StreamPane(PartPane):
    question: ClassVar[str] = ""

    def __init__(self) -> None:
        super().__init__()
        self._filter = ""
        self._about: Mapping[str, Any] = {}
        self._told: list[str] = []  # what the rows are narrowed to
        self._live = False
        self._seen: object = None

    def parts(self) -> Iterable[Widget]:
        yield LineTable(tail=True, id="rows")

    @property
    def rows(self) -> LineTable:
        return self.query_one("#rows", LineTable)

    @property
    def stream(self) -> StreamSource | None:
        source = self.rows.source
        return source if isinstance(source, StreamSource) else None

    def on_mount(self) -> None:
        self.set_interval(AGAIN_S, self._look_again)

    def _look_again(self) -> None:
        if self._live and self.display and self.screen.is_current:
            self.post_message(self.Again())

    # --- asking ---------------------------------------------------------------------------------------

    def look(self, session: Session, wish: Any) -> Any:
        return self.source(session)

    def source(self, session: Session) -> StreamSource:
        try:
            return session.streams.source(self.question)
        except NotOffered as error:
            advice = self.advice(session)
            raise NotOffered(f"{error}. {advice}") if advice else error from error

    def advice(self, session: Session) -> str:
        """What can be done where there is none."""
        return ""

    def unfinished(self, value: Any) -> bool:
        return isinstance(value, StreamSource) and value.progress < 1

    def fill(self, value: Any, answer: Answer) -> None:
        self._live = answer.moment is None
        looked = (value.log, value.base, len(value), value.progress)
        if looked != self._seen:  # else a table would be drawn anew four times a second
            self._seen = looked
            self.rows.show(value)
        if self.unfinished(value):
            self.post_message(self.Again())
        self._notes()

    def fail(self, why: str, answer: Answer) -> None:
        self._live, self._seen = False, None
        super().fail(why, answer)

    def say(self, text: str) -> None:
        """One line where the keys are."""
        screen = self.screen
        if isinstance(screen, Frame):
            screen.say(text, "warn")
        else:
            self.notify(text, markup=False)

    # --- narrowing ------------------------------------------------------------------------------------

    def make_test(self, text: str) -> Test:
        """What a filter's text means. Raises UniobsError."""
        return TextTest(text)

    def check_filter(self, text: str) -> str:
        try:
            self.make_test(text)
        except UniobsError as error:
            return str(error)
        return ""

    def set_filter(self, text: str) -> str:
        try:
            self.rows.set_test("filter", self.make_test(text) if text else None)
        except UniobsError as error:
            return str(error)
        self._filter = text
        self._notes()
        return ""

    def narrow(self, about: Mapping[str, Any]) -> None:
        """``tid``: of this thread; ``filter``: as if typed; ``what``: how that is called."""
        self._about = dict(about)
        tid = about.get("tid")
        self.rows.set_test("tid", OfThread(tid) if isinstance(tid, int) and self.has_threads() else None)
        if "filter" in about or self._filter:
            self.set_filter(str(about.get("filter", "")))
        self.rows.action_edge(1)
        self._notes()

    def has_threads(self) -> bool:
        """Whether its rows are some thread's."""
        return True

    def back(self) -> bool:
        if self.rows.lit is not None:
            self.rows.search("")
        elif self._filter and self._filter != self._about.get("filter"):
            self.set_filter("")
        elif self._about:
            self.narrow({})
            return False  # it came from another view: back to that
        else:
            return False
        return True

    def _notes(self) -> None:
        tid = self._about.get("tid")
        told = [str(self._about["what"])] if self._about.get("what") else []
        if not told and isinstance(tid, int) and self.has_threads():
            told = [f"thread {tid}"]
        if self._filter:
            told.append(f"filter: {fit(self._filter, FOOT_MAX, 'left').rstrip()}")
        self.foot([f"only {', '.join(told)} (Esc: all)"] if told else [])
