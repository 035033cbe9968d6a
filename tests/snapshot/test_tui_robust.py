"""Whatever is pressed, however small the screen, whatever the guest is called: it goes on."""

import asyncio
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from textual import events

from support import screens, shop
from support.region_builder import FakeMemory
from uniobs.errors import TargetGone
from uniobs.region import _abi
from uniobs.target.guest import Guest
from uniobs.target.origin import Origin
from uniobs_tui import jobs, session
from uniobs_tui.app import UniobsApp
from uniobs_tui.guest import GuestScreen
from uniobs_tui.panes import PANES
from uniobs_tui.session import Session

pytestmark = pytest.mark.timeout(120)
KEYS: Final = 500
SEEDS: Final = (1, 2)
ODD: Final = (
    "tab", "shift+tab", "ctrl+p", "enter", "escape", "f1", "f3", "f4", "f6", "f8", "up", "down", "left",
    "right", "pageup", "pagedown", "home", "end", "backspace", "space", "delete", "ctrl+a",
)  # fmt: skip
TEXT: Final = (
    "ps", "-10s", "tcp port 80", "worker", "[", "(", "*", "\\", "diff -5s", "at +3s", "x/gx", "0x200000",
    "open /nowhere", "theme light", "keys vim", "\x1b[2J", "é", "mark", "actions",
)  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys at random mustn't run commands of the host's."""
    monkeypatch.setattr(jobs, "runnable", lambda words: [sys.executable, "-c", "print('done')"])
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0))


class Flaky(FakeMemory):
    """A guest's memory that goes away."""

    gone = False

    def read(self, address: int, size: int) -> bytes:
        if self.gone:
            raise TargetGone("pid 4802 is gone")
        return super().read(address, size)


def live_shop(build: Any = None) -> tuple[Flaky, Callable[[], Session]]:
    """A running guest made of bytes, and a session on it."""
    memory = Flaky((build or screens.moment_of_shop(3, locked=True)).memory().data, 0x200000, live=True)
    guest = Guest(Origin("shop", "vm", "qemu microvm", memory, True, lambda _: 0x200000, pid=4802))

    def make() -> Session:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(session, "open_target", lambda *_, **__: guest)
            return Session("shop")

    return memory, make


def keys_of(app: Any) -> list[str]:
    """Every key that does something now, but those that end it."""
    ends = ("quit", "app.quit", "help_quit", "app.help_quit", "suspend_process", "app.suspend_process")
    return [key for key, active in app.screen.active_bindings.items() if active.binding.action not in ends]


async def tap(app: Any, *keys: str) -> None:
    """Keys as they come from a terminal, without waiting until all is quiet: it never is."""
    for key in keys:
        app.post_message(events.Key(key, key if len(key) == 1 else None))
        await asyncio.sleep(0.002)


async def monkey(pilot: Any, rng: random.Random, count: int = KEYS) -> None:
    app = pilot.app
    for number in range(count):
        bound = keys_of(app)
        key = rng.choice(bound if bound and rng.random() < 0.7 else [*ODD, "a", "d", "1", "5", "M"])
        if rng.random() < 0.04:
            await tap(app, *rng.choice(TEXT))
        else:
            await tap(app, key)
        if rng.random() < 0.03:
            await pilot.resize_terminal(rng.randrange(1, 200), rng.randrange(1, 60))
        if number % 25 == 0:
            await asyncio.sleep(0.05)
        if not any(isinstance(screen, GuestScreen) for screen in app.screen_stack):
            break  # home, or quit by :q
    assert app.return_code in (None, 0)


