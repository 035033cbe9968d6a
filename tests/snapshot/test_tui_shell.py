"""The guest screen's frame: its header, tabs, clock and keys."""

from pathlib import Path
from typing import Any

import pytest

from support import screens, shop
from uniobs_tui.app import UniobsApp
from uniobs_tui.session import Session


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(screens.recorded_shop(tmp_path_factory.mktemp("tui") / "shop.uniobs"))


def test_threads_of_a_recording(recording: str) -> None:
    async def script(pilot: Any) -> None:
        screens.check(pilot.app, "shell-recording-80x24")
        await screens.press(pilot, *["left_square_bracket"] * 10)
        assert "22:14:30" in screens.text(pilot.app)

    screens.drive(lambda: UniobsApp(Session(recording)), script)


def test_threads_of_a_file(tmp_path: Path) -> None:
    file = str(shop.write(tmp_path / "shop.ram", shop.shop()))

    async def script(pilot: Any) -> None:
        assert "● dead" in screens.text(pilot.app)

    screens.drive(lambda: UniobsApp(Session(file)), script, (20, 5))
