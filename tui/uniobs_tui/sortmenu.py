"""F6: by which column a table is sorted."""

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option


class SortMenu(ModalScreen[int | None]):
    """Gives the column's number, None for none."""

    DEFAULT_CSS = """
    SortMenu { align: left top; }
    SortMenu OptionList {
        width: auto; min-width: 16; max-width: 40; max-height: 90%; border: round $primary;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,f6", "dismiss(None)", "Back")]

    def __init__(self, headers: Sequence[str], current: int | None) -> None:
        super().__init__()
        self._headers = tuple(headers)
        self._current = current

    def compose(self) -> ComposeResult:
        names = OptionList(*(Option(Text(name or "-"), id=str(n)) for n, name in enumerate(self._headers)))
        names.border_title = "Sort by"
        yield names

    def on_mount(self) -> None:
        self.query_one(OptionList).highlighted = self._current or 0

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_index)
