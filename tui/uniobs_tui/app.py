"""UniobsApp: the screens, and what holds on each of them."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.events import Event, Key
from textual.filter import LineFilter, Monochrome, NoColor
from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Input, OptionList

from uniobs.errors import UniobsError
from uniobs_tui.footer import KeyBar
from uniobs_tui.frame import Frame
from uniobs_tui.home import HomeScreen
from uniobs_tui.homepoll import Host, Place
from uniobs_tui.keys import KEYMAPS, Settings
from uniobs_tui.prompt import PromptInput
from uniobs_tui.theme import THEMES, AsciiFilter, choose, poor

HELD_S: Final = 2.0  # at most


def _offers() -> Any:
    from uniobs_tui.palette import Offers

    return Offers


class UniobsApp(App[int]):
    """``session``: an opened one; ``spec``: one to open; without both: those of ``place`` (this host)."""

    TITLE = "uniobs"
    COMMANDS: ClassVar[set[Any]] = {_offers}
    CSS = """
    Screen { scrollbar-size-vertical: 1; }
    CommandPalette > Vertical { margin-top: 1; }
    LineTable:ansi > .table--cursor, LineTable:focus:ansi > .table--cursor, LineTable:ansi > .table--match {
        background: ansi_default; color: ansi_default; text-style: underline;
    }
    LineTable:focus:ansi > .table--cursor { text-style: reverse; }
    LineTable:ansi > .table--dim { color: ansi_default; text-style: dim; }
    LineTable:ansi > .table--head { color: ansi_default; text-style: bold; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f10,q", "quit", "Quit"),
        Binding("ctrl+c", "quit", "Quit", show=False, priority=True),
        Binding("ctrl+p", "command_palette", "Palette", show=False, priority=True),
    ]
    COMMANDS_: Final = (
        ("home", "the guests of this host"),
        ("open TARGET", "a guest's name or pid, a core, a recording"),
        ("theme NAME", "dark, light, 16 or auto"),
        ("keys NAME", "htop, vim or k9s"),
        ("help", "every key"),
        ("q", "quit"),
    )

    class Opened(Message):
        def __init__(self, number: int, session: Any, error: UniobsError | None) -> None:
            super().__init__()
            self.number, self.session, self.error = number, session, error

    def __init__(
        self,
        session: Any = None,
        images: Sequence[str] = (),
        *,
        spec: str | None = None,
        at: str | None = None,
        files: Sequence[str] = (),
        place: Place | None = None,
        settings: Settings | None = None,
        background: bool | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        super().__init__()
        self.settings = settings or Settings()
        self._session = session
        self._spec, self._at = spec, at
        self._images = tuple(images)
        self._place = place or Host(images, files)
        self._environ, self._background = dict(environ), background
        self._last: list[LineFilter] = [NoColor()] if "NO_COLOR" in environ else []
        if poor(environ):
            self._last.append(AsciiFilter())
        self.jobs: Any = None  # commands that run beside the screen, once there are any
        self._opening = 0  # counts what was asked to be opened: only the last one matters
        self._held: list[Key] | None = None
        self._holds: Timer | None = None
        self.failure: UniobsError | None = None  # why the only target couldn't be opened
        self.typed = self.settings.typed
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = choose(self.settings.theme, self._environ, background)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Ours come last; grey instead of NO_COLOR's nothing would hide what has the terminal's colours."""
        return [*(one for one in super().get_line_filters() if not isinstance(one, Monochrome)), *self._last]

    async def on_mount(self) -> None:
        if not self.is_headless:  # whoever ends it gets the terminal back as it was
            for number in (signal.SIGTERM, signal.SIGHUP):
                asyncio.get_running_loop().add_signal_handler(number, self.exit, 128 + number)
        wait = self._spec or (self._session.name if self._session is not None else "")
        home = HomeScreen(self._place, self.settings.interval, wait)
        await self.push_screen(home)
        if self._session is not None:
            self._enter(self._session)
        elif self._spec is not None:
            self.open_guest(self._spec, at=self._at, only=True)

    async def on_unmount(self) -> None:
        if self.jobs is not None:
            await self.jobs.close()

    # --- opening guests -------------------------------------------------------------------------------

    def open_guest(self, spec: str, *, at: str | None = None, only: bool = False) -> None:
        """In a thread: it may take a while. ``only``: when it fails, there is nothing else to show."""
        self._opening += 1
        number, images = self._opening, self._images
        self._only = only
        home = self.home
        if home is not None and not only:
            home.say(f"opening {spec} …", "dim")

        def work() -> None:
            from uniobs_tui.session import Session

            try:
                self.post_message(self.Opened(number, Session(spec, images, at), None))
            except UniobsError as error:
                self.post_message(self.Opened(number, None, error))

        self.run_worker(work, thread=True, exclusive=False)

    def on_uniobs_app_opened(self, message: Opened) -> None:
        if message.number != self._opening:  # something else was asked for meanwhile
            if message.session is not None:
                message.session.close()
        elif message.error is None:
            self._enter(message.session)
        elif self._only:
            self.failure = message.error
            self.exit(message.error.exit_code)
        else:
            self._say(str(message.error))

    def _enter(self, session: Any) -> None:
        from uniobs_tui.guest import GuestScreen

        while len(self.screen_stack) > 1 and not isinstance(self.screen, HomeScreen):
            self.pop_screen()
        if self.home is not None:
            self.home.quiet()
        self.push_screen(GuestScreen(session, self.settings.interval))

    @property
    def home(self) -> HomeScreen | None:
        return next((screen for screen in self.screen_stack if isinstance(screen, HomeScreen)), None)

    def _say(self, text: str, look: str = "bad") -> None:
        say = getattr(self.screen, "say", None)
        if say is not None:
            say(text, look)

    # --- keys -----------------------------------------------------------------------------------------

    async def on_event(self, event: Event) -> None:
        """Keys of the keymap become those that are bound, but for where text is typed.

        Keys that come faster than the screen works (pasted, typed by a hurried person) go where they would
        have gone slowly: what opens a line to type in is done at once, and what ends it holds the next ones.
        """
        if isinstance(event, Key) and not self.screen_stack:
            return  # typed while it ended
        if isinstance(event, Key) and not event.is_forwarded:
            if self._held is not None:
                self._held.append(event)
                return
            if isinstance(self.focused, PromptInput) and event.key in ("enter", "escape"):
                self._held = []
                self._holds = self.set_timer(HELD_S, self.release_keys)
            for bar in self.screen.query(KeyBar):
                bar.hush()
            lists = self.screen.query(OptionList) if event.key in ("pageup", "pagedown") else ()
            if not all(one.size for one in lists):
                return  # Textual's lists have no pages where there is no room for a line
            means = self.typed.get(event.key)
            if means is not None and not isinstance(self.focused, Input):
                event = Key(means, None)
            if isinstance(self.screen, Frame) and self.screen.begins_line(event.key, self.focused):
                return  # at once: what was typed right behind it belongs to the line
        await super().on_event(event)

    def release_keys(self) -> None:
        """The line was closed: what was typed meanwhile goes on."""
        if self._holds is not None:
            self._holds.stop()
        held, self._held = self._held, None
        for key in held or ():
            self.post_message(key.set_sender(self))  # a key doesn't bubble up to who sent it

    # --- commands -------------------------------------------------------------------------------------

    def command(self, text: str) -> str | None:
        """What holds on every screen; None: it's the screen's. "" or what is wrong."""
        word, _, rest = text.partition(" ")
        rest = rest.strip()
        found: Callable[[str], str] | None = {
            "q": self._quit, "q!": self._quit, "quit": self._quit, "exit": self._quit, "home": self._go_home,
            "guests": self._go_home, "ls": self._go_home, "open": self._open, "help": self._help,
            "theme": self._theme, "keys": self._keys,
        }.get(word)  # fmt: skip
        return found(rest) if found is not None else None

    def _quit(self, _: str) -> str:
        self.exit(0)
        return ""

    def _go_home(self, _: str) -> str:
        while not isinstance(self.screen, HomeScreen) and len(self.screen_stack) > 1:
            self.pop_screen()
        return ""

    def _open(self, spec: str) -> str:
        if not spec:
            return "open what? a guest's name or pid, a core, a recording"
        self.open_guest(os.path.expanduser(spec))
        return ""

    def _help(self, _: str) -> str:
        self.call_later(self.screen.run_action, "screen.help")
        return ""

    def _theme(self, name: str) -> str:
        if name not in ("auto", "dark", "light", "16"):
            return "theme is dark, light, 16 or auto"
        self.theme = choose(name, self._environ, self._background)
        return ""

    def _keys(self, name: str) -> str:
        if name not in KEYMAPS:
            return f"keys is one of {', '.join(KEYMAPS)}"
        self.typed = {**KEYMAPS[name], **self.settings.keymap}
        self._say(f"keys: {name}", "good")
        return ""

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """None of Textual's own: Ctrl-P offers ours."""
        return ()
