"""From one view to the next by keys: a thread's locks and calls, a socket's packets, an address's bytes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support import screens, shop
from uniobs_tui.app import UniobsApp
from uniobs_tui.homepoll import Host
from uniobs_tui.keys import Settings
from uniobs_tui.session import Session

Make = Callable[[], UniobsApp]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("keys")
    screens.recorded_shop(place / "shop.uniobs")
    shop.write(place / "shop.ram", shop.crashed(shop.shop()))
    shop.write(place / "evil.ram", shop.shop(name=b"\x1b]0;x\x07[red]{}\xe2\x80\xae"))
    return place


def app(file: Path) -> Make:
    return lambda: UniobsApp(Session(str(file)), place=Host(processes=False), settings=Settings())


def body(pilot: Any) -> str:
    return screens.text(pilot.app, only="#body")


def current(pilot: Any) -> str:
    return str(pilot.app.screen.pane.name_)


async def typed(pilot: Any, command: str) -> None:
    await pilot.press("colon", *(" " if c == " " else c for c in command), "enter")
    await screens.settle(pilot)


def test_from_a_thread_to_its_locks_and_back(place: Path) -> None:
    async def script(pilot: Any) -> None:
        await screens.press(pilot, "t")
        assert "worker-a (tid 3): mutex lock_b (tid 4)" in body(pilot)  # the one that matters is selected
        await screens.press(pilot, "l")
        assert current(pilot) == "locks"
        assert "only what worker-a (tid 3) holds or waits for" in body(pilot)
        assert "queue.filled" not in body(pilot)
        await screens.press(pilot, "escape")
        assert current(pilot) == "threads"
        await screens.press(pilot, "7")
        assert "queue.filled" in body(pilot)  # everything again

    screens.drive(app(place / "shop.uniobs"), script)


def test_from_a_thread_to_its_calls(place: Path) -> None:
    async def script(pilot: Any) -> None:
        await screens.press(pilot, "t", "s")
        assert current(pilot) == "trace" and "open(" in body(pilot)
        await screens.press(pilot, "escape")
        assert current(pilot) == "threads"

    screens.drive(app(place / "shop.uniobs"), script)


def test_a_stack_is_opened_and_left(place: Path) -> None:
    async def script(pilot: Any) -> None:
        await screens.press(pilot, "t", "enter")
        assert "TID NAME" not in body(pilot) and "worker-a (tid 3): crashed" in body(pilot)
        await screens.press(pilot, "escape")
        assert "TID NAME" in body(pilot)
        await screens.press(pilot, "home")
        assert "main (tid 1): accept 0.0.0.0:80" in body(pilot)

    screens.drive(app(place / "shop.ram"), script)


def test_a_sockets_packets(place: Path) -> None:
    async def script(pilot: Any) -> None:
        await screens.press(pilot, "i", "home", "down", "down", "enter")
        assert current(pilot) == "packets"
        await screens.press(pilot, "escape")
        assert current(pilot) == "sockets"

    screens.drive(app(place / "shop.ram"), script)


def test_from_a_circle_to_the_thread(place: Path) -> None:
    async def script(pilot: Any) -> None:
        await screens.press(pilot, *"7", "tab", "down", "enter")
        assert current(pilot) == "threads"
        assert "worker-b (tid 4): mutex lock_a (tid 3)" in body(pilot)

    screens.drive(app(place / "shop.uniobs"), script)


def test_bytes_are_gone_to_and_followed(place: Path) -> None:
    async def script(pilot: Any) -> None:
        await typed(pilot, "x 0x200018")
        assert current(pilot) == "hex" and "virtual 0x200018" in body(pilot)
        await screens.press(pilot, "enter")  # self_va: a pointer to the region's start
        assert "virtual 0x200000" in body(pilot) and "UniObs-" in body(pilot)
        await screens.press(pilot, "escape")
        assert "virtual 0x200018" in body(pilot)
        await screens.press(pilot, "down", "right")
        assert "virtual 0x200028" in body(pilot)
        await typed(pilot, "x 0xfffffffffffffffe")
        assert "?? ?? ??" in body(pilot)
        await typed(pilot, "x no_such_thing")
        assert "no_such_thing" in body(pilot)
        await screens.press(pilot, "pagedown", "pageup", "V")
        assert "physical 0x" in body(pilot)

    screens.drive(app(place / "shop.ram"), script)


def test_registers_lead_to_bytes(place: Path) -> None:
    async def script(pilot: Any) -> None:
        await screens.press(pilot, "r", "down", "enter")
        assert current(pilot) == "hex" and "virtual 0x30ff00" in body(pilot)

    screens.drive(app(place / "shop.ram"), script)


def test_what_a_verdict_says_to_do_is_done(place: Path) -> None:
    async def script(pilot: Any) -> None:
        await screens.press(pilot, "w", "end", "home", "down")
        key = str(pilot.app.screen.pane.lines().key)
        assert key.startswith("uniobs bt ")
        await screens.press(pilot, "enter")
        assert current(pilot) == "threads"

    screens.drive(app(place / "shop.ram"), script)


def test_the_graph_goes_back_in_time_with_everything(place: Path) -> None:
    async def script(pilot: Any) -> None:
        await typed(pilot, "at +4s")
        dots = max(sum(0x2800 < ord(c) <= 0x28FF for c in row) for row in body(pilot).split("\n"))
        assert dots == 4  # two graphs side by side, of four values each
        await typed(pilot, "at end")
        assert max(sum(0x2800 < ord(c) <= 0x28FF for c in row) for row in body(pilot).split("\n")) == 20

    screens.drive(app(place / "shop.uniobs"), script)


def test_a_view_that_cant_be_had_says_why(place: Path) -> None:
    async def script(pilot: Any) -> None:
        await screens.press(pilot, "v")
        assert "Devices: how far its VMM came with each virtio queue" in body(pilot)
        await screens.press(pilot, "t")
        assert "TID NAME" in body(pilot)

    screens.drive(app(place / "shop.ram"), script)


@pytest.mark.parametrize("pane", "overview threads stacks locks sockets memory verdict registers hex".split())
def test_hostile_names_are_text(place: Path, pane: str) -> None:
    async def script(pilot: Any) -> None:
        await pilot.app.screen.action_pane(pane)
        await screens.settle(pilot)
        assert not any((ord(c) < 32 and c != "\n") or ord(c) == 0x202E for c in screens.text(pilot.app))
        if pane in ("overview", "threads", "locks", "verdict"):
            assert "\\x1b]0;x\\x07[red]{}\\u202e"[:12] in body(pilot)

    screens.drive(app(place / "evil.ram"), script)


@pytest.mark.parametrize("size", [(20, 5), (1, 1), (300, 8)], ids=str)
def test_odd_terminals(place: Path, size: tuple[int, int]) -> None:
    async def script(pilot: Any) -> None:
        for pane in "overview threads stacks locks sockets memory counters verdict registers hex".split():
            await pilot.app.screen.action_pane(pane)
            await screens.settle(pilot, 1)
            await pilot.press("down", "enter")

    screens.drive(app(place / "shop.uniobs"), script, size)
