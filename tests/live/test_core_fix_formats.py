"""`uniobs core fix` on every core format: a core that stock gdb shows the same threads and memory of."""

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from support.corewriters import Snapshot, elf, snapshot, xen
from support.corewriters.every import WRITERS, Writer
from tests.support import build
from tests.support.cli import uniobs
from tests.support.gdbcore import gdb
from tests.support.qemu import booted, demo_elf, dumped, physical
from uniobs.cores import open_core

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

ELF: dict[str, Writer] = {
    "qemu-elf": elf.write_qemu,
    "qemu-elf-many": partial(elf.write_qemu, many=True),
    "cloud-hypervisor-elf": elf.write_cloud_hypervisor,
    "virtualbox": elf.write_virtualbox,
    "solo5": elf.write_solo5,
    "xen-hvm": xen.write,
}


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Images that nobody else remembers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


class Still(NamedTuple):
    taken: Snapshot
    threads: set[int]
    low: bytes  # the second MiB of memory, as QEMU gives it


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Still]:
    directory = tmp_path_factory.mktemp("formats")
    with booted() as guest:
        guest.wait_ready()
        guest.poke("/break/null")
        guest.wait_console("@dump end\n")
        guest.qmp("stop")
        guest.qmp("dump-guest-memory", paging=False, protocol=f"file:{directory / 'core'}")
        threads = {int(row["tid"]) for row in dumped(guest.console)["threads"]}
        low = physical(guest, 1 << 20, 1 << 20)
    core = open_core(str(directory / "core"))
    with closing(core.memory):
        whole = snapshot(core)
        ram = [(start, data) for start, data in whole.contents if start < whole.blocks[0].end]
        yield Still(Snapshot(whole.blocks[:1], tuple(ram), whole.registers), threads, low)


@pytest.mark.parametrize("name", [*WRITERS, *ELF])
def test_format(still: Still, name: str, tmp_path: Path) -> None:
    build.need("gdb")
    core = (WRITERS | ELF)[name](tmp_path / "guest.core", still.taken)
    fixed = tmp_path / "fixed"
    row = uniobs("core", "fix", core, "-o", fixed, "--image", demo_elf(), "--json", expect=(0, 4)).rows[0]
    told = gdb([str(demo_elf()), str(fixed)], memory=[(1 << 20, 1 << 20)])
    left_out = {int(entry["thread"].split()[0]) for entry in row["left_out"]}
    assert {thread["id"] for thread in told["threads"]} | left_out == still.threads
    assert not left_out, row["left_out"]  # the crashed thread has the CPU, and the panic record its registers
    assert told["threads"][0]["frames"][0]["function"] == "poke"
    assert bytes.fromhex(told["memory"][1 << 20]) == still.low
    # it is a core of its own: uniobs reads the copy, and fixes it again
    copied, given = (uniobs("bt", one, "--image", demo_elf(), expect=None) for one in (fixed, core))
    assert (copied.code, copied.out) == (given.code, given.out), copied.describe() + given.describe()
    again = uniobs("core", "fix", fixed, "-o", tmp_path / "again", "--image", demo_elf(), "--json").rows[0]
    assert again["threads"] == row["threads"] and again["mappings"] == row["mappings"]


@pytest.mark.parametrize("name", ELF)
def test_elf_in_place(still: Still, name: str, tmp_path: Path) -> None:
    build.need("gdb")
    core = ELF[name](tmp_path / "guest.core", still.taken)
    before = core.read_bytes()
    said = uniobs("bt", core, "--image", demo_elf()).out
    uniobs("core", "fix", "--in-place", core, "--image", demo_elf())
    told = gdb([str(demo_elf()), str(core)])
    assert {thread["id"] for thread in told["threads"]} == still.threads
    assert uniobs("bt", core, "--image", demo_elf()).out == said
    uniobs("core", "fix", "--undo", core)
    assert core.read_bytes() == before
