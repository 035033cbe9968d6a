"""A guest's log with names on its addresses: dmesg --symbolise."""

from collections.abc import Sequence
from typing import Any

from uniobs.cli.names import MARK, json_row, lines_of
from uniobs.image.console import Annotator, Images
from uniobs.image.console.placed import Image
from uniobs.model.view import Follow, Stream


class NamedLog:
    """The stream of a log; what its lines name is added to them. The modules lie where the target says."""

    unit = "line"

    def __init__(self, stream: Stream, modules: Sequence[Any]) -> None:
        self._stream = stream
        self._annotator = Annotator(Images([Image(module, placed=True) for module in modules]))
        self.question = stream.question

    def feed(self, items: Sequence[Any]) -> list[str]:
        return [line for item in items for line in self._lines(item)]

    def _lines(self, item: Any) -> list[str]:
        named = self._annotator.feed(item.text.rstrip()).named  # the text as the guest wrote it
        lines = self._stream.feed([item])
        found = [(one, lines_of(one)) for one in named]
        if not found or not lines:
            return lines
        if len(found) == 1:
            first, *more = found[0][1]
            lines[-1] += MARK + first
        else:
            more = [f"{one.address.value:#x} {text}" for one, texts in found for text in texts]
        return [*lines, *(f"    {MARK.lstrip()}{text}" for text in more)]

    def feed_json(self, items: Sequence[Any]) -> list[dict[str, Any]]:
        rows = self._stream.feed_json(items)
        for row in rows:
            named = self._annotator.feed(str(row.get("text") or "")).named
            row["names"] = [json_row(one, None) for one in named]
        return rows

    def close(self) -> list[str]:
        return self._stream.close()

    def shown(self) -> int:
        return self._stream.shown()

    def closing(self, follow: Follow) -> list[str]:
        return self._stream.closing(follow)
