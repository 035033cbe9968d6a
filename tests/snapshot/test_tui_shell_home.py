"""The home screen: what is listed, who is in trouble, opening one."""

from pathlib import Path
from typing import Any

import pytest

from support import screens, shop
from uniobs_tui.app import UniobsApp
from uniobs_tui.guest import GuestScreen
from uniobs_tui.home import HomeScreen, spark
from uniobs_tui.homepoll import Guests, Host
from uniobs_tui.keys import Settings
from uniobs_tui.table import LineTable

BLANK: dict[str, Any] = {
    "vmm": "qemu microvm", "unikernel": "demo", "state": "live", "reason": "idle", "beat_age_s": 0.012,
    "cpu": 3.1, "memory": 64 << 20, "sees": "stub", "verdict": None, "error": None, "rate": 1234.0,
    "rates": (0.0, 10.0, 100.0, 1000.0, 500.0, 1234.0), "log": "listening on port 80", "card": None,
}  # fmt: skip


def guest(pid: int, name: str, **values: Any) -> dict[str, Any]:
    return {**BLANK, "key": pid, "spec": str(pid), "pid": pid, "name": name, **values}


class Told:
    """A place whose guests are told to it."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.rows = rows
        self.polls = 0

    def poll(self) -> Guests:
        self.polls += 1
        return Guests(self.rows, False)

    def close(self) -> None:
        self.rows = ()


def everybody() -> tuple[dict[str, Any], ...]:
    locked = "deadlock: worker-a <-> worker-b"
    return (
        guest(4711, "kv"),
        guest(
            4802, "shop", unikernel="unikraft", beat_age_s=None, sees="walker", verdict=locked, rate=None,
            rates=(), card=(1, "shop has DEADLOCKED threads, for at least 6.0s", "bad"),
        ),
        guest(
            5102, "pay", state="dead", unikernel="nanos", cpu=0.0, verdict="page fault in deref (srv.c:14)",
            card=(0, "pay is DEAD: page fault in deref (srv.c:14)", "bad"),
        ),
        guest(5200, "edge", state="hung", cpu=99.8, card=(1, "edge is HUNG, for at least 12s", "bad")),
        guest(5300, "evil\x1b[2J[red]\u202e", log="\x1b]0;owned\x07 [bold]text[/bold]"),
        guest(5400, "old", state="gone", beat_age_s=None, cpu=None, rate=None),
        guest(5500, "mine", error="pid 5500 belongs to another user", state="unknown", sees=None,
              verdict="pid 5500 belongs to another user"),
    )  # fmt: skip


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("size", [(80, 24), (200, 60), (20, 5)], ids=["80x24", "200x60", "20x5"])
def test_home(theme: str, size: tuple[int, int]) -> None:
    async def script(pilot: Any) -> None:
        screens.check(pilot.app, f"home-{theme}-{size[0]}x{size[1]}")
        shown = screens.text(pilot.app)
        assert "\x1b" not in shown and "\u202e" not in shown

    screens.drive(lambda: UniobsApp(place=Told(*everybody()), settings=Settings(theme=theme)), script, size)


def test_nobody_is_here() -> None:
    async def script(pilot: Any) -> None:
        assert "No guest is running on this host" in screens.text(pilot.app)
        await pilot.press("enter", "down", "greater_than_sign")

    screens.drive(lambda: UniobsApp(place=Told()), script)


def test_the_selection_stays_with_its_guest() -> None:
    place = Told(*(guest(pid, f"g{pid}") for pid in range(10, 20)))

    async def script(pilot: Any) -> None:
        table = pilot.app.screen.query_one(LineTable)
        await pilot.press("down", "down", "down")
        assert table.key == 13
        place.rows = tuple(guest(pid, f"g{pid}") for pid in range(12, 300))
        await screens.settle(pilot)
        assert table.key == 13
        await pilot.press("greater_than_sign", "greater_than_sign")
        await screens.settle(pilot)
        assert table.key == 13
        place.rows = tuple(row for row in place.rows if row["pid"] != 13)
        await screens.settle(pilot)
        assert table.key is not None
        await pilot.press("backslash", *"g27", "enter")
        await screens.settle(pilot)
        shown = screens.text(pilot.app)
        assert "g270" in shown and "g12 " not in shown

    screens.drive(lambda: UniobsApp(place=place), script)


def test_files_stand_beside_and_are_opened(tmp_path: Path) -> None:
    dead = str(shop.write(tmp_path / "pay.ram", shop.crashed(shop.shop())))
    recording = str(screens.recorded_shop(tmp_path / "shop.uniobs"))
    garbage = tmp_path / "garbage.core"
    garbage.write_bytes(b"\x7fELF" + bytes(100))
    files = [dead, recording, str(garbage)]
    place = Host(files=files, processes=False)

    async def script(pilot: Any) -> None:
        home = pilot.app.screen
        for _ in range(200):
            await screens.settle(pilot, 1)
            if home.guests is not None and all(not file.waits for file in place.files):
                break
        await screens.settle(pilot)
        shown = screens.text(pilot.app)
        assert "shop.uniobs has DEADLOCKED threads" in shown, shown
        assert "pay" in shown and "is DEAD" in shown, shown
        states = {row["name"]: row["state"] for row in home.guests.rows}
        assert states["shop.uniobs"] == "recording" and states["pay"] == "dead", states
        await pilot.press("slash", *"shop", "enter", "enter")
        await entered(pilot)
        assert "shop.uniobs" in screens.text(pilot.app).splitlines()[0]
        await pilot.press("escape")
        await screens.settle(pilot)
        assert isinstance(pilot.app.screen, HomeScreen)
        rows = {row["name"]: row for row in home.guests.rows}
        assert rows["garbage.core"]["error"], rows

    screens.drive(lambda: UniobsApp(place=place), script, (120, 24))


def test_what_cant_be_opened_is_said_in_a_line(tmp_path: Path) -> None:
    async def script(pilot: Any) -> None:
        pilot.app.command(f"open {tmp_path}/nowhere")
        for _ in range(300):
            await pilot.pause(0.01)
            if "no such file" in screens.text(pilot.app):
                break
        assert "no such file" in screens.text(pilot.app).splitlines()[-1]
        assert isinstance(pilot.app.screen, HomeScreen)

    screens.drive(lambda: UniobsApp(place=Told(*everybody())), script, (200, 24))


def test_only_one_target_and_it_cant_be_opened() -> None:
    app = UniobsApp(spec="/nowhere/at/all", place=Told())

    async def script(pilot: Any) -> None:
        for _ in range(300):
            if app.failure is not None:
                break
            await pilot.pause(0.01)

    async def run() -> None:
        async with app.run_test() as pilot:
            await script(pilot)

    import asyncio

    asyncio.run(run())
    assert app.failure is not None and "no such file" in str(app.failure) and app.return_value == 3


def test_home_rests_while_a_guest_is_watched(tmp_path: Path) -> None:
    place = Told(*everybody())
    file = str(screens.recorded_shop(tmp_path / "shop.uniobs", 3, 2))

    async def script(pilot: Any) -> None:
        pilot.app.command(f"open {file}")
        await entered(pilot)
        await pilot.pause()
        polls = place.polls
        await screens.settle(pilot, 20)
        assert place.polls <= polls + 1  # one may have been under way
        await pilot.press("escape")
        await screens.settle(pilot)
        assert place.polls > polls + 1

    screens.drive(lambda: UniobsApp(place=place), script)


async def entered(pilot: Any) -> None:
    for _ in range(500):
        if isinstance(pilot.app.screen, GuestScreen):
            break
        await pilot.pause(0.01)
    assert isinstance(pilot.app.screen, GuestScreen)
    await screens.settle(pilot)


def test_sparks() -> None:
    assert spark([0, 1, 2, 4, 8], 5) == "·▁▂▄█"
    assert spark([], 3) == "   " and spark([0, 0], 3) == " ··" and spark([5], 1) == "█"
    assert spark(range(100), 10)[-1] == "█" and len(spark(range(100), 10)) == 10


def test_by_keys_to_those_in_trouble() -> None:
    async def script(pilot: Any) -> None:
        table = pilot.app.screen.query_one(LineTable)
        for key in (4802, 5102, 5200, 4802):  # from edge, the first row
            await pilot.press("w")
            await pilot.pause()
            assert table.key == key

    screens.drive(lambda: UniobsApp(place=Told(*everybody())), script)
