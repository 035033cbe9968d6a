"""uniobs shell on the reference guest: live, from a core, on a terminal, through drgn, when it vanishes."""

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import boot
from support import gdbprint
from support.cli import UNIOBS, uniobs
from support.qemu import demo_elf
from support.terminal import Terminal

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

# what stands still in a parked guest
VARIABLES = (
    "ledger;accounts;*ledger.owner;ledger.owner->name;accounts.waiters;&ledger.link;*accounts.waiters.head;"
    "ledger.row->name;*ledger.row;balance;tsc_khz;gdt;threads[2];threads[1].name;&threads[3];sizeof(threads);"
    "sizeof(threads)/sizeof(threads[0]);ledger.owner==&threads[12];*(struct mutex *)&ledger;idle_thread->tid;"
    "bins;actions;tcp_active_pcbs;*netif_default;netif_list->mtu;netif_list->name"
).split(";")


class Parked:
    """A guest with a deadlock that stands still, its core, and its image."""

    def __init__(self, guest: boot.Guest, core: Path, image: Path) -> None:
        self.guest, self.core, self.image = guest, core, image

    def shell(self, how: str, *commands: str, **options: object) -> str:
        target = str(self.guest.pid) if how == "live" else str(self.core)
        words = [word for command in commands for word in ("-c", command)]
        return uniobs("shell", *words, "--image", self.image, target, **options).out


@pytest.fixture(scope="module")
def parked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parked]:
    folder = tmp_path_factory.mktemp("shell")
    image = folder / "demo.elf"  # a copy: nobody rebuilds it meanwhile
    shutil.copy(demo_elf(), image)
    with boot.boot(boot.Machine("q35", append="break=deadlock break_after_ms=300", elf=image)) as guest:
        for _ in range(40):
            if uniobs("why", "--json", guest.pid, expect=(0, 1, 4)).code == 1:
                break
        guest.poke("/park?ms=600000")
        guest.wait_console("@dump end")
        core = folder / "demo.core"
        guest.qmp("dump-guest-memory", paging=False, protocol=f"file:{core}")
        yield Parked(guest, core, image)


@pytest.mark.parametrize("how", ["live", "core"])
def test_variables_print_as_gdb_prints_them(parked: Parked, how: str, tmp_path: Path) -> None:
    fixed = tmp_path / "fixed.core"
    uniobs("core", "fix", parked.core, "--image", parked.image, "-o", fixed)
    theirs = gdbprint.printed(parked.image, fixed, [f"p {name}" for name in VARIABLES])
    mark = "=== next ==="
    orders = [word for name in VARIABLES for word in (f"print {name}", f'print "{mark}"')]
    text = parked.shell(how, *orders)
    ours = [part.strip("\n") for part in text.split(f'"{mark}"\n')]
    assert len(ours) == len(VARIABLES) + 1
    same = 0
    for name, mine in zip(VARIABLES, ours, strict=False):
        right = theirs[f"p {name}"]
        assert "No symbol" not in right and "Cannot access" not in right, (name, right)
        lines = list(zip(mine.splitlines(), right.splitlines(), strict=True))
        # what we show as bytes, gdb takes for text
        assert [line for line in lines if line[0] != line[1] and "= {0x" not in line[0]] == [], name
        same += len(lines)
    assert same > 150


@pytest.mark.parametrize("how", ["live", "core"])
def test_a_session(parked: Parked, how: str) -> None:
    orders = ("::status", "transfer-a::stack", "::locks", "ledger.owner->name", "ledger.owner::stack")
    text = parked.shell(how, *orders, "::walk threads", "&ledger.name::whatis")
    assert "verdict   deadlock: transfer-a <-> transfer-b" in text and "text proven" in text
    assert text.count('"transfer-a"') == 1 and '"transfer-b"' in text
    assert "transfer_a" in text and "mutex_lock" in text and "cfi" in text
    assert "of data of demo.elf: ledger.name (char *)" in text
    assert "worker-1" in text


def test_both_ways_tell_the_same(parked: Parked) -> None:
    orders = ("::locks", "::threads | ::stack", "print *ledger.owner", "x/32gx &ledger", "::dis transfer_a",
              "transfer-a::regs", "::walk threads print .name")  # fmt: skip
    live, dead = (parked.shell(how, *orders, expect=(0, 4)) for how in ("live", "core"))
    assert live == dead and live.count("\n") > 100


