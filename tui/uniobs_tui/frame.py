"""Frame: what every screen has: keys along the bottom, a line to type in, help."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Input

from uniobs.errors import UniobsError
from uniobs.model.text import safe
from uniobs_tui.footer import KeyBar
from uniobs_tui.prompt import Prompt


class Frame(Screen[None]):
    """Subclasses say what can be searched and filtered, and run their commands."""

    DEFAULT_CSS = """
    Frame { background: $background; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f1,question_mark,h", "help", "Help"),
        Binding("f3,slash", "search", "Search"),
        Binding("f4,backslash", "filter", "Filter"),
        Binding("colon", "command", "Command"),
        Binding("n", "again(1)", "Next match", show=False),
        Binding("N", "again(-1)", "Match before", show=False),
    ]
    help_title = ""

    def __init__(self) -> None:
        super().__init__()
        self.rounds = 0  # how often its worker began anew
        self.then: Awaitable[Any] | None = None  # the rest of a command, before the next key is looked at
        self._pattern = ""
        self._filters: dict[str, str] = {}  # of each view

    def parts(self) -> ComposeResult:
        """What stands above the keys."""
        yield from ()

    def compose(self) -> ComposeResult:
        yield from self.parts()
        yield KeyBar()
        yield Prompt()

    def say(self, text: str, look: str = "bad") -> None:
        """One line in the place of the keys, until the next key is pressed."""
        self.query_one(KeyBar).say(safe(" ".join(text.split())), look)

    # --- what subclasses answer -----------------------------------------------------------------------

    def commands(self) -> Sequence[tuple[str, str]]:
        """(what is typed after ``:``, what it does); capitals stand for what the user names."""
        return ()

    def completions(self, text: str) -> Sequence[str]:
        """What a command that was begun may become."""
        return [name for name, _ in self.commands() if name.startswith(text) and name != text]

    def command(self, text: str) -> str:
        """Run one. "" or what is wrong with it."""
        return f"no command {text!r}: ? lists them"

    def search_for(self, pattern: str, by: int) -> str:
        return "nothing to search here"

    def check_filter(self, text: str) -> str:
        return ""

    def filter_by(self, text: str) -> str:
        return "nothing to filter here"

    def where(self) -> str:
        """The view that a filter is for."""
        return ""

    def unfilter(self) -> bool:
        """Escape: everything is shown again; False when it was."""
        if not self._filters.get(self.where()):
            return False
        self.filter_by("")
        self._filters.pop(self.where(), None)
        return True

    def filter_hint(self) -> str:
        return "text or a regular expression; empty shows all"

    def refocus(self) -> None:
        """The line was closed: the body has the keys again."""

    # --- keys -----------------------------------------------------------------------------------------

    def action_help(self) -> None:
        from uniobs_tui.help import HelpScreen

        typed = getattr(self.app, "typed", {})
        self.app.push_screen(HelpScreen(self, self.commands(), typed))

    def begins_line(self, key: str, focused: Any) -> bool:
        """Open the line to type in when that is what a key is for."""
        begins: dict[str, Callable[[], None]] = {
            "colon": self.action_command, "slash": self.action_search, "backslash": self.action_filter,
            "question_mark": self.action_help,
        }  # fmt: skip
        if isinstance(focused, Input) or key not in begins:
            return False
        begins[key]()
        return True

    def action_command(self, text: str = "") -> None:
        self.query_one(Prompt).open("command", text, self.completions)

    def action_search(self) -> None:
        self.query_one(Prompt).open("search", hint="text or a regular expression")

    def action_filter(self) -> None:
        self.query_one(Prompt).open("filter", self._filters.get(self.where(), ""), hint=self.filter_hint())

    def action_again(self, by: int) -> None:
        if not self._pattern:
            self.say("nothing was searched yet: / searches", "warn")
        elif why := self.search_for(self._pattern, by):
            self.say(why, "warn")

    def on_prompt_typed(self, message: Prompt.Typed) -> None:
        if message.kind == "search":
            why = self.search_for(message.text, 0)
            self.query_one(Prompt).judged(safe(why), good=bool(message.text))
        elif message.kind == "filter":
            why = self.check_filter(message.text) if message.text else ""
            self.query_one(Prompt).judged(safe(why), good=bool(message.text))

    def on_prompt_closed(self, message: Prompt.Closed) -> None:
        self.refocus()
        if not message.said:
            self._release()

    def _release(self) -> None:
        release: Any = getattr(self.app, "release_keys", None)
        if release is not None:
            release()

    async def on_prompt_said(self, message: Prompt.Said) -> None:
        try:
            why = self._said(message.kind, message.text)
        except UniobsError as error:
            why = str(error)
        if why:
            self.say(why)
        then, self.then = self.then, None
        if then is not None:
            await then
        self._release()

    def _said(self, kind: str, text: str) -> str:
        if kind == "command":
            return self.run_command(text.strip())
        if kind == "search":
            self._pattern = text or self._pattern
            by = 0 if text else 1  # what was found while it was typed is taken; nothing typed: the next one
            return self.search_for(self._pattern, by) if self._pattern else ""
        why = self.filter_by(text)
        if not why:
            self._filters[self.where()] = text
        return why

    def run_command(self, text: str) -> str:
        """What the user typed after ``:``; those of the app first."""
        if not text:
            return ""
        asked: Any = getattr(self.app, "command", None)
        told: str | None = asked(text) if asked is not None else None
        return self.command(text) if told is None else told
