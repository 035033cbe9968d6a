"""The streams of one session: calls, log lines, packets; fed at each look, whoever shows them."""

from contextlib import suppress
from typing import Any, Final

from uniobs.errors import UniobsError
from uniobs_tui.streamlog import Live, Once, Played, StreamSource, feeder

MAKERS: Final = {
    "trace": "uniobs_tui.calls_rows:CallRows",
    "log": "uniobs_tui.log_rows:LogRows",
    "packets": "uniobs_tui.packet_rows:PacketRows",
}
SKIPPED: Final = 1  # looks before the streams are fed: the first answers come first
RETRY: Final = 10  # looks until one that couldn't be had is tried again


class Streams:
    """``source`` is for panes, in the worker's thread. Feeding begins with a session, so that stepping back
    shows what passed before a pane was opened."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._feeders: dict[str, Live | Played | Once] = {}
        self._looks = 0
        self._refused: set[str] = set()

    def look(self) -> None:
        """A live guest was just looked at."""
        self._looks += 1
        if self._looks <= SKIPPED:
            return
        if not self._looks % RETRY:
            self._refused.clear()
        for question in MAKERS:
            if question not in self._refused:
                try:
                    found = self._feeder(question)
                    if isinstance(found, Live):
                        found.poll()
                except UniobsError:
                    self._refused.add(question)

    def end(self) -> None:
        """The guest is gone: what was held back is given."""
        for found in self._feeders.values():
            if isinstance(found, Live):
                with suppress(UniobsError):
                    found.poll(gone=True)

    def source(self, question: str) -> StreamSource:
        """The stream's rows as of the session's moment. Raises UniobsError."""
        return self._feeder(question).source(self._session)

    def _feeder(self, question: str) -> Live | Played | Once:
        if question not in self._feeders:
            from importlib import import_module

            module, _, name = MAKERS[question].partition(":")
            maker = getattr(import_module(module), name)()
            self._feeders[question] = feeder(maker, self._session.guest)
        return self._feeders[question]
