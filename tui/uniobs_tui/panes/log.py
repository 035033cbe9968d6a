"""The guest's log, as dmesg shows it."""

from typing import ClassVar

from uniobs_tui.arrange import Test, TextTest
from uniobs_tui.panes.stream import StreamPane
from uniobs_tui.rowtests import OfLevels
from uniobs_tui.table import LineTable


class LogPane(StreamPane):
    name_, title, key_ = "log", "Log", "d"
    question = "log"
    filter_hint: ClassVar[str] = "a regular expression, or levels: -l err+"

    def make_test(self, text: str) -> Test:
        if text.startswith("-l"):
            return OfLevels(text[2:].strip())
        return TextTest(text)

    def on_line_table_chosen(self, message: LineTable.Chosen) -> None:
        """A line: what its thread does."""
        message.stop()
        row, stream = self.rows.row, self.stream
        if row is not None and stream is not None and (tid := stream.tid(row)):
            who = stream.cells(row, row + 1)[0][2]
            self.post_message(self.Open("trace", {"tid": tid, "what": f"calls of {who}"}))
