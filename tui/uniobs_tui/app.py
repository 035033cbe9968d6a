"""UniobsApp: the screens, and what holds on each of them."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType

from uniobs_tui.guest import GuestScreen
from uniobs_tui.session import Session


class UniobsApp(App[int]):
    TITLE = "uniobs"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("f10", "quit", "Quit", show=False),
    ]

    def __init__(self, session: Session | None = None, images: Sequence[str] = ()) -> None:
        super().__init__()
        self._session = session
        self._images = tuple(images)

    def on_mount(self) -> None:
        if self._session is not None:
            self.push_screen(GuestScreen(self._session))
