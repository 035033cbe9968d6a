"""The footer: the keys of what has the focus, from its bindings."""

from collections.abc import Sequence

from textual.binding import Binding
from textual.timer import Timer

from uniobs_tui.bars import Bar, Line, Span
from uniobs_tui.keys import shown


class KeyBar(Bar):
    """Those that are to be shown, the one that fits first. F keys where the screen is wide, letters else."""

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
        spans: list[Span] = []
        used = 0
        for key, binding in self._bindings_shown(cells >= 100):
            text = f" {binding.description} "
            need = len(key) + len(text)
            if used + need > cells:
                continue
            used += need
            action = binding.action
            spans += [Span(key, "key", action), Span(text, "", action)]
        return [Line(spans)]

    def _bindings_shown(self, wide: bool) -> list[tuple[str, Binding]]:
        """(its key as people write it, the binding), one for each action."""
        by_action: dict[tuple[str, str], list[tuple[str, Binding]]] = {}
        for key, active in self.screen.active_bindings.items():
            if active.binding.show and active.enabled:
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
