"""The screen of one guest: its views, one clock for all of them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.events import Resize
from textual.message import Message
from textual.timer import Timer

from uniobs.errors import UniobsError
from uniobs.target.recorded import when
from uniobs_tui.actions import Subject, subject_of
from uniobs_tui.beside import Applies, Facts, Moment, One, facts_of, info_of
from uniobs_tui.frame import Frame
from uniobs_tui.header import GuestHeader, Scrubber, Tabs
from uniobs_tui.homepoll import Guests, HomeWorker
from uniobs_tui.panes import PANES, PaneInfo, load
from uniobs_tui.panes.base import Pane
from uniobs_tui.prompt import Prompt
from uniobs_tui.session import Session
from uniobs_tui.worker import Answer, Clock, Worker

NS: Final = 10**9
TOOLS: Final[Mapping[str, str]] = {  # what the commands are called: the view that answers as they do
    "ps": "threads", "top": "threads", "bt": "stacks", "strace": "trace", "netstat": "sockets",
    "ss": "sockets", "tcpdump": "packets", "dmesg": "log", "why": "verdict", "vmstat": "overview",
    "calls": "trace", "heap": "memory", "queues": "virtio", "x": "hex",
}  # fmt: skip


def _pane_bindings() -> list[Binding]:
    keys = [f"{number},{info.key}" if number < 10 else info.key for number, info in enumerate(PANES, 1)]
    return [
        Binding(key, f"pane('{info.name}')", info.title, show=False)
        for key, info in zip(keys, PANES, strict=True)
    ]


class GuestScreen(Frame):
    DEFAULT_CSS = """
    GuestScreen #body { height: 1fr; }
    """
    help_title = "This guest"
    footer: ClassVar[Sequence[tuple[str, str, str]]] = (("[ ]", "Time", "screen.step(-1)"),)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "back", "Back"),
        Binding("left_square_bracket", "step(-1)", "A second back", show=False),
        Binding("right_square_bracket", "step(1)", "A second forth", show=False),
        Binding("left_curly_bracket", "step(-10)", "Ten seconds back", show=False),
        Binding("right_curly_bracket", "step(10)", "Ten seconds forth", show=False),
        Binding("p", "pause", "Pause"),
        Binding("0", "follow", "Now, or a recording's end", show=False),
        Binding("M", "mark", "Mark this moment, to compare others with", show=False),
        Binding("f8,a", "actions", "Actions"),
        Binding("ctrl+right", "pane_by(1)", "Next view", show=False),
        Binding("ctrl+left", "pane_by(-1)", "View before", show=False),
        *_pane_bindings(),
    ]

    class Delivered(Message):
        def __init__(self, what: Answer | Clock) -> None:
            super().__init__()
            self.what = what

    class Seen(Message):
        """What the thread beside saw of the guest."""

        def __init__(self, guests: Guests) -> None:
            super().__init__()
            self.guests = guests

    def __init__(self, session: Session, interval: float = 1.0) -> None:
        super().__init__()
        self.name_ = session.name
        self.worker = Worker(session, self._deliver, interval)
        self.clock: Clock | None = None
        self._moment, self._applies = Moment(), Applies()
        self._facts: Facts | None = None
        info = info_of(session)
        self._beside: HomeWorker | None = None
        if info is not None:
            self._beside = HomeWorker(One(info, session.guest.images), self._seen, interval)
        self._now: Facts | None = None  # of a live guest, from beside
        self._panes: dict[str, Pane] = {}
        self._current = ""
        self._before: list[str] = []
        self._playing: Timer | None = None

    def _deliver(self, what: Answer | Clock) -> None:
        """From the worker's thread."""
        self.post_message(self.Delivered(what))

    def _seen(self, guests: Guests) -> None:
        self.post_message(self.Seen(guests))

    def parts(self) -> ComposeResult:
        yield GuestHeader()
        yield Scrubber()
        yield Tabs(PANES)
        yield Container(id="body")

    async def on_mount(self) -> None:
        await self.open(PANES[0])
        self.worker.start()
        if self._beside is not None:
            self._beside.start()

    async def on_unmount(self) -> None:
        """They end when what they ask is answered: the screen doesn't wait for it."""
        if self._beside is not None:
            await asyncio.to_thread(self._beside.stop)
        await asyncio.to_thread(self.worker.stop)

    # --- views ----------------------------------------------------------------------------------------

    @property
    def panes(self) -> Sequence[PaneInfo]:
        return PANES

    @property
    def pane(self) -> Pane | None:
        """The one on the screen."""
        return self._panes.get(self._current)

    async def open(self, info: PaneInfo) -> None:
        """Show one of the views."""
        if info.name not in self._panes:
            pane = self._panes[info.name] = load(info)()
            await self.query_one("#body").mount(pane)
        self._current = info.name
        for name, pane in self._panes.items():
            pane.display = name == info.name
        self.query_one(Tabs).tell(info.name)
        self.worker.watch(self._panes[info.name], self._moment, self._applies)
        if not self.query_one(Prompt).is_open:
            self.refocus()

    def refocus(self) -> None:
        first = self.pane.first() if self.pane is not None else None
        if first is not None:
            self.set_focus(first)

    async def action_pane(self, name: str) -> None:
        info = next((info for info in PANES if info.name == name), None)
        if info is not None and name != self._current:
            await self.open(info)

    async def action_pane_by(self, by: int) -> None:
        names = [info.name for info in PANES]
        await self.action_pane(names[(names.index(self._current) + by) % len(names)])

    async def on_pane_open(self, message: Pane.Open) -> None:
        """Go on in another view, about something of this one; Escape comes back."""
        if all(info.name != message.pane for info in PANES):
            self.say(f"there is no view called {message.pane}")
            return
        self._before.append(self._current)
        await self.action_pane(message.pane)
        if self.pane is not None:
            self.pane.narrow(message.about)
            self.worker.poke()

    async def action_back(self) -> None:
        if (self.pane is not None and self.pane.back()) or self.unfilter():
            return
        if self._before:
            await self.action_pane(self._before.pop())
        else:
            self.app.pop_screen()

    # --- answers --------------------------------------------------------------------------------------

    def on_guest_screen_delivered(self, message: Delivered) -> None:
        what = message.what
        if isinstance(what, Clock):
            self.clock = what
            self.rounds += 1
            self.query_one(Scrubber).tell(what, self.size.height)
        elif what.asker is self._moment:
            self._facts = what.value if what.error is None else self._facts
        elif what.asker is self._applies:
            if what.error is None:
                self.query_one(Tabs).tell(self._current, what.value)
        elif isinstance(what.asker, Pane):
            if what.asker.is_attached and what.error is None:
                what.asker.show(what.value, what)
            elif what.asker.is_attached:
                what.asker.fail(what.error or "", what)
        elif what.error is not None:
            self.say(what.error)
        self._head()

    def on_guest_screen_seen(self, message: Seen) -> None:
        if message.guests.rows:
            self._now = facts_of(message.guests.rows[0], self.name_)
            self._head()

    def _head(self) -> None:
        clock = self.clock
        follows = clock is not None and clock.moment is None
        facts = self._now if follows and self._now is not None else self._facts
        self.query_one(GuestHeader).tell(facts, clock, self.size.height)

    def on_resize(self, event: Resize) -> None:
        self._head()
        if self.clock is not None:
            self.query_one(Scrubber).tell(self.clock, event.size.height)

    def on_pane_again(self) -> None:
        self.worker.poke()

    # --- time -----------------------------------------------------------------------------------------

    def action_step(self, seconds: int) -> None:
        self._play(False)
        self.worker.do(lambda session: session.step(seconds * NS))

    def action_follow(self) -> None:
        self._play(False)
        self.worker.do(_follow)

    def action_pause(self) -> None:
        """Of a live guest; a recording is played from here on."""
        if self.clock is not None and not self.clock.live:
            if self.clock.first == self.clock.last:
                self.say("this is one moment: there is nothing to play", "warn")
            else:
                self._play(self._playing is None)
            return
        self.worker.do(lambda session: session.follow() if session.paused else session.step(0))

    def _play(self, plays: bool) -> None:
        if self._playing is not None:
            self._playing.stop()
            self._playing = None
        if plays:
            self._playing = self.set_interval(1.0, self._on)

    def _on(self) -> None:
        """A second of playing."""
        clock = self.clock
        if clock is not None and clock.moment is not None and clock.moment >= (clock.last or 0):
            self._play(False)
        else:
            self.worker.do(lambda session: session.step(NS))

    def action_mark(self) -> None:
        """The view Diff then shows what changed since."""
        self.worker.do(lambda session: session.set_mark())
        self.say("marked: D shows what is different at another moment", "good")

    def action_actions(self) -> None:
        """What can be done about this guest, as commands."""

        def job(session: Session) -> None:
            self.call_later(self._offer, subject_of(session))

        self.worker.do(job)

    def _offer(self, about: Subject) -> None:
        from uniobs_tui.actionscreen import offer

        offer(self.app, about, self._keep)

    def _keep(self, path: str, told: Callable[[str, bool], None]) -> None:
        """Write what was seen until now into a file: in the worker's thread."""

        def job(session: Session) -> None:
            try:
                size = session.keep(path)
                self.call_later(told, f"{path}: {size >> 10} KiB; uniobs why {path}", True)
            except UniobsError as error:
                self.call_later(told, str(error), False)

        self.worker.do(job)

    def on_scrubber_seek(self, message: Scrubber.Seek) -> None:
        self._play(False)
        self.worker.do(lambda session: session.seek(message.moment))

    # --- what is typed --------------------------------------------------------------------------------

    def commands(self) -> Sequence[tuple[str, str]]:
        views = [(info.name, f"the view {info.title}") for info in PANES]
        return [
            *views,
            ("at TIME", "go to a moment: -5s, +90s, 12:00:03"),
            ("now", "follow it again; of a recording: its end"),
            ("pause", "stop the clock of all views, or let it run"),
            ("mark", "the moment with which Diff compares; diff TIME: another one"),
            ("actions", "write packets, a core, a report; open a shell or gdb"),
            *getattr(self.app, "COMMANDS_", ()),
        ]

    def completions(self, text: str) -> Sequence[str]:
        found = list(super().completions(text))
        found = [name.split(" ")[0] + (" " if " " in name else "") for name in found]
        found += [tool for tool in TOOLS if tool.startswith(text) and tool != text and self._view(tool)]
        return found if text else []

    def _view(self, word: str) -> PaneInfo | None:
        """By its name, its title, its tool's name or how one of those begins."""
        word = word.lower()
        for name in (word, TOOLS.get(word, "")):
            found = next((info for info in PANES if name in (info.name, info.title.lower())), None)
            if found is not None:
                return found
        begun = [info for info in PANES if info.name.startswith(word) or info.title.lower().startswith(word)]
        return begun[0] if len(begun) == 1 else None

    def command(self, text: str) -> str:
        word, _, rest = text.partition(" ")
        if word == "at":
            return self._at(rest.strip())
        if word in ("now", "follow", "live"):
            self.action_follow()
        elif word in ("pause", "play"):
            self.action_pause()
        elif word == "mark":
            self.action_mark()
        elif word == "actions":
            self.action_actions()
        elif word == "diff" and rest.strip():
            return self._diff(rest.strip())
        else:
            info = self._view(word)
            if info is None:
                return f"no view or command {word!r}: ? lists them"
            if rest.strip():  # hex &lock_a, packets tcp port 80, counters http
                about = {"text": rest.strip(), "filter": rest.strip()}
                self.post_message(Pane.Open(info.name, about))
            else:
                self.then = self.action_pane(info.name)
        return ""

    def _at(self, text: str) -> str:
        clock = self.clock
        if clock is None or clock.first is None or clock.last is None:
            return "there is no other moment to go to"
        moment = when(text, clock.first, clock.last)
        self._play(False)
        self.worker.do(lambda session: session.seek(moment))
        return ""

    def _diff(self, text: str) -> str:
        """``:diff -10s``: against so long before what is shown; other times as :at has them."""
        clock = self.clock
        if clock is None or clock.first is None or clock.last is None:
            return "there is no other moment to compare with"
        mark = when(text, clock.first, clock.moment if clock.moment is not None else clock.last)
        self.worker.do(lambda session: setattr(session, "mark", mark))
        info = self._view("diff")
        if info is not None:
            self.then = self.action_pane(info.name)
        return ""

    def where(self) -> str:
        return self._current

    def search_for(self, pattern: str, by: int) -> str:
        return self.pane.search(pattern, by) if self.pane is not None else ""

    def check_filter(self, text: str) -> str:
        return self.pane.check_filter(text) if self.pane is not None else ""

    def filter_by(self, text: str) -> str:
        return self.pane.set_filter(text) if self.pane is not None else ""

    def filter_hint(self) -> str:
        return f"{self.pane.filter_hint}; empty shows all" if self.pane is not None else ""


def _follow(session: Any) -> None:
    if session.live:
        session.follow()
    elif (bounds := session.bounds()) is not None:
        session.seek(bounds[1])
