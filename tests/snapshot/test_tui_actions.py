"""Actions of the terminal UI: the command is shown, what changes the guest asks, and it is really run."""

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

import boot
from support import screens, shop
from support.cli import uniobs
from support.qemu import demo_elf
from uniobs_tui.actions import Subject, actions, proposed
from uniobs_tui.actionscreen import ActionMenu, ActionScreen, jobs_of
from uniobs_tui.app import UniobsApp
from uniobs_tui.session import Session

pytestmark = pytest.mark.timeout(120)
TWELVE_BACK = screens.STARTED + 8 * screens.S  # of a recording of twenty seconds


@pytest.fixture(autouse=True)
def own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are proposed where the program was started."""
    monkeypatch.chdir(tmp_path)


async def until(pilot: Any, wanted: str, seconds: float = 40) -> str:
    """The screen once ``wanted`` is on it."""
    limit = time.monotonic() + seconds
    while wanted not in (shown := screens.text(pilot.app)):
        assert time.monotonic() < limit, f"{wanted!r} never came:\n{shown}"
        await pilot.pause(0.05)
    return shown


def _dialogue(shown: str) -> str:
    """What is written in the frame, its lines joined."""
    lines = [line for line in shown.splitlines() if line.count("│") >= 2]
    rows = [line[line.index("│") + 1 : line.rindex("│")] for line in lines]
    return " ".join(" ".join(rows).split())


def test_what_is_offered_is_of_the_guest() -> None:
    live = Subject("kv", "4711", "vm", True, ("a b.elf",), memory=64 << 20, past=(0, 90 * 10**9))
    offered = {action.key: action for action in actions(live)}
    assert set(offered) == {"k", "r", "p", "w", "c", "h", "s"}
    assert offered["c"].text("x.core") == "uniobs core take --image 'a b.elf' 4711 -o x.core"
    assert offered["c"].asks == "kv stands still while its memory, 64 MiB, is written"
    assert "1m30s" in offered["k"].title
    assert [key for key, one in offered.items() if one.asks] == ["c"]
    hosted = {action.key: action for action in actions(Subject("kv", "4711", "process", True))}
    assert "stands still" in hosted["g"].asks
    core = {action.key: action for action in actions(Subject("pay", "-odd.core", "core", False, core=True))}
    assert set(core) == {"p", "f", "h", "s", "g"} and not any(action.asks for action in core.values())
    assert core["h"].text("r.html") == "uniobs core show -g -odd.core -o r.html"


def test_proposed_names_are_plain_and_free(tmp_path: Path) -> None:
    about = Subject("../../e\x1b[2Jvil name;rm", "1", "vm", True)
    take = next(action for action in actions(about) if action.key == "c")
    name = proposed(about, take)
    assert name.replace("-", "").replace("_", "").replace(".", "").isalnum() and "/" not in name
    Path(name).touch()
    os.symlink("nowhere", again := proposed(about, take))
    assert len({name, again, proposed(about, take)}) == 3


def test_a_report_of_a_recordings_moment(tmp_path: Path) -> None:
    screens.recorded_shop(tmp_path / "shop.uniobs")

    async def script(pilot: Any) -> None:
        await screens.press(pilot, *["left_square_bracket"] * 12)
        while (clock := pilot.app.screen.clock) is None or clock.moment != TWELVE_BACK:
            await pilot.pause(0.05)
        await pilot.press("f8")
        await until(pilot, "Actions: shop.uniobs")
        assert "Take a core" not in screens.text(pilot.app)
        await pilot.press("h")
        shown = _dialogue(await until(pilot, "Writes:"))
        assert "uniobs core show --at 2023-11-14T22:14:28.000000000 shop.uniobs -o shop.uniobs-" in shown
        field = pilot.app.screen.query_one("#output")
        field.value = "r.html"
        await pilot.press("enter")
        await until(pilot, "Enter, Esc: back")
        assert "r.html: 2" in screens.text(pilot.app)
        await pilot.press("enter")
        assert not isinstance(pilot.app.screen, ActionScreen)

    screens.drive(lambda: UniobsApp(Session("shop.uniobs")), script)
    page = Path("r.html").read_text()
    assert "<html" in page and "is fine" in page  # twelve seconds before its end it was


def test_what_goes_wrong_is_said(tmp_path: Path) -> None:
    file = str(shop.write(tmp_path / "shop.ram", shop.shop()))

    async def script(pilot: Any) -> None:
        await pilot.press("a")
        await until(pilot, "Actions:")
        await pilot.press("h")
        await until(pilot, "Writes:")
        pilot.app.screen.query_one("#output").value = "no/such/place/r.html"
        await pilot.press("enter")
        assert "No such file or directory" in _dialogue(await until(pilot, "back"))
        await pilot.press("escape", "a")
        await until(pilot, "Actions:")
        await pilot.press("escape")
        assert not isinstance(pilot.app.screen, ActionMenu)
        await pilot.press("a", "s")
        await until(pilot, "$ uniobs shell")
        await pilot.press("enter")
        await until(pilot, "only on a terminal")

    screens.drive(lambda: UniobsApp(Session(file)), script)


@pytest.mark.live
def test_on_a_guest_that_runs(tmp_path: Path) -> None:
    """A core asks first; a recording runs beside the screen until it's stopped; the past is kept."""
    with boot.boot(boot.Machine(elf=demo_elf())) as guest:
        guest.http("PUT", "/kv/seen", b"x")

        async def script(pilot: Any) -> None:
            app = pilot.app
            await pilot.press("a")
            await until(pilot, "Take a core")
            await pilot.press("c")
            await until(pilot, "stands still")
            app.screen.query_one("#output").value = "x.core"
            await pilot.press("enter")
            await until(pilot, "Go on?")
            assert not Path("x.core").exists() and not jobs_of(app).all
            await pilot.press("n")
            assert not isinstance(app.screen, ActionScreen) and not Path("x.core").exists()
            await pilot.press("a", "c")
            await until(pilot, "stands still")
            app.screen.query_one("#output").value = "x.core"
            await pilot.press("enter")
            await until(pilot, "Go on?")
            await pilot.press("y")
            await until(pilot, "Enter, Esc: back")
            await pilot.press("enter", "a", "r")
            await until(pilot, "uniobs record")
            app.screen.query_one("#output").value = "live.uniobs"
            await pilot.press("enter")
            await until(pilot, "x stops it")
            await pilot.press("escape")
            await until(pilot, "it goes on")
            limit = time.monotonic() + 20
            while not Path("live.uniobs").exists() or Path("live.uniobs").stat().st_size < 4096:
                assert time.monotonic() < limit
                await pilot.pause(0.1)
            await pilot.press("a")
            await until(pilot, "Stop: uniobs record")
            await pilot.press("home", "enter")
            await until(pilot, "moments")
            await pilot.press("a", "k")
            await until(pilot, "copies what this program kept")
            app.screen.query_one("#output").value = "past.uniobs"
            await pilot.press("enter")
            await until(pilot, "uniobs why past.uniobs")
            await pilot.press("enter", "a", "w")
            await until(pilot, "uniobs tcpdump")
            app.screen.query_one("#output").value = "left.pcapng"
            await pilot.press("enter")
            await until(pilot, "x stops it")
            await pilot.pause(1.5)

        image = [str(demo_elf())]
        screens.drive(lambda: UniobsApp(Session(str(guest.pid), image), image), script)
        assert "worker-1" in uniobs("ps", "x.core").out
        for file in ("live.uniobs", "past.uniobs"):
            assert "is fine" in uniobs("why", file).out.splitlines()[0]
        assert "seen" in uniobs("strace", "past.uniobs").out
    left = subprocess.run(["pgrep", "-f", f"tcpdump.*{guest.pid}"], capture_output=True, check=False)
    assert not left.stdout, "a capture runs on though the screen is gone"
