"""Each view of a guest as it looks: live, hung, dead, recorded; dark and light, small and large."""

from pathlib import Path
from typing import Any

import pytest

import uniobs_tui.session
from support import screens, shop
from support.corewriters import Range, Snapshot, elf
from uniobs_tui.app import UniobsApp
from uniobs_tui.homepoll import Host
from uniobs_tui.keys import Settings
from uniobs_tui.session import Session

PANES = (
    "overview threads stacks locks sockets memory counters verdict registers hex virtio"
).split()  # fmt: skip
GUESTS = {
    "calm": ("shop.uniobs", "+8"),  # a recording, before anything went wrong
    "locked": ("shop.uniobs", None),  # its end
    "crashed": ("shop.ram", None),  # a file of memory
    "hung": ("shop.core", None),  # a core as QEMU writes it, with registers
    "live": ("shop", None),
}
REGISTERS = {"rip": 0x4010, "rsp": 0x30FF00, "rbp": 0x30FF40, "rflags": 0x246, "cr0": 0x11, "cs": 8, "ss": 16}
NEVER = 3600.0  # seconds: a live guest is looked at once


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("panes")
    screens.recorded_shop(place / "shop.uniobs")
    shop.write(place / "shop.ram", shop.crashed(shop.shop()))
    build = shop.hung(shop.shop())
    contents = ((build.base, build.build()),)
    elf.write_qemu(place / "shop.core", Snapshot((Range(0, 8 << 20),), contents, (REGISTERS,)))
    return place


@pytest.mark.timeout(60)
@pytest.mark.parametrize("size", [screens.SMALL, screens.LARGE], ids=["80x24", "200x60"])
@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("guest", GUESTS)
def test_every_view(
    place: Path, monkeypatch: pytest.MonkeyPatch, guest: str, theme: str, size: tuple[int, int]
) -> None:
    monkeypatch.chdir(place)
    file, at = GUESTS[guest]
    if guest == "live":
        monkeypatch.setattr(uniobs_tui.session, "open_target", lambda spec, images, at: screens.live_shop())

    def app() -> UniobsApp:
        settings = Settings(theme=theme, interval=NEVER if guest == "live" else 1.0)
        return UniobsApp(Session(file, at=at), place=Host(processes=False), settings=settings)

    async def script(pilot: Any) -> None:
        for pane in PANES:
            await pilot.app.screen.action_pane(pane)
            await screens.settle(pilot)
            name = f"panes-{guest}-{size[0]}x{size[1]}/{theme}-{pane}"
            screens.check(pilot.app, name, only="#body")  # what is around it has tests of its own

    screens.drive(app, script, size)
