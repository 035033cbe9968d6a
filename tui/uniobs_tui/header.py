"""The top of a guest's screen: who it is, how it is, what is wrong; its clock; the tabs of its views."""

import time
from collections.abc import Sequence
from typing import Final

from textual.events import Click
from textual.message import Message

from uniobs.model.text import percent_text, safe, span_text, width
from uniobs_tui.bars import Bar, Line, Span
from uniobs_tui.beside import Facts
from uniobs_tui.panes import PaneInfo
from uniobs_tui.worker import Clock

LOOKS: Final = {"live": "good", "hung": "bad", "dead": "bad", "gone": "bad", "unknown": "warn"}
NS: Final = 10**9
LOW: Final = 12  # lines of a screen below which only one is spent on who it is


def clock_of(moment: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(moment // NS))


def when(clock: Clock) -> list[Span]:
    """now, the time that it is paused at, or where in a recording it is."""
    if clock.moment is None:
        return [Span("now ", "good" if clock.live and not clock.gone else "dim")]
    behind = (clock.last or clock.moment) - clock.moment
    ago = f" -{span_text(behind)}" if behind >= NS // 2 else ""
    if clock.live:
        return [Span(f"▮▮ {clock_of(clock.moment)}{ago} ", "warn")]
    return [Span("recording ", "dim"), Span(f"{clock_of(clock.moment)}{ago} ", "accent")]


class GuestHeader(Bar):
    """One line, and one more when something is wrong."""

    DEFAULT_CSS = """
    GuestHeader { background: $panel; height: 1; }
    GuestHeader.-wrong { height: 2; }
    """

    def __init__(self) -> None:
        super().__init__(id="top")
        self._facts: Facts | None = None
        self._clock: Clock | None = None

    def tell(self, facts: Facts | None, clock: Clock | None, rows: int) -> None:
        """``rows``: the screen's lines; a low one has no room for a second."""
        if (facts, clock) != (self._facts, self._clock):
            self._facts, self._clock = facts, clock
            self.refresh()
        wrong = facts is not None and (facts.verdict or (clock is not None and clock.gone))
        self.set_class(bool(wrong) and rows >= LOW, "-wrong")

    def lines(self, cells: int) -> Sequence[Line]:
        facts, clock = self._facts, self._clock
        if facts is None:
            return [Line([Span(f" {safe(clock.name) if clock else ''} ", "bold"), Span("…", "dim")])]
        short = cells < 40
        spans = [Span(f" {safe(facts.name)} ", "bold")]
        spans.append(Span(f"● {facts.state} ", LOOKS.get(facts.state, "")))
        if facts.reason and not short and facts.reason != facts.state:
            spans.append(Span(f"{safe(facts.reason)} ", "dim"))
        about = " on ".join(safe(part) for part in (facts.kernel, facts.vmm) if part)
        more = [about] if about else []
        if facts.beat_age_s is not None and facts.state not in ("dead", "gone"):
            age = facts.beat_age_s
            more.append("beat now" if age < 0.001 else f"beat {span_text(int(age * 1e9))}")
        if facts.cpu is not None:
            more.append(f"cpu {percent_text(facts.cpu)}%")
        spans += [Span(f"· {text} ", "dim") for text in more]
        right = when(clock) if clock is not None and not short else []
        out = [Line(spans, right)]
        wrong = (clock.gone if clock is not None and clock.gone else None) or facts.verdict
        if wrong:
            look = "bad" if clock is not None and clock.gone else facts.look
            out.append(Line([Span(f" {'✗' if look == 'bad' else '!'} {safe(wrong)}", look)]))
        return out


class Scrubber(Bar):
    """From a recording's first moment to its last; a click goes there. Hidden while a guest is followed."""

    DEFAULT_CSS = """
    Scrubber { background: $panel; display: none; }
    Scrubber.-shown { display: block; }
    """

    class Seek(Message):
        def __init__(self, moment: int) -> None:
            super().__init__()
            self.moment = moment

    def __init__(self) -> None:
        super().__init__(id="scrubber")
        self._clock: Clock | None = None

    def tell(self, clock: Clock, rows: int) -> None:
        some = clock.moment is not None and clock.first is not None and clock.last is not None
        self.set_class(some and rows >= LOW and clock.first != clock.last, "-shown")
        if clock != self._clock:
            self._clock = clock
            self.refresh()

    def _ends(self) -> tuple[str, str]:
        assert self._clock is not None
        return f" {clock_of(self._clock.first or 0)} ", f" {clock_of(self._clock.last or 0)} "

    def lines(self, cells: int) -> Sequence[Line]:
        clock = self._clock
        if clock is None or clock.moment is None or clock.first is None or clock.last is None:
            return []
        begin, end = self._ends()
        room = max(cells - len(begin) - len(end), 3)
        share = (clock.moment - clock.first) / max(clock.last - clock.first, 1)
        at = min(max(round(share * (room - 1)), 0), room - 1)
        return [Line([Span(begin, "dim"), Span("━" * at, "accent"), Span("●", "accent"),
                      Span("─" * (room - 1 - at), "dim"), Span(end, "dim")])]  # fmt: skip

    def on_click(self, event: Click) -> None:  # type: ignore[override]  # no span of it has an action
        clock = self._clock
        if clock is None or clock.first is None or clock.last is None:
            return
        begin, end = self._ends()
        room = max(self.size.width - len(begin) - len(end), 3)
        share = min(max((event.x - len(begin)) / max(room - 1, 1), 0.0), 1.0)
        event.stop()
        self.post_message(self.Seek(clock.first + round(share * (clock.last - clock.first))))


class Tabs(Bar):
    """The views, by number; those around the open one where there isn't room for all."""

    DEFAULT_CSS = """
    Tabs { background: $surface; }
    """

    def __init__(self, panes: Sequence[PaneInfo]) -> None:
        super().__init__(id="tabs")
        self._panes = list(panes)
        self._open = ""
        self._missing: frozenset[str] = frozenset()

    def tell(self, current: str, missing: frozenset[str] | None = None) -> None:
        """``missing``: views that this guest can't have."""
        self._open = current
        if missing is not None:
            self._missing = missing
        self.refresh()

    def _spans(self, number: int, info: PaneInfo) -> list[Span]:
        action = f"screen.pane('{info.name}')"
        mark = str(number) if number < 10 else info.key
        if info.name == self._open:
            return [Span(f" {mark} {info.title} ", "on", action)]
        look = "dim" if info.name in self._missing else ""
        return [Span(f" {mark}", "key" if not look else "dim", action), Span(f" {info.title} ", look, action)]

    def lines(self, cells: int) -> Sequence[Line]:
        groups = [self._spans(number, info) for number, info in enumerate(self._panes, 1)]
        sizes = [sum(width(span.text) for span in group) for group in groups]
        if sum(sizes) <= cells:
            return [Line([span for group in groups for span in group])]
        here = next((n for n, info in enumerate(self._panes) if info.name == self._open), 0)
        first = last = here
        used = sizes[here]
        while True:
            if last + 1 < len(groups) and used + sizes[last + 1] + 4 <= cells:
                last += 1
                used += sizes[last]
            elif first > 0 and used + sizes[first - 1] + 4 <= cells:
                first -= 1
                used += sizes[first]
            else:
                break
        spans = [span for group in groups[first : last + 1] for span in group]
        if first:
            spans.insert(0, Span("◀ ", "dim", f"screen.pane('{self._panes[first - 1].name}')"))
        if last + 1 < len(groups):
            spans.append(Span(" ▶", "dim", f"screen.pane('{self._panes[last + 1].name}')"))
        return [Line(spans)]
