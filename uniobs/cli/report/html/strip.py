"""The timeline as a strip: a lane a kind of event, a tick an event."""

from collections.abc import Sequence
from typing import Final

from uniobs.cli.report.html.markup import Html, el
from uniobs.cli.report.model import Entry
from uniobs.model.text import span_text

WIDTH: Final = 900.0
LEFT: Final = 70.0
LANE: Final = 20.0
LANES: Final = (("call", "calls"), ("log", "log"), ("packet", "packets"))


def strip(entries: Sequence[Entry]) -> Html | None:
    """None when there is no span of time to draw."""
    times = [entry.time_ns for entry in entries if entry.time_ns is not None]
    if len(times) < 2 or times[0] == times[-1]:
        return None
    first, span = times[0], times[-1] - times[0]
    lanes = [(key, name) for key, name in LANES if any(entry.lane == key for entry in entries)]
    height = LANE * len(lanes) + 22

    def x(time_ns: int) -> float:
        return LEFT + (WIDTH - LEFT - 12) * (time_ns - first) / span

    parts = []
    for row, (key, name) in enumerate(lanes):
        middle = LANE * row + LANE / 2
        parts.append(el("text", name, x=0, y=middle + 4))
        parts.append(el("path", d=f"M{LEFT:.0f} {middle:.0f}H{WIDTH:.0f}", class_="lane"))
        spots = {
            round(x(entry.time_ns), 1) for entry in entries if entry.lane == key and entry.time_ns is not None
        }
        ticks = "".join(f"M{spot} {middle - 6:.0f}v12" for spot in sorted(spots))
        parts.append(el("path", d=ticks, class_=key))
    for entry in entries:
        if entry.lane == "death" and entry.time_ns is not None:
            parts.append(
                el(
                    "path",
                    el("title", entry.text),
                    d=f"M{x(entry.time_ns):.1f} 0v{height - 18:.0f}",
                    class_="death",
                )
            )
    base = height - 4
    parts.append(el("text", f"{first / 1e9:.3f} s", x=LEFT, y=base))
    parts.append(el("text", f"{span_text(span)} later", x=WIDTH, y=base, class_="end"))
    label = f"{len(entries)} events within {span_text(span)}"
    return el(
        "svg", el("title", label), *parts, class_="strip", viewBox=f"0 0 {WIDTH:.0f} {height:.0f}", role="img"
    )
