"""The footer: the keys of what has the focus, from its bindings."""

from collections.abc import Sequence
from typing import Final

from textual.binding import Binding
from textual.timer import Timer

from uniobs_tui.bars import Bar, Line, Span
from uniobs_tui.keys import shown

WIDE: Final = 100  # cells from which F keys are shown instead of letters
ALWAYS: Final = ("help", "quit")  # actions whose keys are to be seen on any screen
FRAME: Final = ("help", "search", "filter", "command", "back")


class KeyBar(Bar):
    """Those that are to be shown, as many as there is room for: the pane's own first."""

    DEFAULT_CSS = """
    KeyBar { dock: bottom; background: $panel; }
    """

    SAID_S = 8.0

    def __init__(self) -> None:
        super().__init__()
        self._said: tuple[str, str] | None = None
        self._timer: Timer | None = None

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, lambda _: self.refresh())

    def say(self, text: str, look: str) -> None:
        """Stands in the place of the keys until one is pressed, or for a while."""
        self._said = (text, look) if text else None
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(self.SAID_S, self.hush)
        self.refresh()

    def hush(self) -> None:
        if self._said is not None:
            self._said = None
            self.refresh()

    def lines(self, cells: int) -> Sequence[Line]:
        if self._said is not None:
            text, look = self._said
            return [Line([Span(f" {text}", look)])]
        wide = cells >= WIDE
        left: list[tuple[str, str, str]] = []
        right: list[tuple[str, str, str]] = []
        for key, binding in self._bindings_shown(wide):
            side = right if binding.action in ALWAYS and not wide else left
            side.append((key, binding.description, binding.action))
        extra = getattr(self.screen, "footer", ())
        at = next((n for n, (_, _, action) in enumerate(left) if action in FRAME), len(left))
        left[at:at] = extra
        if wide:
            left.sort(key=lambda one: int(one[0][1:]) if one[0][1:].isdigit() else 99)
        kept = _spans(right, cells)
        room = cells - sum(len(span.text) for span in kept)
        return [Line(_spans(left, room), kept)]

    def _bindings_shown(self, wide: bool) -> list[tuple[str, Binding]]:
        """(its key as people write it, the binding), one for each action."""
        by_action: dict[tuple[str, str], list[tuple[str, Binding]]] = {}
        for key, active in self.screen.active_bindings.items():
            shows = active.binding.show or active.binding.action == "choose"  # of a table: what Enter does
            if shows and active.enabled:
                by_action.setdefault((active.binding.action, active.binding.description), []).append(
                    (key, active.binding)
                )
        out = []
        for bound in by_action.values():
            fs = [pair for pair in bound if pair[0][:1] == "f" and pair[0][1:].isdigit()]
            rest = [pair for pair in bound if pair not in fs]
            key, binding = (fs or rest)[0] if wide else (rest or fs)[0]
            out.append((binding.key_display or shown(key), binding))
        return out


def _spans(keys: Sequence[tuple[str, str, str]], cells: int) -> list[Span]:
    """As many (key, what it does, action) as there is room for."""
    spans: list[Span] = []
    for key, what, action in keys:
        text = f" {what} "
        if len(key) + len(text) <= cells:
            cells -= len(key) + len(text)
            spans += [Span(key, "key", action), Span(text, "", action)]
    return spans
