"""Help: every key that works on the screen below, from its bindings."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from uniobs_tui.keys import shown

ORDER: Final = ("This guest", "Guests", "Tables", "Text", "Everywhere")  # what is the pane's own comes first
HIDDEN: Final = frozenset({"copy_text", "screen.copy_text", "help_quit", "app.help_quit", "suspend_process"})


def groups(screen: Screen[Any], typed: Mapping[str, str]) -> dict[str, list[tuple[str, str]]]:
    """Whose keys they are -> (the keys as people write them, what they do). ``typed``: the keymap's own."""
    aliases: dict[str, list[str]] = {}
    for key, means in typed.items():
        aliases.setdefault(means, []).append(key)
    found: dict[str, dict[tuple[str, str], list[str]]] = {}
    for key, active in screen.active_bindings.items():
        binding = active.binding
        if not binding.description or binding.action in HIDDEN or not active.enabled or key in typed:
            continue
        keys = found.setdefault(_whose(active.node), {}).setdefault((binding.action, binding.description), [])
        keys += [binding.key_display or shown(key), *(shown(alias) for alias in aliases.get(key, ()))]
    told = {
        whose: [(" ".join(dict.fromkeys(keys)), what) for (_, what), keys in bound.items()]
        for whose, bound in found.items()
    }
    return dict(sorted(told.items(), key=lambda pair: ORDER.index(pair[0]) if pair[0] in ORDER else -1))


def _whose(node: Any) -> str:
    told: str | None = getattr(node, "help_title", None) or getattr(node, "title", None)
    if told and not isinstance(node, Screen):
        return "Everywhere" if told == "uniobs" else told
    if isinstance(node, Screen):
        return getattr(node, "help_title", None) or "This screen"
    name = type(node).__name__
    return {"LineTable": "Tables", "UniobsApp": "Everywhere", "VerticalScroll": "Text"}.get(name, name)


class HelpScreen(ModalScreen[None]):
    DEFAULT_CSS = """
    HelpScreen { align: center middle; }
    HelpScreen > VerticalScroll {
        width: 90%; max-width: 110; height: auto; max-height: 94%; padding: 0 2;
        background: $surface; border: round $primary; border-title-color: $text;
    }
    HelpScreen Static { width: 1fr; height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1,h,enter,backspace", "dismiss", "Close"),
    ]

    def __init__(
        self, below: Screen[Any], commands: Sequence[tuple[str, str]], typed: Mapping[str, str]
    ) -> None:
        super().__init__()
        self._groups = groups(below, typed)
        self._commands = commands

    def compose(self) -> ComposeResult:
        with VerticalScroll() as scroll:
            scroll.border_title = "Keys"
            yield Static(id="keys", markup=False)

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()
        self.on_resize()

    def on_resize(self) -> None:
        self.query_one("#keys", Static).update(self.text(min(self.size.width * 9 // 10, 110) - 8))

    def text(self, cells: int) -> Text:
        """All of it; in two columns where there is room."""
        out = Text()
        parts = dict(self._groups)
        if self._commands:
            parts["Commands, after :"] = list(self._commands)
        for whose, rows in parts.items():
            out.append(f"{whose}\n", "bold")
            keys = max(len(key) for key, _ in rows)
            left = max(len(what) for _, what in rows)
            two = len(rows) > 3 and 2 * (keys + left + 4) <= cells
            half = (len(rows) + 1) // 2 if two else len(rows)
            for place in range(half):
                for number, (key, what) in enumerate(rows[place::half]):
                    out.append(f"  {key:<{keys}}  ", "bold cyan")
                    out.append(f"{what:<{left}}" if number == 0 and half < len(rows) else what)
                out.append("\n")
            out.append("\n")
        out.rstrip()
        return out
