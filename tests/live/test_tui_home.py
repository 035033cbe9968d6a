"""The terminal UI beside guests that run, lock up, hang and go: what its home and their headers say."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

import boot
from support import screens
from support.qemu import demo_elf
from uniobs_tui.app import UniobsApp
from uniobs_tui.guest import GuestScreen
from uniobs_tui.home import HomeScreen
from uniobs_tui.homepoll import Host

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]
LIMIT_S = 40.0
INTERVAL = 0.1


def machine(name: str) -> boot.Machine:
    return boot.Machine(elf=demo_elf(), name=name)


def row_of(place: Host, pid: int, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Poll until the guest's row is as wanted."""
    limit = time.monotonic() + LIMIT_S
    while True:
        rows = [row for row in place.poll().rows if row["pid"] == pid]
        if rows and wanted(rows[0]):
            return rows[0]
        assert time.monotonic() < limit, rows
        time.sleep(INTERVAL)


def test_what_home_says_of_a_guest_through_its_life() -> None:
    place = Host()
    try:
        with boot.boot(machine("tui-kv")) as guest:
            row = row_of(place, guest.pid, lambda row: row["state"] == "live" and row["log"] is not None)
            assert row["name"] == "tui-kv" and row["sees"] == "stub" and row["unikernel"] == "demo"
            assert row["memory"] == 64 << 20 and row["card"] is None and row["beat_age_s"] is not None
            guest.http("GET", "/")
            row_of(place, guest.pid, lambda row: sum(row["rates"]) > 0 and "GET /" in row["log"])
            guest.http("GET", "/break/deadlock")
            row = row_of(place, guest.pid, lambda row: row["card"] is not None)
            assert row["state"] == "live" and "tui-kv has DEADLOCKED threads" in row["card"][1], row
            assert row["verdict"].startswith("deadlock: transfer-"), row
        row = row_of(place, guest.pid, lambda row: row["state"] == "gone")
        assert row["card"] is None and row["cpu"] is None
    finally:
        place.close()


@pytest.mark.parametrize(
    ("how", "state", "says"),
    [("spin-irqoff", "hung", "HUNG"), ("null", "dead", "DEAD")],
    ids=["hung", "dead"],
)
def test_hung_and_dead(how: str, state: str, says: str) -> None:
    place = Host()
    try:
        with boot.boot(machine("tui-broken")) as guest:
            row_of(place, guest.pid, lambda row: row["state"] == "live")
            guest.poke(f"/break/{how}")
            row = row_of(place, guest.pid, lambda row: row["state"] == state and row["verdict"] is not None)
            assert f"tui-broken is {says}" in row["card"][1], row
    finally:
        place.close()


def test_a_person_watches_it_lock_up_and_go() -> None:
    async def main(guest: Any) -> None:
        with screens.plain_surroundings():
            app = UniobsApp(images=[str(demo_elf())])
        async with app.run_test(size=(100, 30)) as pilot:
            await until(pilot, lambda: "tui-seen" in screens.text(app))
            app.open_guest(str(guest.pid))
            await until(pilot, lambda: isinstance(app.screen, GuestScreen) and "● live" in head(app))
            assert "demo on qemu microvm" in head(app) and "now" in head(app)
            await pilot.press("t")
            await until(pilot, lambda: "worker-1" in screens.text(app))
            guest.http("GET", "/break/deadlock")
            await until(pilot, lambda: "tui-seen has DEADLOCKED threads" in screens.text(app))
            await until(pilot, lambda: "mutex" in screens.text(app))
            await pilot.press("p")
            await until(pilot, lambda: "▮▮" in head(app))
            for _ in range(60):  # back to before it was asked to
                await pilot.press("left_square_bracket")
                await screens.settle(pilot)
                if "DEADLOCKED" not in screens.text(app) and "mutex" not in screens.text(app):
                    break
            assert "DEADLOCKED" not in screens.text(app) and "worker-1" in screens.text(app)
            await pilot.press("0")
            await until(pilot, lambda: "DEADLOCKED" in screens.text(app) and "▮▮" not in head(app))
            os.kill(guest.pid, signal.SIGKILL)
            await until(pilot, lambda: "gone" in screens.text(app))
            await pilot.press("left_square_bracket")  # what was seen of it can still be looked at
            await until(pilot, lambda: "worker-1" in screens.text(app))
            await pilot.press("escape")
            await until(pilot, lambda: isinstance(app.screen, HomeScreen))
            await until(pilot, lambda: "gone" in screens.text(app))

    with boot.boot(machine("tui-seen")) as guest:
        asyncio.run(main(guest))


def head(app: UniobsApp) -> str:
    return next(iter(screens.text(app).splitlines()), "")  # a screen that was just opened shows nothing


async def until(pilot: Any, wanted: Callable[[], bool]) -> None:
    limit = time.monotonic() + LIMIT_S
    while not wanted():
        assert time.monotonic() < limit, screens.text(pilot.app)
        await pilot.pause(0.05)
