"""What is on the terminal UI's screen, as text: compared with files under tests/snapshot/golden.

UNIOBS_UPDATE=1 rewrites those. A file holds the screen's text, and below it how each line looks: runs of
``letter x cells``, the letters explained at its end.
"""

import asyncio
import os
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rich.style import Style
from textual.app import App
from textual.pilot import Pilot

from support import shop
from support.region_builder import FakeMemory, RegionBuilder
from uniobs.export.recorder import Recorder
from uniobs.export.recording import RecordingWriter
from uniobs.region import _abi
from uniobs.target.guest import Guest
from uniobs.target.origin import Origin

GOLDEN: Final = Path(__file__).parents[1] / "snapshot" / "golden"
SMALL, LARGE = (80, 24), (200, 60)
LIMIT_S: Final = 15.0  # until a screen that doesn't settle is a failure
S: Final = 1_000_000_000
STARTED: Final = 1_700_000_060 * S  # of recorded_shop(), ns since the epoch

Script = Callable[[Pilot[Any]], Awaitable[Any]]


# --- driving ------------------------------------------------------------------------------------------


def drive(make: Callable[[], App[Any]], script: Script, size: tuple[int, int] = SMALL) -> None:
    """Run an app without a terminal, and the script on it once its first answers are on the screen."""

    async def main() -> None:
        with plain_surroundings():
            app = make()
        async with app.run_test(size=size) as pilot:
            await settle(pilot)
            await script(pilot)

    asyncio.run(main())


@contextmanager
def plain_surroundings() -> Iterator[None]:
    """Colours, Unicode and UTC, whoever runs the tests and wherever."""
    fixed = {"NO_COLOR": None, "TZ": "UTC", "TERM": "xterm-256color", "COLORTERM": "truecolor",
             "LC_ALL": "C.UTF-8", "COLORFGBG": None}  # fmt: skip
    kept = {name: os.environ.get(name) for name in fixed}
    _environ(fixed)
    time.tzset()
    try:
        yield
    finally:
        _environ({name: value for name, value in kept.items() if name != "TZ"})


