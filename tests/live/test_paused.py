"""An idle guest that its VMM paused: it says so, and runs on."""

import time

import pytest

import boot
from support.qemu import demo_elf
from uniobs.target import open_target

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]


def test_an_idle_guest_that_is_paused() -> None:
    with boot.boot(boot.Machine(elf=demo_elf())) as guest:
        target = open_target(str(guest.pid))
        try:
            assert (target.status().state, target.status().reason) == ("live", "idle")
            guest.qmp("stop")
            time.sleep(2.5)  # until its last tick is old by its own clock
            target.refresh()
            assert (target.status().state, target.status().reason) == ("live", "paused by its VMM")
            guest.qmp("cont")
            time.sleep(0.3)
            target.refresh()
            assert (target.status().state, target.status().reason) == ("live", "idle")
        finally:
            target.close()
