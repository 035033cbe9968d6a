"""The terminal UI as a person has it: in a terminal, on a guest that works, deadlocks and then crashes."""

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import boot
from support.cli import UNIOBS
from support.qemu import demo_elf
from support.tmux import Terminal, terminal

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]


def _opened(term: Terminal, name: str) -> None:
    """Home, and from there to the guest."""
    term.type(f"{UNIOBS}")
    term.keys("Enter")
    term.until(name)
    term.type(f"/{name}")
    term.until(f"/{name}")
    term.keys("Enter")
    time.sleep(0.5)
    term.keys("Enter")
    term.until(lambda shown: "Overview" in shown and name in shown.splitlines()[0])


def _quit(term: Terminal) -> None:
    term.type("q")
    term.until(lambda shown: shown.rstrip().endswith("ready>"))
    term.check_sane()


def _waits(shown: str) -> bool:
    return "mutex ledger" in shown or "mutex accounts" in shown or bool(re.search(r"\bD +mutex", shown))


def _at_the_end(term: Terminal, wanted: Callable[[str], bool]) -> None:
    """The last row, which may only be coming."""
    for _ in range(30):
        term.keys("End")
        time.sleep(0.4)
        if wanted(shown := term.text()):
            return
    raise AssertionError(shown)


@pytest.mark.parametrize("size", [(80, 24), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_a_night_with_a_guest(size: tuple[int, int], tmp_path: Path) -> None:
    name = f"aakv{os.getpid()}x{size[0]}"  # the first, however many guests others run
    with boot.boot(boot.Machine(elf=demo_elf(), name=name)) as guest, terminal(*size) as term:
        boot.traffic(guest)
        _opened(term, name)
        term.type("t")
        term.until("worker-1")
        assert not _waits(term.text())
        term.type(":calls")
        term.keys("Enter")
        term.until("SPENT")
        time.sleep(1.5)
        guest.http("PUT", "/kv/night", b"x" * 100)
        term.until("/kv/night" if size[0] > 100 else "recv")
        term.type("P")
        term.until("10.0.2.15")
        time.sleep(2)

        guest.poke("/break/deadlock")
        term.type("t")
        term.until("DEADLOCKED")
        term.until("worker-1")
        _at_the_end(term, lambda shown: "transfer-a" in shown and _waits(shown))
        time.sleep(2)
        for _ in range(30):  # back to before
            term.type("[")
            time.sleep(0.2)
            if not _waits(shown := term.text()):
                break
        assert not _waits(shown) and "worker-4" in shown, shown
        time.sleep(1.2)
        assert not _waits(term.text())  # time stands still
        term.type("p")
        term.until("DEADLOCKED")
        _at_the_end(term, _waits)  # the cursor's thread wasn't there then
        term.type("w")
        shown = term.until("DEADLOCKED")
        assert "transfer-a" in shown and "transfer-b" in shown

        guest.poke("/break/null")
        term.until(lambda shown: "dead" in shown.splitlines()[0])
        term.until("page fault")

        guest.kill()
        term.until("gone")
        term.type("t")
        term.until("worker-4")  # what was seen last
        _quit(term)
    assert not list(tmp_path.iterdir())


def test_its_vmm_is_killed_while_it_is_looked_at() -> None:
    name = f"aagone{os.getpid()}"
    with boot.boot(boot.Machine(elf=demo_elf(), name=name)) as guest, terminal() as term:
        _opened(term, name)
        term.type("t")
        term.until("worker-1")
        guest.process.send_signal(signal.SIGKILL)
        guest.process.wait()
        term.until("gone")
        for key in "sliwo":
            term.type(key)
        term.type("t")
        term.until("worker-1")
        term.type("[")
        term.until(lambda shown: "▮▮" in shown.splitlines()[0])
        _quit(term)


def test_killed_it_leaves_nothing_behind(tmp_path: Path) -> None:
    """Neither by SIGTERM nor by SIGKILL; and the first of them gives the terminal back."""
    name = f"left{os.getpid()}"
    with boot.boot(boot.Machine(elf=demo_elf(), name=name)) as guest:
        for how in (signal.SIGTERM, signal.SIGKILL):
            with terminal(TMPDIR=str(tmp_path)) as term:
                term.type(f"{UNIOBS} tui {guest.pid}")
                term.keys("Enter")
                term.until("worker-1")
                time.sleep(1.2)
                shell = int(term.flag("pane_pid"))
                (child,) = Path(f"/proc/{shell}/task/{shell}/children").read_text().split()
                held = [os.readlink(link) for link in Path(f"/proc/{child}/fd").iterdir()]
                assert any(path.startswith(str(tmp_path)) for path in held), held
                os.kill(int(child), how)
                if how == signal.SIGTERM:
                    term.until(lambda shown: shown.rstrip().endswith("ready>"))
                    term.check_sane()
                else:
                    term.until("Killed")
            assert list(tmp_path.iterdir()) == []


def test_a_shell_and_back(tmp_path: Path) -> None:
    """F8, s: the command has the terminal, ^C is its own; then the screen is there again."""
    name = f"shell{os.getpid()}"
    with boot.boot(boot.Machine(elf=demo_elf(), name=name)) as guest, terminal() as term:
        term.type(f"cd {tmp_path}; {UNIOBS} tui --image {demo_elf()} {guest.pid}")
        term.keys("Enter")
        term.until("worker-1")
        term.keys("F8")
        term.until("Open a shell")
        term.type("s")
        term.until("$ uniobs shell")
        term.keys("Enter")
        term.until(lambda shown: "Actions" not in shown and "worker-1" not in shown)
        time.sleep(1.5)
        term.type("::threads")
        term.keys("Enter")
        term.until("worker-4")
        term.keys("C-c", "")
        time.sleep(0.5)
        term.keys("C-d", "")
        term.until("Overview")
        term.type("t")
        term.until("worker-1")
        _quit(term)
