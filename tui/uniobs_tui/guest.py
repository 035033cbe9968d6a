"""The screen of one guest: its views, one clock for all of them."""

import time
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Static

from uniobs.model.text import safe
from uniobs_tui.panes import PANES, PaneInfo, load
from uniobs_tui.panes.base import Pane
from uniobs_tui.session import Session
from uniobs_tui.worker import Answer, Clock, Worker


class GuestScreen(Screen[None]):
    DEFAULT_CSS = """
    GuestScreen #top { height: 1; background: $panel; }
    GuestScreen #tabs { height: 1; }
    GuestScreen #body { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.pop_screen", "Back"),
        Binding("left_square_bracket", "step(-1)", "Back 1 s", key_display="["),
        Binding("right_square_bracket", "step(1)", "Forth 1 s", key_display="]"),
        Binding("p", "pause", "Pause"),
    ]

    class Delivered(Message):
        def __init__(self, what: Answer | Clock) -> None:
            super().__init__()
            self.what = what

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.worker = Worker(session, self._deliver)
        self.clock: Clock | None = None
        self.rounds = 0  # how often its worker began anew
        self._panes: dict[str, Pane] = {}
        self._current = ""

    def _deliver(self, what: Answer | Clock) -> None:
        """From the worker's thread."""
        self.post_message(self.Delivered(what))

    def compose(self) -> ComposeResult:
        yield Static(id="top")
        yield Static(id="tabs")
        yield Container(id="body")

    async def on_mount(self) -> None:
        await self.open(PANES[0])
        self.worker.start()

    def on_unmount(self) -> None:
        self.worker.stop()

    async def open(self, info: PaneInfo) -> None:
        """Show one of the views."""
        if info.name not in self._panes:
            self._panes[info.name] = load(info)()
            await self.query_one("#body").mount(self._panes[info.name])
        self._current = info.name
        for name, pane in self._panes.items():
            pane.display = name == info.name
        self.worker.watch(self._panes[info.name])
        focusable = self._panes[info.name].query("LineTable")
        if focusable:
            focusable.first().focus()

    def on_guest_screen_delivered(self, message: Delivered) -> None:
        what = message.what
        if isinstance(what, Clock):
            self.clock = what
            self.rounds += 1
            self._show_clock(what)
        elif isinstance(what.asker, Pane) and what.asker.is_attached:
            if what.error is None:
                what.asker.show(what.value, what)
            else:
                what.asker.fail(what.error, what)

    def on_pane_again(self) -> None:
        self.worker.poke()

    def _show_clock(self, clock: Clock) -> None:
        moment = clock.moment
        when = "now" if moment is None else time.strftime("%H:%M:%S", time.localtime(moment // 10**9))
        mark = "▮▮ " if clock.paused else ""
        gone = f"  {clock.gone}" if clock.gone else ""
        self.query_one("#top", Static).update(f"{safe(clock.name)}  {mark}{when}{safe(gone)}")

    def action_step(self, seconds: int) -> None:
        self.worker.do(lambda session: session.step(seconds * 10**9))

    def action_pause(self) -> None:
        self.worker.do(lambda session: session.follow() if session.paused else session.step(0))
