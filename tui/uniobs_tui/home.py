"""Home: every guest of this host, those in trouble on top."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Resize, ScreenResume, ScreenSuspend
from textual.message import Message

from uniobs.model.text import safe, size_text, width
from uniobs.model.view import Column, Table
from uniobs_probes.views.ls import COLUMNS as LS
from uniobs_tui.bars import Bar, Line, Span
from uniobs_tui.footer import KeyBar
from uniobs_tui.frame import Frame
from uniobs_tui.homepoll import Guests, HomeWorker, Place
from uniobs_tui.sources import TableSource
from uniobs_tui.table import LineTable

SPARKS: Final = "·▁▂▃▄▅▆▇█"  # the first: nothing at all
CARDS_SHARE: Final = 4  # of the screen's lines, a quarter at most are cards


def spark(rates: Sequence[float], cells: int) -> str:
    """The last ``cells`` values as bars; the tallest is the highest of them."""
    last = list(rates)[-cells:]
    top = max(last, default=0.0)
    if top <= 0:
        return (SPARKS[0] * len(last)).rjust(cells)
    return "".join(SPARKS[max(1, round(value / top * 8)) if value else 0] for value in last).rjust(cells)


def cut(text: str, cells: int) -> str:
    """A safe text in so many cells at most."""
    if width(text) <= cells:
        return text
    while width(text) > cells - 1:
        text = text[:-1]
    return text + "…"


def _rate(row: Mapping[str, Any]) -> str:
    return "-" if row["rate"] is None else f"{size_text(int(row['rate']))}/s"


def _log(row: Mapping[str, Any]) -> str:
    return str(row["verdict"] or row["log"] or "-")


_BY_KEY = {column.key: column for column in LS}
def _named(cells: int) -> Column:
    """Names are as long as guests like."""
    return Column("name", "NAME", text=lambda row: cut(safe(str(row["name"])), cells))


TRAFFIC = Column("rates", "TRAFFIC", text=lambda row: spark(row["rates"], 8) if row["rates"] else "-")
WIDE_TRAFFIC = Column("rates", "TRAFFIC", text=lambda row: spark(row["rates"], 24) if row["rates"] else "-")
RATE = Column("rate", "NET", "right", "received and sent", _rate)
LOG = Column("log", "VERDICT, OR LAST LINE OF ITS LOG", text=_log)
NARROW: Final = (_named(16), "state", "beat_age_s", "cpu", "memory", TRAFFIC, "sees", LOG)
WIDE: Final = (
    _named(32), "pid", "vmm", "unikernel", "state", "beat_age_s", "cpu", "memory", WIDE_TRAFFIC, RATE,
    "sees", LOG,
)  # fmt: skip
TINY: Final = (_named(10), "state", LOG)


def columns(cells: int) -> tuple[Column, ...]:
    wanted = WIDE if cells >= 140 else NARROW if cells >= 60 else TINY
    return tuple(_BY_KEY[one] if isinstance(one, str) else one for one in wanted)


class GuestSource(TableSource):
    def style(self, index: int) -> str:
        row = self.row(index)
        if row["state"] == "gone":
            return "dim"
        if row["card"] is not None:
            return "bad" if row["card"][2] == "bad" else "warn"
        return "warn" if row["error"] else ""


def in_trouble(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The worst first."""
    return sorted((row for row in rows if row["card"]), key=lambda row: (row["card"][0], row["name"]))