@pytest.mark.parametrize("seed", SEEDS)
def test_keys_at_random(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.chdir(tmp_path)
    recording = str(screens.recorded_shop(tmp_path / "shop.uniobs"))
    rng = random.Random(seed)
    _, live = live_shop()
    makers: list[Callable[[], Session]] = [lambda: Session(recording), live]

    async def script(pilot: Any) -> None:
        await monkey(pilot, rng, KEYS // 2)

    for make in makers * 2:  # it ends early when a key led home
        screens.drive(lambda make=make: UniobsApp(make()), script, (100, 30))


@pytest.mark.parametrize("name", [info.name for info in PANES])
def test_every_key_of_every_view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    recording = str(screens.recorded_shop(tmp_path / "shop.uniobs", seconds=3, locks_at=1))

    async def script(pilot: Any) -> None:
        app = pilot.app
        screen = app.screen
        await screen.action_pane(name)
        await screens.settle(pilot)
        for key in sorted(set(keys_of(app)), key=lambda key: (key in ("escape", "backspace"), key)):
            await tap(app, key)
            await asyncio.sleep(0.005)
            while app.screen is not screen and app.screen in app.screen_stack[1:]:
                if app.screen_stack[-1] is screen or screen not in app.screen_stack:
                    break
                app.pop_screen()
            if screen not in app.screen_stack:
                return  # Escape went home
            await screen.action_pane(name)

    screens.drive(lambda: UniobsApp(Session(recording)), script)


def test_storms_of_sizes(tmp_path: Path) -> None:
    recording = str(screens.recorded_shop(tmp_path / "shop.uniobs"))
    rng = random.Random(4)

    async def script(pilot: Any) -> None:
        for number in range(50):
            await pilot.resize_terminal(rng.randrange(1, 220), rng.randrange(1, 70))
            if number % 10 == 9:
                await tap(pilot.app, rng.choice("otbswlimcd"))
        await pilot.resize_terminal(80, 24)
        await pilot.press("t")
        await screens.settle(pilot)
        assert "worker-a" in screens.text(pilot.app)

    screens.drive(lambda: UniobsApp(Session(recording)), script)


@pytest.mark.parametrize("name", [info.name for info in PANES])
def test_a_screen_of_twenty_by_five(tmp_path: Path, name: str) -> None:
    recording = str(screens.recorded_shop(tmp_path / "shop.uniobs", seconds=2, locks_at=1))

    async def script(pilot: Any) -> None:
        await pilot.app.screen.action_pane(name)
        await screens.settle(pilot)
        shown = screens.text(pilot.app)
        assert len(shown.splitlines()) <= 5 and all(len(line) <= 20 for line in shown.splitlines())
        assert "shop" in shown  # whose it is stays

    screens.drive(lambda: UniobsApp(Session(recording)), script, (20, 5))


def test_a_guest_that_goes_away_while_it_is_looked_at(tmp_path: Path) -> None:
    memory, make = live_shop()

    async def script(pilot: Any) -> None:
        memory.gone = True
        for _ in range(200):  # until the next look, a second at most
            await screens.settle(pilot, 1)
            if (clock := pilot.app.screen.clock) is not None and clock.gone:
                break
        for info in PANES:
            await pilot.app.screen.action_pane(info.name)
            await screens.settle(pilot, 1)
            assert "gone" in screens.text(pilot.app)
        await screens.press(pilot, "t", "left_square_bracket")
        assert "worker-a" in screens.text(pilot.app)

    screens.drive(lambda: UniobsApp(make()), script)


def test_names_of_garbage(tmp_path: Path) -> None:
    """Threads, sockets and log lines that would move the cursor, or are markup."""
    build = screens.moment_of_shop(3, locked=True)
    rows = build.tables[_abi.SECTION_THREADS]
    odd = [b"\x1b[2J\x1b[H", b"[red]x[/red]", b"[/]", b"\xff\xfe\x00\x80", b"\r\n\t\x07"]
    odd.append("\u202e\u200bA".encode())
    for number, text in enumerate(odd):
        shop.thread(build, 20 + number, text, state=_abi.THREAD_STATE_READY)
    assert len(rows) > len(odd)
    _, make = live_shop(build)

    async def script(pilot: Any) -> None:
        for info in PANES:
            await pilot.app.screen.action_pane(info.name)
            await screens.settle(pilot, 1)
            shown = screens.text(pilot.app)
            assert not any(ord(letter) < 32 and letter != "\n" for letter in shown)
            assert "\u202e" not in shown
        await screens.press(pilot, "t")
        assert "[red]x[/red]" in screens.text(pilot.app)

    screens.drive(lambda: UniobsApp(make()), script, (120, 50))


def test_the_screen_never_waits_for_a_guest(tmp_path: Path) -> None:
    """A guest whose memory takes seconds to read: keys are answered all the same."""
    memory, make = live_shop()
    slow = threading.Event()

    def reads(address: int, size: int, plain: Any = memory.read) -> bytes:
        if slow.is_set() and threading.current_thread() is not threading.main_thread():
            time.sleep(0.2)
        assert threading.current_thread() is not threading.main_thread() or not slow.is_set()
        return bytes(plain(address, size))

    async def script(pilot: Any) -> None:
        memory.read = reads
        slow.set()
        longest = 0.0
        for key in ("t", "w", "l", "question_mark", "escape", "t", "down", "down"):
            begun = time.perf_counter()
            pilot.app.simulate_key(key)
            await asyncio.sleep(0)
            longest = max(longest, time.perf_counter() - begun)
        await pilot.pause()
        slow.clear()
        assert longest < 1.0  # one read is a fifth of a second, and there are many

    screens.drive(lambda: UniobsApp(make()), script)
