"""The terminal UI's frame: a guest's header, clock, tabs and keys, what is typed, odd terminals."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.events import Key

from support import screens, shop
from uniobs_tui.app import UniobsApp
from uniobs_tui.help import HelpScreen
from uniobs_tui.home import HomeScreen
from uniobs_tui.homepoll import Host
from uniobs_tui.keys import Settings
from uniobs_tui.session import Session

FRAME = "#top, #scrubber, #tabs, KeyBar"
Make = Callable[[], UniobsApp]


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(screens.recorded_shop(tmp_path_factory.mktemp("tui") / "shop.uniobs"))


def app(file: str, **settings: Any) -> Make:
    place = Host(processes=False)
    return lambda: UniobsApp(Session(file), place=place, settings=Settings(**settings))


@pytest.mark.parametrize("theme", ["dark", "light", "16"])
@pytest.mark.parametrize("size", [screens.SMALL, screens.LARGE], ids=["80x24", "200x60"])
def test_the_frame(recording: str, theme: str, size: tuple[int, int]) -> None:
    async def script(pilot: Any) -> None:
        await screens.press(pilot, "t")
        screens.check(pilot.app, f"shell-frame-{theme}-{size[0]}x{size[1]}", only=FRAME)

    screens.drive(app(recording, theme=theme), script, size)


def test_going_through_time(recording: str) -> None:
    async def script(pilot: Any) -> None:
        await screens.press(pilot, "t")
        assert head(pilot).endswith("22:14:40") and "DEADLOCKED" in screens.text(pilot.app)
        await screens.press(pilot, "left_square_bracket", "left_square_bracket")
        assert head(pilot).endswith("22:14:38 -2.0s")
        await screens.press(pilot, "left_curly_bracket")
        assert head(pilot).endswith("22:14:28 -12s") and "DEADLOCKED" not in screens.text(pilot.app)
        await screens.press(pilot, "right_square_bracket")
        assert head(pilot).endswith("22:14:29 -11s")
        await screens.press(pilot, "0")
        assert head(pilot).endswith("22:14:40")
        for _ in range(5):
            await screens.press(pilot, "left_curly_bracket")
        assert head(pilot).endswith("22:14:20 -20s")  # its beginning

    screens.drive(app(recording), script)


def test_the_clock_can_be_clicked(recording: str) -> None:
    async def script(pilot: Any) -> None:
        await pilot.click("#scrubber", offset=(10, 0))
        await screens.settle(pilot)
        assert "22:14:20" in head(pilot)

    screens.drive(app(recording), script)


def test_commands_are_typed(recording: str) -> None:
    async def script(pilot: Any) -> None:
        await typed(pilot, ":at +5s")
        assert "22:14:25" in head(pilot)
        await typed(pilot, ":at 22:14:33")
        assert "22:14:33" in head(pilot)
        await typed(pilot, ":now")
        assert head(pilot).endswith("22:14:40")
        await typed(pilot, ":ps")
        assert "TID NAME" in screens.text(pilot.app)
        await typed(pilot, ":nonsense")
        assert last(pilot).startswith(" no view or command 'nonsense'")
        await typed(pilot, ":at yesterday")
        assert "'yesterday'" in last(pilot) or "yesterday" in last(pilot)
        await pilot.press("colon", *"thr", "tab", "enter")
        await screens.settle(pilot)
        assert "TID NAME" in screens.text(pilot.app)
        await pilot.press("colon", "up", "up")
        assert last(pilot).startswith(":at yesterday")
        await pilot.press("escape")
        await pilot.pause()
        assert "Help" in last(pilot)
        await typed(pilot, ":home")
        assert isinstance(pilot.app.screen, HomeScreen)

    screens.drive(app(recording), script)


def test_search_and_filter_go_to_the_view(recording: str) -> None:
    async def script(pilot: Any) -> None:
        await screens.press(pilot, "t")
        await typed(pilot, "\\worker")
        shown = screens.text(pilot.app)
        assert "worker-a" in shown and "ticker" not in shown
        await pilot.press("backslash")
        await pilot.pause()
        assert last(pilot) == "\\worker"  # what holds can be changed
        await pilot.press(*["backspace"] * 6, "enter")
        await screens.settle(pilot)
        assert "ticker" in screens.text(pilot.app)
        await typed(pilot, "/worker-b")
        await typed(pilot, "/nobody")
        assert "nobody" in screens.text(pilot.app)

    screens.drive(app(recording), script)


def test_help_is_what_the_keys_do(recording: str) -> None:
    async def script(pilot: Any) -> None:
        await screens.press(pilot, "t")
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(pilot.app.screen, HelpScreen)
        shown = pilot.app.screen.text(100).plain
        for words in ("A second back", "Threads", "Search", "at TIME", "Quit", "F1 ? h"):
            assert words in shown, shown
        await pilot.press("escape")
        await pilot.pause()
        assert not isinstance(pilot.app.screen, HelpScreen)

    screens.drive(app(recording), script)


def test_other_habits(recording: str) -> None:
    async def script(pilot: Any) -> None:
        from uniobs_tui.table import LineTable

        await screens.press(pilot, "t")
        table = pilot.app.screen.query(LineTable).first()
        await pilot.press("g")
        assert table.cursor == 0
        await pilot.press("j", "j", "k", "j")
        assert table.cursor == 2
        await pilot.press("G")
        assert table.cursor == 5
        await pilot.press("slash", *"jj")  # typed text isn't translated
        await pilot.pause()
        assert last(pilot).startswith("/jj")
        await pilot.press("escape", "f1")
        await pilot.pause()
        assert "Down j" in pilot.app.screen.text(100).plain

    screens.drive(app(recording, keys="vim"), script)


def test_k9s_filters_by_slash(recording: str) -> None:
    async def script(pilot: Any) -> None:
        await pilot.press("slash")
        await pilot.pause()
        assert last(pilot).startswith("\\")

    screens.drive(app(recording, keys="k9s"), script)


def test_a_small_screen_shows_the_state(tmp_path: Path) -> None:
    file = str(shop.write(tmp_path / "shop.ram", shop.crashed(shop.shop())))

    async def script(pilot: Any) -> None:
        assert "● dead" in screens.text(pilot.app)
        screens.check(pilot.app, "shell-20x5", styles=False, only=FRAME)
        for size in ((1, 1), (200, 60), (3, 40), (80, 2), (80, 24), (20, 5), (400, 3), (80, 24)):
            await pilot.resize_terminal(*size)
        await pilot.press("t", "colon", "escape", "question_mark", "escape")
        await screens.settle(pilot)
        assert "● dead" in screens.text(pilot.app)

    screens.drive(app(file), script, (20, 5))


def test_ascii_and_no_colours(recording: str, monkeypatch: pytest.MonkeyPatch) -> None:
    simple = {"TERM": "linux", "NO_COLOR": "1"}

    def make() -> UniobsApp:
        monkeypatch.setenv("NO_COLOR", "1")
        return UniobsApp(Session(recording), place=Host(processes=False), environ=simple)

    async def script(pilot: Any) -> None:
        await screens.press(pilot, "left_square_bracket", "p")
        assert screens.text(pilot.app).isascii()
        assert "#" not in screens.looks(pilot.app) and "red" not in screens.looks(pilot.app)
        await pilot.press("ctrl+p")
        await pilot.pause()
        assert screens.text(pilot.app).isascii()

    screens.drive(make, script)


def test_the_palette_knows_views_and_actions(recording: str) -> None:
    async def script(pilot: Any) -> None:
        await pilot.press("ctrl+p", *"view: threads")
        await pilot.pause()
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        assert "View: Threads" in screens.text(pilot.app)
        await pilot.press("down", "enter")
        await screens.settle(pilot)
        assert "TID NAME" in screens.text(pilot.app)

    screens.drive(app(recording), script)


def head(pilot: Any) -> str:
    return next(iter(screens.text(pilot.app).splitlines()), "")  # a screen that was just opened shows nothing


def last(pilot: Any) -> str:
    return screens.text(pilot.app).splitlines()[-1]


NAMES = {
    ":": "colon", "?": "question_mark", "/": "slash", "\\": "backslash", " ": "space", "+": "plus",
    "-": "minus", ".": "full_stop",
}  # fmt: skip


async def typed(pilot: Any, text: str) -> None:
    """A line, its first character the key that opens it."""
    await pilot.press(*(NAMES.get(char, char) for char in text), "enter")
    await pilot.pause()
    await screens.settle(pilot)


def test_escape_goes_back_step_by_step(recording: str) -> None:
    async def script(pilot: Any) -> None:
        await screens.press(pilot, "t")
        await typed(pilot, "\\worker")
        assert "ticker" not in screens.text(pilot.app)
        await screens.press(pilot, "escape")  # first the filter
        assert "ticker" in screens.text(pilot.app)
        await screens.press(pilot, "escape")
        assert isinstance(pilot.app.screen, HomeScreen)

    screens.drive(app(recording), script)


def test_tabs_by_key_and_by_mouse(recording: str) -> None:
    async def script(pilot: Any) -> None:
        await pilot.click("#tabs", offset=(16, 0))
        await screens.settle(pilot)
        assert pilot.app.screen.pane.title == "Threads"
        for key, title in (("7", "Locks"), ("c", "Counters"), ("ctrl+left", "Memory"), ("1", "Overview")):
            await screens.press(pilot, key)
            assert pilot.app.screen.pane.title == title
            assert title in screens.text(pilot.app, "#tabs")  # the open one can always be seen

    screens.drive(app(recording), script)


def test_keys_that_come_at_once_go_where_they_belong(recording: str) -> None:
    """As a terminal delivers what was pasted: nobody waits for the screen between two keys."""

    async def script(pilot: Any) -> None:
        for line in (":ps", "\\worker", "/worker-b", ":at +5s", "?"):
            for char in line:
                pilot.app.post_message(Key(NAMES.get(char, char), char))
            pilot.app.post_message(Key("escape" if line == "?" else "enter", None))
        for _ in range(500):
            await pilot.pause(0.01)
            if "22:14:25" in head(pilot):
                break
        await screens.settle(pilot)
        shown = screens.text(pilot.app)
        assert "TID NAME" in shown and "worker-a" in shown and "ticker" not in shown, shown
        assert "22:14:25" in head(pilot), shown

    screens.drive(app(recording), script)