class Cards(Bar):
    """Those in trouble, in plain words."""

    DEFAULT_CSS = """
    Cards { height: auto; background: $background; }
    """

    def tell(self, rows: Sequence[Mapping[str, Any]], height: int) -> None:
        found = in_trouble(rows)
        room = max(height // CARDS_SHARE, 1)
        if len(found) > room:
            shown, more = found[: room - 1], len(found) - room + 1
        else:
            shown, more = found, 0
        lines = []
        for row in shown:
            _, text, style = row["card"]
            mark, look = ("✗", "bad") if style == "bad" else ("!", "warn")
            lines.append(Line([Span(f" {mark} ", look), Span(safe(text), look, _open(row))]))
        if more:
            lines.append(Line([Span(f"   and {more} more in trouble", "warn")]))
        self.styles.height = len(lines)
        self.display = bool(lines)
        self.show(*lines)


def _open(row: Mapping[str, Any]) -> str:
    return f"screen.open_guest({str(row['spec'])!r})"


class HomeScreen(Frame):
    DEFAULT_CSS = """
    HomeScreen #top { background: $panel; }
    HomeScreen #empty { height: 1; margin: 1 2; }
    """
    help_title = "Guests"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open"),
        Binding("w", "trouble", "Next in trouble", show=False),
        Binding("escape", "unfilter", "All guests again", show=False),
    ]

    class Polled(Message):
        def __init__(self, guests: Guests) -> None:
            super().__init__()
            self.guests = guests

    def __init__(self, place: Place, interval: float = 1.0, opening: str = "") -> None:
        super().__init__()
        self.worker = HomeWorker(place, self._polled, interval)
        self.guests: Guests | None = None
        self._opening = opening
        self._started = False

    def _polled(self, guests: Guests) -> None:
        """From the worker's thread."""
        self.post_message(self.Polled(guests))

    def parts(self) -> ComposeResult:
        yield Bar(id="top")
        yield Cards()
        yield Bar(id="empty")
        yield LineTable()

    def on_mount(self) -> None:
        self._show()
        self.query_one(LineTable).focus()
        if not self._opening:
            self._start()

    def _start(self) -> None:
        if not self._started:
            self._started = True
            self.worker.start()

    async def on_unmount(self) -> None:
        await asyncio.to_thread(self.worker.stop)

    def on_screen_resume(self, event: ScreenResume) -> None:
        self.worker.rest(False)
        if not self._opening:
            self._start()

    def on_screen_suspend(self, event: ScreenSuspend) -> None:
        self._opening = ""
        self.worker.rest(len(self.app.screen_stack) > 1 and not self.app.screen.is_modal)

    def opening(self, spec: str) -> None:
        """A guest is being opened; "" when that came to an end."""
        self._opening = spec
        self._show()
        if not spec:
            self._start()

    def quiet(self) -> None:
        """What was being opened is there."""
        self.query_one(KeyBar).hush()

    def on_home_screen_polled(self, message: Polled) -> None:
        self.guests = message.guests
        self.rounds += 1
        self._show()

    def on_resize(self, event: Resize) -> None:
        self._show()

    def _show(self) -> None:
        rows = self.guests.rows if self.guests is not None else ()
        ordered = sorted(rows, key=lambda row: (row["state"] == "gone", row["name"], row["pid"] or 0))
        self.query_one("#top", Bar).show(self._summary(rows))
        self.query_one(Cards).tell(rows, self.size.height)
        empty = self.query_one("#empty", Bar)
        empty.display = not rows
        empty.show(Line([Span(self._nobody(), "dim")]))
        table = self.query_one(LineTable)
        table.display = bool(rows)
        table.show(GuestSource(Table(columns(self.size.width), ordered), "key", columns(self.size.width)))
        if rows and self.focused is None and self.app.screen is self:
            table.focus()

    def _nobody(self) -> str:
        if self._opening:
            return f"opening {safe(self._opening)} …"
        if self.guests is None:
            return "looking for guests …"
        return "No guest is running on this host, as far as this user can see.  Next:  uniobs doctor"

    def _summary(self, rows: Sequence[Mapping[str, Any]]) -> Line:
        states: dict[str, int] = {}
        for row in rows:
            states[row["state"]] = states.get(row["state"], 0) + 1
        looks = {"live": "good", "hung": "bad", "dead": "bad", "gone": "dim"}
        here = len(rows) - states.get("gone", 0)
        spans = [Span(" uniobs ", "bold"), Span(f" {here} guest{'' if here == 1 else 's'} ", "dim")]
        order = ["live", "hung", "dead", "recording", "unknown", "gone"]
        for state in sorted(states, key=order.index):
            spans.append(Span(f" ● {states[state]} {state} ", looks.get(state, "warn")))
        trouble = sum(1 for row in rows if row["card"])
        right = [Span(f" {trouble} in trouble ", "bad")] if trouble else []
        return Line(spans, right)

    # --- what is asked --------------------------------------------------------------------------------

    def _row(self) -> Mapping[str, Any] | None:
        key = self.query_one(LineTable).key
        rows = self.guests.rows if self.guests is not None else ()
        return next((row for row in rows if row["key"] == key), None)

    def action_open(self) -> None:
        row = self._row()
        if row is not None:
            self.action_open_guest(row["spec"])

    def on_line_table_chosen(self, message: LineTable.Chosen) -> None:
        self.action_open()

    def action_trouble(self) -> None:
        """The cursor to the next of those on the cards, the worst first."""
        rows = self.guests.rows if self.guests is not None else ()
        keys = [row["key"] for row in in_trouble(rows)]
        if not keys:
            self.say("nobody is in trouble, as far as was looked", "good")
            return
        table = self.query_one(LineTable)
        after = keys.index(table.key) + 1 if table.key in keys else 0
        table.go(keys[after % len(keys)])

    def action_unfilter(self) -> None:
        self.unfilter()

    def action_open_guest(self, spec: str) -> None:
        row = next((row for row in (self.guests.rows if self.guests else ()) if row["spec"] == spec), None)
        if row is not None and row["state"] == "gone":
            self.say(f"{row['name']} (pid {row['pid']}) is gone", "warn")
            return
        self.app.open_guest(spec)  # type: ignore[attr-defined]  # ours, not any App

    def commands(self) -> Sequence[tuple[str, str]]:
        return list(getattr(self.app, "COMMANDS_", ()))

    def search_for(self, pattern: str, by: int) -> str:
        table: Any = self.query_one(LineTable)
        return str(table.search(pattern, by) or "")

    def check_filter(self, text: str) -> str:
        table: Any = self.query_one(LineTable)
        return str(table.check_filter(text) or "")

    def filter_by(self, text: str) -> str:
        table: Any = self.query_one(LineTable)
        return str(table.set_filter(text) or "")

    def refocus(self) -> None:
        self.set_focus(self.query_one(LineTable))


