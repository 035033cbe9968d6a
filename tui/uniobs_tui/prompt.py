"""The line at the bottom that is typed in: ``:`` commands, ``/`` search, ``\\`` filter."""

from collections.abc import Callable, Sequence
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.events import Blur
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input, Static

Complete = Callable[[str], Sequence[str]]  # what the text may become, best first
HISTORY_MAX: Final = 200
MARKS: Final = {"command": ":", "search": "/", "filter": "\\"}


class _Ghost(Suggester):
    """Shows what Tab or Right would take."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self.complete: Complete | None = None

    async def get_suggestion(self, value: str) -> str | None:
        found = self.complete(value) if self.complete is not None else ()
        return next((text for text in found if text != value), None)


class PromptInput(Input):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Cancel"),
        Binding("tab", "complete", "Complete"),
        Binding("up", "earlier(-1)", "Earlier", show=False),
        Binding("down", "earlier(1)", "Later", show=False),
    ]

    class Left(Message):
        """Escape, or the focus went elsewhere."""

        def __init__(self, wanted: bool) -> None:
            super().__init__()
            self.wanted = wanted

    def action_leave(self) -> None:
        self.post_message(self.Left(True))

    def action_complete(self) -> None:
        self.action_cursor_right()

    def action_earlier(self, by: int) -> None:
        if isinstance(self.parent, Prompt):
            self.parent.earlier(by)

    def on_blur(self, event: Blur) -> None:
        self.post_message(self.Left(False))


class Prompt(Horizontal):
    """``Prompt.Said`` when Enter is pressed, ``Typed`` with each key, ``Closed`` when it is gone."""

    DEFAULT_CSS = """
    Prompt { dock: bottom; height: 1; display: none; background: $panel; }
    Prompt > #mark { width: auto; color: $text-accent; text-style: bold; }
    Prompt > Input, Prompt > Input:focus {
        border: none; padding: 0; height: 1; width: 1fr; background: $panel;
    }
    Prompt.-good > #mark { color: $text-success; }
    Prompt.-good > Input { color: $text-success; }
    Prompt.-bad > #mark { color: $text-error; }
    Prompt.-bad > Input { color: $text-error; }
    Prompt > #why { width: auto; max-width: 60%; color: $text-error; }
    """

    class Said(Message):
        def __init__(self, kind: str, text: str) -> None:
            super().__init__()
            self.kind, self.text = kind, text

    class Typed(Said):
        pass

    class Closed(Message):
        """``said``: Said follows."""

        def __init__(self, said: bool) -> None:
            super().__init__()
            self.said = said

    def __init__(self) -> None:
        super().__init__()
        self.kind = ""
        self._ghost = _Ghost()
        self._history: dict[str, list[str]] = {kind: [] for kind in MARKS}
        self._place = 0

    def compose(self) -> ComposeResult:
        yield Static(id="mark", markup=False)
        yield PromptInput(suggester=self._ghost)
        yield Static(id="why", markup=False)

    @property
    def is_open(self) -> bool:
        return self.display

    def open(self, kind: str, text: str = "", complete: Complete | None = None, hint: str = "") -> None:
        field = self.query_one(PromptInput)
        self.kind, self._ghost.complete = kind, complete
        self._place = len(self._history[kind])
        self.query_one("#mark", Static).update(MARKS[kind])
        self.judged("")
        field.placeholder = hint
        field.value = text
        field.cursor_position = len(text)
        self.display = True
        self.screen.set_focus(field)

    def close(self, *, said: bool = False) -> None:
        if self.display:
            self.display = False
            self.kind = ""
            self.post_message(self.Closed(said))

    def judged(self, why: str, *, good: bool = False) -> None:
        """Green, or red with the reason."""
        self.set_class(bool(why), "-bad")
        self.set_class(good and not why, "-good")
        self.query_one("#why", Static).update(f" {why} " if why else "")

    def earlier(self, by: int) -> None:
        """Up and down in what was said before."""
        said = self._history[self.kind] if self.kind else []
        self._place = min(max(self._place + by, 0), len(said))
        field = self.query_one(PromptInput)
        field.value = said[self._place] if self._place < len(said) else ""
        field.cursor_position = len(field.value)

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if self.kind:
            self.post_message(self.Typed(self.kind, event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        kind, text = self.kind, event.value
        if not kind:
            return
        said = self._history[kind]
        if text.strip() and said[-1:] != [text]:
            said.append(text)
            del said[:-HISTORY_MAX]
        self.close(said=True)
        self.post_message(self.Said(kind, text))

    def on_prompt_input_left(self, message: PromptInput.Left) -> None:
        message.stop()
        if message.wanted or self.screen.focused is not self.query_one(PromptInput):  # it may be open anew
            self.close()
