"""Pictures of terminals as SVG, without anything that a viewer would have to fetch."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "pictures"
SIZE = (112, 30)
COLUMNS = 110
BYTES_MAX = 200_000
FONT = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"
TERMINAL = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
LIMIT_S = 30.0
LOOKS = 12  # so many of the worker's rounds are waited for: graphs have something to show


def write(name: str, svg: str) -> None:
    """docs/pictures/NAME.svg. Raises ValueError when it's too much for a README."""
    svg = re.sub(r"@font-face\s*{[^}]*}", "", svg)
    svg = re.sub(r"font-family:\s*[^;]+;", f"font-family: {FONT};", svg)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.S)
    svg = re.sub(r"terminal-\d+", f"{name}", svg)  # a number of the content: another one at each change
    svg = re.sub(r"\n\s*\n+", "\n", svg)
    if len(svg.encode()) > BYTES_MAX:
        raise ValueError(f"{name}.svg has {len(svg.encode())} bytes, more than {BYTES_MAX}")
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.svg").write_text(svg, "utf-8")


def of_output(command: str, text: str) -> str:
    """What a command printed, escapes included, below its prompt."""
    import io

    from rich.console import Console
    from rich.text import Text

    how: dict[str, Any] = {"force_terminal": True, "color_system": "truecolor"}
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), **how)
    console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
    for line in text.split("\n"):
        console.print(Text.from_ansi(line), soft_wrap=False, overflow="ellipsis", no_wrap=True)
    return console.export_svg(title=command)


def of_tui(
    name: str, spec: str | None, act: Callable[[Any], Awaitable[None]], size: tuple[int, int] = SIZE
) -> str:
    """The terminal UI on a guest (None: all of them) after ``act``, which has the pilot; its keys."""
    from uniobs_tui.app import UniobsApp
    from uniobs_tui.keys import Settings
    from uniobs_tui.session import Session

    async def main() -> tuple[str, str]:
        session = Session(spec) if spec is not None else None
        app = UniobsApp(session, settings=Settings(theme="dark"), environ=TERMINAL)
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await act(pilot)
            await pilot.pause()
            return app.export_screenshot(title=f"uniobs tui {spec or ''}".rstrip()), keys(pilot)

    svg, told = asyncio.run(main())
    write(name, svg)
    return told


def keys(pilot: Any) -> str:
    """What can be typed on the screen that is open, as its help says it."""
    from uniobs_tui.help import groups

    found = groups(pilot.app.screen, {})
    width = max(len(pressed) for bound in found.values() for pressed, _ in bound)
    lines = []
    for whose, bound in found.items():
        lines += [f"{whose}:", *(f"  {pressed:<{width}}  {what}" for pressed, what in bound)]
    return "\n".join(lines)


def pane(name: str, *typed: str, looks: int = LOOKS) -> Callable[[Any], Awaitable[None]]:
    """Open one of a guest's views, let it look some times, then press ``typed``."""

    async def act(pilot: Any) -> None:
        from uniobs_tui.panes import PANES

        screen = pilot.app.screen
        info = next((info for info in PANES if info.name == name), None)
        if info is None:
            raise RuntimeError(f"there is no view called {name}")
        await screen.open(info)
        await _rounds(pilot, looks)
        if typed:
            await pilot.press(*typed)
            await _rounds(pilot, 3)

    return act


def home(seconds: float = 8.0) -> Callable[[Any], Awaitable[None]]:
    """All guests, looked at for so long."""

    async def act(pilot: Any) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await pilot.pause(0.2)

    return act


async def _rounds(pilot: Any, wanted: int) -> None:
    """Until the guest's worker looked so many times more."""
    screen = pilot.app.screen
    begun, limit = screen.rounds, time.monotonic() + LIMIT_S
    while screen.rounds < begun + wanted:
        if time.monotonic() > limit:
            raise RuntimeError("the guest's screen doesn't answer")
        await pilot.pause(0.05)
