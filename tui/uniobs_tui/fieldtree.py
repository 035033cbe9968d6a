"""FieldTree: a packet's layers and fields; the one under the cursor tells which bytes it was read from."""

from collections.abc import Sequence
from typing import Any

from rich.text import Text
from textual.message import Message
from textual.widgets import Tree

from uniobs_probes.views.packets_detail import Layer


class FieldTree(Tree[tuple[int, int]]):
    """What was folded stays so from packet to packet."""

    DEFAULT_CSS = """
    FieldTree { scrollbar-size-horizontal: 0; scrollbar-size-vertical: 1; background: transparent; }
    """

    class Lit(Message):
        """These bytes of the packet."""

        def __init__(self, begin: int, end: int) -> None:
            super().__init__()
            self.begin, self.end = begin, end

    def __init__(self) -> None:
        super().__init__("packet")
        self.show_root = False
        self.guide_depth = 2
        self._number: int | None = None
        self._folded: set[str] = set()

    def show(self, number: int, layers: Sequence[Layer]) -> None:
        if number == self._number:
            return
        self._number = number
        line = max(self.cursor_line, 0)
        for node in self.root.children:
            (self._folded.discard if node.is_expanded else self._folded.add)(str(node.label))
        self.clear()
        for layer in layers:
            span = (layer.start, layer.stop)
            if not layer.fields:
                self.root.add_leaf(Text(layer.name), span)
                continue
            node = self.root.add(Text(layer.name), span, expand=layer.name not in self._folded)
            for field in layer.fields:
                node.add_leaf(Text(field.text), (field.start, field.stop))
        self.root.expand()
        self.call_after_refresh(self._to, line)

    def _to(self, line: int) -> None:
        """The same place as in the packet before: often the same field."""
        self.cursor_line = min(line, max(self.last_line, 0))

    def on_tree_node_highlighted(self, message: Any) -> None:
        message.stop()
        if message.node.data is not None:
            self.post_message(self.Lit(*message.node.data))