def test_a_script_and_its_code(parked: Parked, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("# a comment\nprint balance\n::nonsense\nledger.name\n")
    ran = uniobs("shell", "-f", script, "--image", parked.image, parked.core, expect=2)
    assert '"ledger"' in ran.out and "no command ::nonsense" in ran.err
    (row,) = uniobs("shell", "--json", "-c", "ledger.name", "--image", parked.image, parked.core).rows
    assert row["type"] == "char *" and row["address"]


def test_nothing_can_be_written(parked: Parked) -> None:
    before = parked.shell("live", "print balance")
    ran = uniobs("shell", "-c", "balance = 5", "--image", parked.image, parked.guest.pid, expect=2)
    assert "nothing is ever written" in ran.err and parked.shell("live", "print balance") == before


def test_on_a_terminal(parked: Parked, tmp_path: Path) -> None:
    """Completion, history, an interrupt, a mistake, the end; and the history of the session before."""
    home = {"XDG_STATE_HOME": str(tmp_path), "NO_COLOR": "1"}
    command = [UNIOBS, "shell", "--image", str(parked.image), str(parked.core)]
    with Terminal(command, home) as terminal:
        assert "deadlock: transfer-a <-> transfer-b" in terminal.wait("core>")
        terminal.keys("print ledger.ow\t")
        terminal.wait("ner")
        terminal.keys("->na\t")
        terminal.wait("me")
        terminal.keys("\r")
        terminal.wait('"transfer-b"')
        terminal.wait("core>")
        terminal.keys("ledger.nmae\r")
        terminal.wait("no member nmae: is it name")
        terminal.wait("core>")
        terminal.keys("\x1b[A\x1b[A\r")  # the one before the mistake
        terminal.wait('"transfer-b"')
        terminal.wait("core>")
        terminal.keys("::every 0.2 print 6*7\r")
        terminal.wait("42\r\n42")
        terminal.keys("\x03")
        terminal.wait("interrupted")
        terminal.wait("core>")
        terminal.keys("\x04")
        assert terminal.end() == 0
    history = tmp_path / "uniobs" / "shell_history"
    assert "+print ledger.owner->name" in history.read_text() and history.stat().st_mode & 0o77 == 0
    with Terminal(command, home) as terminal:
        terminal.wait("core>")
        terminal.keys("print led\x1b[A\r")  # history, by how it begins
        terminal.wait('"transfer-b"')
        terminal.wait("core>")
        terminal.keys("::quit\r")
        assert terminal.end() == 0


@pytest.mark.parametrize("how", ["live", "core"])
def test_drgn_reads_the_same(parked: Parked, how: str) -> None:
    pytest.importorskip("drgn")
    orders = (
        "print(prog['ledger'].owner.name.string_().decode())",
        "print(prog['balance'].value_())",
        "print(len(threads()), stack('transfer-a'))",
        "print(hex(prog['ledger'].address_))",
    )
    target = parked.guest.pid if how == "live" else parked.core
    words = [word for order in orders for word in ("-c", order)]
    text = uniobs("shell", "--drgn", *words, "--image", parked.image, target).out.splitlines()
    assert text[0] == "transfer-b"
    ours = parked.shell(how, "print balance", "&ledger").split()
    assert text[1] == ours[0] and text[-1] == ours[-2]
    assert any("transfer_a" in line for line in text)


def test_a_guest_that_vanishes(parked: Parked, tmp_path: Path) -> None:
    with boot.boot(boot.Machine("microvm", elf=parked.image)) as guest:
        command = [UNIOBS, "shell", "--image", str(parked.image), str(guest.pid)]
        with Terminal(command, {"XDG_STATE_HOME": str(tmp_path), "NO_COLOR": "1"}) as terminal:
            terminal.wait("guest>")
            guest.process.send_signal(signal.SIGKILL)
            guest.process.wait()
            terminal.keys("print ledger\r")
            terminal.wait("is gone")
            terminal.wait("guest>")
            terminal.keys("::type struct mutex\r")  # the image is still there
            terminal.wait("struct thread *owner;")
            terminal.keys("::quit\r")
            assert terminal.end() == 0