def _environ(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


async def settle(pilot: Pilot[Any], rounds: int = 3) -> None:
    """Until the screen's worker asked everything anew ``rounds`` times since now, and all of it is shown."""
    await pilot.pause()
    screen = pilot.app.screen
    limit = time.monotonic() + LIMIT_S
    wanted = getattr(screen, "rounds", 0) + rounds
    while hasattr(screen, "rounds") and screen.rounds < wanted:
        assert time.monotonic() < limit, "the worker doesn't answer"
        screen.worker.poke()
        await asyncio.sleep(0.01)
        screen = pilot.app.screen
    await pilot.pause()


async def press(pilot: Pilot[Any], *keys: str) -> None:
    """Keys, each as if typed, and what comes of them."""
    await pilot.press(*keys)
    await settle(pilot)


# --- reading ------------------------------------------------------------------------------------------


def text(app: App[Any], only: str = "") -> str:
    """The screen's text, as a person sees it; ``only``: the lines of these widgets (a selector)."""
    return "\n".join("".join(t for t, _ in line).rstrip() for line in _cells(app, only))


def looks(app: App[Any], only: str = "") -> str:
    """How it looks: for each line its runs of cells, then what their letters mean."""
    known: dict[str, str] = {}
    lines = []
    for line in _cells(app, only):
        runs: list[tuple[str, int]] = []
        for part, style in line:
            name = known.setdefault(_look(style), _letters(len(known)))
            if runs and runs[-1][0] == name:
                runs[-1] = (name, runs[-1][1] + len(part))
            else:
                runs.append((name, len(part)))
        lines.append(" ".join(f"{name}{count}" for name, count in runs))
    return "\n".join([*lines, "", *(f"{name}: {look}" for look, name in known.items())])


def _letters(number: int) -> str:
    return (chr(97 + number // 26 - 1) if number >= 26 else "") + chr(97 + number % 26)


def _look(style: Style | None) -> str:
    return re.sub(r" ?(link|meta) \S+", "", str(style.without_color if style else "")) + _colours(style)


def _colours(style: Style | None) -> str:
    if style is None:
        return ""
    ink = style.color.name if style.color else "default"
    ground = style.bgcolor.name if style.bgcolor else "default"
    return f" {ink} on {ground}"


def _cells(app: App[Any], only: str = "") -> list[list[tuple[str, Style | None]]]:
    """Lines of (text, style), as the driver would write them."""
    screen = app.screen
    width, height = app.size
    strips = screen._compositor.render_strips()[:height]
    wanted = {y for one in screen.query(only) for y in one.region.line_range} if only else set(range(height))
    return [
        [(part, style) for part, style, control in strip.crop(0, width) if part and not control]
        for y, strip in enumerate(strips)
        if y in wanted
    ]


# --- comparing ----------------------------------------------------------------------------------------


def check(
    app: App[Any], name: str, *, mask: Sequence[str] = (), styles: bool = True, only: str = ""
) -> None:
    """The screen is as golden/NAME.txt says. What matches a ``mask`` (regular expressions) is shown as #;
    ``only``: the lines of these widgets (a selector)."""
    shown = text(app, only)
    for pattern in mask:
        shown = re.sub(pattern, lambda found: "#" * len(found[0]), shown)
    whole = shown + "\n" + ("\n--- looks ---\n" + looks(app, only) + "\n" if styles else "")
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("UNIOBS_UPDATE"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(whole, "utf-8")
        return
    assert path.exists(), f"{path} isn't there: UNIOBS_UPDATE=1 writes it; the screen:\n{shown}"
    wanted = path.read_text("utf-8")
    if whole != wanted:
        was, is_ = wanted.split("\n--- looks"), whole.split("\n--- looks")
        part = 0 if was[0] != is_[0] else 1
        raise AssertionError(f"{name} changed:\n{_difference(was[part], is_[part])}\n\nnow:\n{shown}")


def _difference(before: str, after: str) -> str:
    import difflib

    return "\n".join(difflib.unified_diff(before.splitlines(), after.splitlines(), "golden", "now", n=1))


# --- guests that look the same each time --------------------------------------------------------------


def moment_of_shop(seconds: int, *, locked: bool) -> RegionBuilder:
    """The shop some seconds into its recording; ``locked``: its workers wait for each other."""
    build = shop.shop()
    now = shop.NOW + seconds * 1000 * shop.MS
    build.live |= {"beat_tsc": now, "tick_tsc": now, "tick_count": 6000 + 100 * seconds}
    build.live["beat_count"] = 900 + 10 * seconds
    if locked:
        return build
    rows, kept = build.tables.pop(_abi.SECTION_THREADS), 2
    build.tables.pop(_abi.SECTION_LOCKS)
    until = now + 9 * shop.MS
    asleep = {"state": _abi.THREAD_STATE_SLEEPING, "wait": _abi.WAIT_SLEEP, "wait_until": until}
    build.tables[_abi.SECTION_THREADS] = rows[:kept]
    for number, name in ((3, b"worker-a"), (4, b"worker-b")):
        shop.thread(build, number, name, cpu_ticks=(20 + seconds * number) * shop.MS, **asleep)
    build.tables[_abi.SECTION_THREADS] += rows[kept + 2 :]
    build.lock(va=shop.LOCK_A, name=b"lock_a")
    build.lock(va=shop.LOCK_B, name=b"lock_b")
    return build


def live_shop() -> Guest:
    """A guest that runs, for all that is known of it, and in which nothing happens."""
    memory = FakeMemory(moment_of_shop(8, locked=False).memory().data, 0x200000, live=True)
    return Guest(Origin("shop", "vm", "qemu microvm", memory, True, lambda _: 0x200000))


def recorded_shop(path: Path, seconds: int = 20, locks_at: int = 12) -> Path:
    """A recording, one moment a second from STARTED on: calm, then deadlocked; it ends with its VMM gone."""
    memory = FakeMemory(moment_of_shop(0, locked=False).memory().data, 0x200000, live=True)
    guest = Guest(Origin("shop", "vm", "qemu microvm", memory, True, lambda _: 0x200000, pid=4802))
    writer = RecordingWriter(str(path))
    try:
        recorder = Recorder(guest, writer.chunk)
        for second in range(seconds + 1):
            memory.data[:] = moment_of_shop(second, locked=second >= locks_at).build()
            recorder.tick(STARTED + second * S)
        recorder.flush()
    finally:
        writer.close()
    return path
