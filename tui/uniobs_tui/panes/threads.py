"""Threads: ps, and what is asked of the selected one."""

from typing import Any

from textual.app import ComposeResult

from uniobs.model import registry
from uniobs_tui.panes.base import Pane
from uniobs_tui.session import Session
from uniobs_tui.sources import TableSource
from uniobs_tui.table import LineTable
from uniobs_tui.worker import Answer


class ThreadSource(TableSource):
    def style(self, index: int) -> str:
        row = self.row(index)
        return "bad" if row.stat == "D" else "dim" if row.idle or row.state == "exited" else ""


class ThreadsPane(Pane):
    name_, title, key_ = "threads", "Threads", "t"

    def compose(self) -> ComposeResult:
        yield LineTable()

    def ask(self, session: Session) -> ThreadSource:
        return ThreadSource(registry.load(registry.VIEWS, "ps").rows(session.target), "tid")

    def show(self, value: Any, answer: Answer) -> None:
        self.query_one(LineTable).show(value)
